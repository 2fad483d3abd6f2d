import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { DEFAULT_SIP_LIMITS, isCallId, parseDatagram, type SipFailure } from '../../../src/runtime/sip/message.ts';

const HEADERS = [
  'Via: SIP/2.0/UDP peer.example;branch=z9hG4bK1',
  'From: <sip:romeo@pool.example>;tag=1',
  'To: <sip:juliet@fabrikam.example>',
  'Call-ID: abc@peer.example',
  'CSeq: 1 MESSAGE',
  'Max-Forwards: 70',
];

function request(
  headers: readonly string[] = HEADERS,
  body = '',
  line = 'MESSAGE sip:juliet@fabrikam.example SIP/2.0',
) {
  return Buffer.from(`${[line, ...headers].join('\r\n')}\r\n\r\n${body}`);
}

/** The headers with those of the same name replaced; undefined takes one away. */
function having(...changes: readonly (readonly [name: string, value: string | undefined])[]): string[] {
  let headers = [...HEADERS];
  for (const [name, value] of changes) {
    headers = headers.filter((header) => !header.startsWith(`${name}:`));
    if (value !== undefined) headers.push(`${name}: ${value}`);
  }
  return headers;
}

function refusal(bytes: Buffer): SipFailure {
  const parsed = parseDatagram(bytes);
  assert.ok(parsed.kind === 'failure', bytes.toString());
  return parsed;
}

test('a request with all its parts', () => {
  const parsed = parseDatagram(request([...HEADERS, 'Content-Type: text/plain', 'l: 3'], 'abcdef'));
  assert.ok(parsed.kind === 'request');
  assert.equal(parsed.method, 'MESSAGE');
  assert.equal(parsed.uri, 'sip:juliet@fabrikam.example');
  assert.equal(parsed.uriKind, 'sip');
  assert.equal(parsed.via.branch, 'z9hG4bK1');
  assert.deepEqual([parsed.from.uri, parsed.from.tag], ['sip:romeo@pool.example', '1']);
  assert.deepEqual([parsed.to.uri, parsed.to.tag], ['sip:juliet@fabrikam.example', undefined]);
  assert.deepEqual([parsed.callId, parsed.cseq, parsed.maxForwards], ['abc@peer.example', 1, 70]);
  assert.equal(parsed.body.toString(), 'abc');
});

test('without Content-Length the body of a datagram is the rest of it', () => {
  const parsed = parseDatagram(request(HEADERS, 'all of it'));
  assert.ok(parsed.kind === 'request');
  assert.equal(parsed.body.toString(), 'all of it');
});

test('line ends before a message are ignored, whatever is no message is a failure', () => {
  assert.equal(parseDatagram(Buffer.concat([Buffer.from('\r\n\r\n'), request()])).kind, 'request');
  for (const text of ['', '\r\n', 'MESSAGE', '\r\n\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', '\0\0\0\0']) {
    assert.equal(refusal(Buffer.from(text)).answerable, undefined, JSON.stringify(text));
  }
});

test('mandatory headers are there, once, and well formed', () => {
  const cases: [headers: readonly string[], message: string][] = [
    [having(['Via', undefined]), 'Bad Via'],
    [having(['Via', 'SIP/2.0/UDP']), 'Bad Via'],
    [having(['Via', 'SIP/2.0/UDP a;branch=z9hG4bK1, x']), 'Bad Via'],
    [[...HEADERS, 'Via: SIP/2.0/UDP b;branch='], 'Bad Via'],
    [having(['Via', 'SIP/2.0/UDP a;branch=z9hG4bK']), 'Bad Via Branch'],
    [having(['From', undefined]), 'Bad From'],
    [[...HEADERS, 'f: <sip:other@pool.example>;tag=2'], 'Bad From'],
    [having(['From', '<sip:romeo@pool.example>;tag=1, <sip:x@y>']), 'Bad From'],
    [having(['To', undefined]), 'Bad To'],
    [having(['To', '"unbalanced <sip:a@b>']), 'Bad To'],
    [having(['Call-ID', undefined]), 'Bad Call-ID'],
    [having(['Call-ID', 'a b']), 'Bad Call-ID'],
    [having(['Call-ID', 'a@b@c']), 'Bad Call-ID'],
    [having(['Call-ID', 'a@']), 'Bad Call-ID'],
    [[...HEADERS, 'i: second'], 'Bad Call-ID'],
    [having(['CSeq', undefined]), 'Bad CSeq'],
    [having(['CSeq', '2147483648 MESSAGE']), 'Bad CSeq'],
    [having(['CSeq', '-1 MESSAGE']), 'Bad CSeq'],
    [having(['CSeq', '1']), 'Bad CSeq'],
    [having(['CSeq', '1MESSAGE']), 'Bad CSeq'],
    [having(['CSeq', '1 MESSAGE x']), 'Bad CSeq'],
    [having(['CSeq', '1 INVITE']), 'CSeq Method Does Not Match'],
    [having(['CSeq', '1 MESSAGES']), 'CSeq Method Does Not Match'],
    [having(['Max-Forwards', undefined]), 'Bad Max-Forwards'],
    [having(['Max-Forwards', '256']), 'Bad Max-Forwards'],
    [having(['Max-Forwards', '']), 'Bad Max-Forwards'],
    [[...HEADERS, 'Content-Type: text/plain', 'c: text/html'], 'Several Content-Type'],
    [[...HEADERS, 'Contact: sip:a@b?X=y'], 'Bad Contact'],
  ];
  for (const [headers, message] of cases) {
    const failure = refusal(request(headers));
    assert.deepEqual([failure.status, failure.message, failure.breaksFraming], [400, message, false]);
  }
});

test('request line', () => {
  const lines: [line: string, status: number, breaksFraming: boolean][] = [
    ['MESSAGE sip:a@b SIP/7.0', 505, false],
    ['MESSAGE sip:a@b SIP/2.00', 505, false],
    ['MESSAGE  sip:a@b SIP/2.0', 400, false],
    ['MESSAGE sip:a@b SIP/2.0 ', 400, false],
    ['MESSAGE sip:a@b; lr SIP/2.0', 400, false],
    ['MESSAGE <sip:a@b> SIP/2.0', 400, false],
    ['MESSAGE sip:a@b?Route=x SIP/2.0', 400, false],
    ['MESSAGE sip:a@b', 400, true],
    ['MESSAGE SIP/2.0', 400, true],
    ['MESS(GE sip:a@b SIP/2.0', 400, true],
    ['GET / HTTP/1.1', 400, true],
    ['SIP/2.0', 400, true],
  ];
  for (const [line, status, breaksFraming] of lines) {
    const failure = refusal(request(HEADERS, '', line));
    assert.deepEqual([failure.status, failure.breaksFraming], [status, breaksFraming], line);
  }
  assert.equal(parseDatagram(request(HEADERS, '', 'MESSAGE sip:a@b sip/2.0')).kind, 'request');
});

test('Content-Length is one number that fits (P2)', () => {
  for (const length of ['-1', '+1', '1 ', 'x', '', '0x1', '99999999999', '1,1', '1 1']) {
    const bytes = request([...HEADERS, `Content-Length: ${length}`], 'body');
    const parsed = parseDatagram(bytes);
    assert.equal(parsed.kind, length === '1 ' ? 'request' : 'failure', length);
  }
  for (const twice of [
    ['Content-Length: 4', 'Content-Length: 4'],
    ['Content-Length: 4', 'l: 5'],
    ['l: 0', 'CONTENT-length : 4'],
  ]) {
    const failure = refusal(request([...HEADERS, ...twice], 'body'));
    assert.deepEqual([failure.message, failure.breaksFraming], ['Several Content-Length', true]);
  }
  assert.equal(refusal(request([...HEADERS, 'l: 5'], 'body')).message, 'Body Shorter Than Content-Length');
});

test('limits', () => {
  const limits = { maxHeadBytes: 500, maxBodyBytes: 10, maxHeaders: 8 };
  const status = (bytes: Buffer) => {
    const parsed = parseDatagram(bytes, limits);
    return parsed.kind === 'failure' ? [parsed.status, parsed.breaksFraming] : parsed.kind;
  };
  assert.equal(status(request()), 'request');
  assert.deepEqual(status(request([...HEADERS, `X: ${'x'.repeat(500)}`])), [413, true]);
  assert.deepEqual(status(request([...HEADERS, 'A: 1', 'B: 2', 'C: 3'])), [413, true]);
  assert.deepEqual(status(request(HEADERS, '12345678901')), [413, true]);
});

test('a failure can be answered when it is about a request with a Via, and never about an ACK', () => {
  assert.equal(refusal(request(having(['From', undefined]))).answerable?.method, 'MESSAGE');
  assert.equal(refusal(request(having(['Via', undefined]))).answerable, undefined);
  const ack = request(having(['CSeq', '1 INVITE']), '', 'ACK sip:a@b SIP/2.0');
  assert.equal(refusal(ack).answerable, undefined);
  assert.equal(refusal(Buffer.from('SIP/2.0 200 OK\r\nVia: x\r\n\r\n')).answerable, undefined);
});

test('headers are UTF-8 or refused', () => {
  const bytes = request([...HEADERS, 'Subject: XY']);
  assert.equal(parseDatagram(bytes).kind, 'request');
  const at = bytes.indexOf('XY');
  for (const [first, second] of [
    [0xc0, 0xbc],
    [0xeb, 0x3c],
    [0xff, 0x41],
    [0x41, 0xc3],
  ] as const) {
    const spoiled = Buffer.from(bytes);
    spoiled[at] = first;
    spoiled[at + 1] = second;
    assert.equal(refusal(spoiled).message, 'Headers Are Not UTF-8');
  }
});

test('responses', () => {
  const response = (line: string, via = HEADERS[0]) =>
    parseDatagram(Buffer.from(`${line}\r\n${via}\r\nCSeq: 7 MESSAGE\r\n\r\n`));
  const good = response('SIP/2.0 200 \u00dcber OK');
  assert.ok(good.kind === 'response');
  assert.deepEqual([good.status, good.reason, good.cseq, good.cseqMethod], [200, '\u00dcber OK', 7, 'MESSAGE']);
  assert.equal(good.viaCount, 1);
  for (const via of [`${HEADERS[0]}, SIP/2.0/UDP x`, `${HEADERS[0]}\r\nv: SIP/2.0/UDP x`]) {
    const two = response('SIP/2.0 200 OK', via);
    assert.ok(two.kind === 'response');
    assert.equal(two.viaCount, 2);
  }
  for (const line of [
    'SIP/2.0 200',
    'SIP/2.0  200 OK',
    'SIP/2.0 99 x',
    'SIP/2.0 700 x',
    'SIP/2.0 2000 x',
    'SIP/2.0 -20 x',
    'SIP/2.0 ',
  ]) {
    const parsed = response(line);
    assert.equal(parsed.kind, 'failure', line);
  }
  assert.equal(response('SIP/2.0 200 OK', 'X: y').kind, 'failure');
});

test('a Call-ID is one word or two', () => {
  for (const good of ['a', 'a@b', '<a>:(b)"[\\]{?}/', "%ZK-!.*_+'@word`~"]) assert.equal(isCallId(good), true, good);
  for (const wrong of ['', '@', 'a@', '@b', 'a@b@c', 'a b', 'a;b', 'a,b', 'a\r\nb', '\u00e9']) {
    assert.equal(isCallId(wrong), false, wrong);
  }
});

test('random bytes never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      parseDatagram(Buffer.from(bytes));
    }),
  );
});

test('spoiled messages never throw, and what is accepted is within its bounds', () => {
  const original = request(
    [...HEADERS, 'Contact: "a" <sip:a@b>;q=1', 'Subject: x\r\n y', 'Content-Type: text/plain', 'Content-Length: 4'],
    'body',
  );
  const alphabet = Buffer.from('\r\n \t:;,<>"\\@%=?/\0\u00ff1aZ');
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(alphabet.length - 1), fc.nat(3)), { maxLength: 6 }),
      (changes) => {
        let bytes = Buffer.from(original);
        for (const [at, which, length] of changes) {
          const insert = alphabet.subarray(which, which + 1);
          bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + length)]);
        }
        const parsed = parseDatagram(bytes, DEFAULT_SIP_LIMITS);
        if (parsed.kind !== 'request') return;
        assert.ok(parsed.cseq >= 0 && parsed.maxForwards <= 255);
        for (const text of [parsed.uri, parsed.from.uri, parsed.to.uri, parsed.callId]) {
          assert.doesNotMatch(text, /[\0-\x20\x7f<>]{2}|[\r\n]/);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
