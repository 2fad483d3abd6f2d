import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { StreamFramer } from '../../../src/runtime/sip/stream-framer.ts';

function message(name: string, body: string, extra = ''): string {
  return [
    'MESSAGE sip:juliet@fabrikam.example SIP/2.0',
    'Via: SIP/2.0/TCP peer.example;branch=z9hG4bK1',
    'From: <sip:romeo@pool.example>;tag=1',
    'To: <sip:juliet@fabrikam.example>',
    `Call-ID: ${name}`,
    'CSeq: 1 MESSAGE',
    'Max-Forwards: 70',
    `${extra}Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

const LIMITS = { maxHeadBytes: 600, maxBodyBytes: 200, maxHeaders: 12 };

/** What comes out of the pieces, in order. */
function frame(pieces: Iterable<Buffer>): string[] {
  const seen: string[] = [];
  const framer = new StreamFramer(
    {
      onMessage: (parsed) =>
        seen.push(
          parsed.kind === 'request'
            ? `${parsed.callId}: ${parsed.body.toString()}`
            : parsed.kind === 'failure'
              ? `${parsed.status} ${parsed.message}`
              : String(parsed.status),
        ),
      onPing: () => seen.push('ping'),
      onBroken: (failure) => {
        assert.equal(failure.breaksFraming, true);
        seen.push(`broken ${failure.status} ${failure.message}`);
      },
    },
    LIMITS,
  );
  for (const piece of pieces) framer.write(piece);
  if (!framer.isIdle) seen.push('waits');
  return seen;
}

function* pieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let i = 0; i < bytes.length; i += size) yield bytes.subarray(i, i + size);
}

/** The same whole, byte by byte, in sevens, and cut in two anywhere. */
function everyWay(text: string): string[] {
  const bytes = Buffer.from(text);
  const whole = frame([bytes]);
  // Pings are told at most once for each write, so they are left out of the comparison.
  const rest = (seen: readonly string[]) => seen.filter((entry) => entry !== 'ping');
  for (const size of [1, 7]) assert.deepEqual(rest(frame(pieces(bytes, size))), rest(whole), `pieces of ${size}`);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const two = frame([bytes.subarray(0, cut), bytes.subarray(cut)]);
    assert.deepEqual(rest(two), rest(whole), `cut at ${cut}`);
  }
  return whole;
}

test('messages are cut apart wherever the segments end', () => {
  const stream = `${message('a', 'one')}${message('b', '')}\r\n${message('c', 'z\u00fcrich \u{1f600}\r\n\r\nMESSAGE')}`;
  assert.deepEqual(everyWay(stream), ['a: one', 'b: ', 'c: z\u00fcrich \u{1f600}\r\n\r\nMESSAGE']);
});

test('a spoiled message does not spoil the next when its length is known', () => {
  const spoiled = message('a', 'one').replace('From: <', 'From: "<');
  assert.deepEqual(everyWay(spoiled + message('b', 'two')), ['400 Bad From', 'b: two']);
});

test('what leaves the end of a message in doubt ends the stream', () => {
  const next = message('b', 'two');
  const a = message('a', 'one');
  const cases: [stream: string, seen: string][] = [
    [a.replace(/Content-Length: 3\r\n/, ''), 'broken 400 Missing Content-Length'],
    [a.replace('Content-Length: 3', 'Content-Length: -3'), 'broken 400 Bad Content-Length'],
    [a.replace('Content-Length: 3', 'Content-Length: 3\r\nl: 3'), 'broken 400 Several Content-Length'],
    [a.replace('Content-Length: 3', 'Content-Length: 201'), 'broken 413 Body Too Large'],
    [a.replace('CSeq', 'CSeq\r\n'), 'broken 400 Malformed Header Line'],
    [a.replace('\r\nTo', '\nTo'), 'broken 400 Malformed Header Line'],
    [a.replace('Max', `${'X: y\r\n'.repeat(10)}Max`), 'broken 413 Too Many Headers'],
    [a.replace('Max', `X: ${'y'.repeat(600)}\r\nMax`), 'broken 413 Headers Too Large'],
    [`GET / HTTP/1.1\r\nHost: a\r\n\r\n`, 'broken 400 Bad Request Line'],
  ];
  for (const [stream, seen] of cases) assert.deepEqual(everyWay(stream + next), [seen], stream);
  // Too short a length makes the rest of the body the beginning of a message.
  const short = a.replace('Content-Length: 3', 'Content-Length: 1');
  assert.deepEqual(everyWay(`${short}\r\n\r\n`), ['a: o', 'broken 400 Bad Request Line']);
});

test('a head without end is given up at its limit, whatever is missing', () => {
  assert.deepEqual(frame(pieces(Buffer.from('x'.repeat(700)), 1)), ['broken 413 Headers Too Large']);
  assert.deepEqual(frame([Buffer.from('x'.repeat(599))]), ['waits']);
});

test('keep-alives: two line ends are answered, one is not (RFC 5626 3.5.1)', () => {
  assert.deepEqual(frame([Buffer.from('\r\n')]), []);
  assert.deepEqual(frame([Buffer.from('\r\n\r\n')]), ['ping']);
  assert.deepEqual(frame(pieces(Buffer.from('\r\n\r\n'), 1)), ['ping']);
  assert.deepEqual(frame([Buffer.from(`${message('a', '')}\r\n\r\n${message('b', '')}`)]), ['a: ', 'b: ', 'ping']);
  assert.deepEqual(frame([Buffer.from('\r\n'.repeat(5_000))]), ['ping']);
  assert.deepEqual(frame([Buffer.from('\r\n\r')]), ['waits']);
  assert.deepEqual(frame([Buffer.from('\r\r\n\r\n')]), ['broken 400 Bad Request Line']);
});

test('nothing comes after stop, not even the rest of the chunk', () => {
  const seen: string[] = [];
  const framer = new StreamFramer({
    onMessage: () => {
      seen.push('message');
      framer.stop();
    },
    onPing: () => seen.push('ping'),
    onBroken: () => seen.push('broken'),
  });
  framer.write(Buffer.from(`${message('a', '')}\r\n\r\n${message('b', '')}`));
  framer.write(Buffer.from(message('c', '')));
  assert.deepEqual(seen, ['message']);
});

test('a body stays what it was while later chunks come', () => {
  const bodies: Buffer[] = [];
  const framer = new StreamFramer({
    onMessage: (parsed) => bodies.push(parsed.kind === 'request' ? parsed.body : Buffer.alloc(0)),
    onPing: () => {},
    onBroken: () => {},
  });
  const stream = Buffer.from(['one', 'two', 'three', 'four'].map((body) => message(body, body)).join(''));
  for (const piece of pieces(stream, 13)) framer.write(Buffer.from(piece));
  assert.deepEqual(bodies.map(String), ['one', 'two', 'three', 'four']);
});

test('random bytes in random pieces never throw', () => {
  const good = Buffer.from(message('a', 'one'));
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), fc.nat(20), (chunks, at) => {
      const stream = chunks.map((chunk) => Buffer.from(chunk));
      stream.splice(at, 0, good);
      frame(stream);
    }),
  );
});

test('any cutting gives the same messages', () => {
  const stream = Buffer.from(
    Array.from({ length: 6 }, (_, i) =>
      message(`m${i}`, 'b'.repeat(i * 20), i === 3 ? 'Subject: a\r\n b\r\n' : ''),
    ).join('\r\n'),
  );
  const whole = frame([stream]);
  assert.equal(whole.length, 6);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 60 }), (sizes) => {
      const chunks: Buffer[] = [];
      let at = 0;
      for (let i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] ?? 1;
        chunks.push(stream.subarray(at, at + size));
        at += size;
      }
      assert.deepEqual(frame(chunks), whole);
    }),
  );
});
