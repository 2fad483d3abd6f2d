import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { XmlElement } from '../../../src/runtime/xmpp/element.ts';
import { parseDocument, type StreamHandler, StreamParser } from '../../../src/runtime/xmpp/stream-parser.ts';
import {
  brokenWith,
  elementsOf,
  HEADER,
  inPieces,
  LIMITS,
  readStream,
  type StreamEvent,
} from '../../support/xml-stream.ts';

const GOLDEN = join(import.meta.dirname, '../../golden/xmpp-stream');

// What arrives is the XML file; what the parser reports is the JSON file. UPDATE_GOLDEN=1 writes the reports anew.
for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.xml'))) {
  test(`golden stream ${file}, whole and cut at every byte`, () => {
    const bytes = readFileSync(join(GOLDEN, file));
    const report = join(GOLDEN, file.replace(/xml$/, 'json'));
    const whole = readStream([bytes]);
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(report, `${JSON.stringify(whole, null, 2)}\n`);
    const expected: unknown = JSON.parse(readFileSync(report, 'utf8'));
    assert.deepEqual(whole, expected);
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(readStream([bytes.subarray(0, cut), bytes.subarray(cut)]), whole, `cut at ${cut}`);
    }
    for (const size of [1, 2, 3, 7, 64]) assert.deepEqual(readStream(inPieces(bytes, size)), whole);
  });
}

/** A parser with what it reported so far; handlers can be replaced. */
function listen(handlers: Partial<StreamHandler> = {}): { parser: StreamParser; seen: string[] } {
  const seen: string[] = [];
  const parser = new StreamParser(
    {
      onHeader: (header) => {
        seen.push('header');
        handlers.onHeader?.(header);
      },
      onElement: (element) => {
        seen.push(element.name);
        handlers.onElement?.(element);
      },
      onEnd: () => {
        seen.push('end');
        handlers.onEnd?.();
      },
      onBroken: (condition, text) => {
        seen.push(condition);
        handlers.onBroken?.(condition, text);
      },
    },
    LIMITS,
  );
  return { parser, seen };
}

const bytes = (text: string): Buffer => Buffer.from(text);

test('children inherit the prefixes and the default namespace of the header', () => {
  const [result, other] = elementsOf(
    readStream([bytes(`${HEADER}<db:result/><other xmlns:db='urn:x'><db:x/></other>`)]),
  );
  assert.equal(result?.ns, 'jabber:server:dialback');
  assert.equal(other?.ns, 'jabber:server');
  assert.deepEqual(other?.children, [{ name: 'x', ns: 'urn:x', attributes: [], children: [] }]);
});

test('a declaration ends with its element', () => {
  const events = readStream([bytes(`${HEADER}<a xmlns='urn:a' xmlns:db='urn:b'/><b/><db:c/>`)]);
  assert.deepEqual(
    elementsOf(events).map(({ ns }) => ns),
    ['urn:a', 'jabber:server', 'jabber:server:dialback'],
  );
});

test('any prefix may stand for the stream namespace', () => {
  const events = readStream([bytes("<s:stream xmlns:s='http://etherx.jabber.org/streams'><s:features/></s:stream>")]);
  assert.deepEqual(events.at(-1), { end: true });
  assert.equal(elementsOf(events)[0]?.ns, 'http://etherx.jabber.org/streams');
});

test('a stream that ends with its header', () => {
  const { parser, seen } = listen();
  parser.write(bytes("<stream:stream xmlns:stream='http://etherx.jabber.org/streams'/><a/>"));
  assert.deepEqual(seen, ['header', 'end']);
});

test('stop() inside a handler discards the rest of the chunk', () => {
  // STARTTLS injection: what follows <starttls/> in the clear may not be read after the handshake.
  const injecting = listen({ onElement: () => injecting.parser.stop() });
  injecting.parser.write(bytes(`${HEADER}<starttls/><message/>`));
  injecting.parser.write(bytes('<message/>'));
  assert.deepEqual(injecting.seen, ['header', 'starttls']);

  const refusing = listen({ onHeader: () => refusing.parser.stop() });
  refusing.parser.write(bytes(`${HEADER}<message/>`));
  assert.deepEqual(refusing.seen, ['header']);
});

test('stop() between chunks discards an unfinished stanza', () => {
  const { parser, seen } = listen();
  parser.write(bytes(`${HEADER}<message><body>hel`));
  parser.stop();
  parser.write(bytes('lo</body></message><message/>'));
  assert.deepEqual(seen, ['header']);
});

test('nothing follows a broken stream or its end', () => {
  const broken = listen();
  broken.parser.write(bytes(`${HEADER}<a></b><message/>`));
  broken.parser.write(bytes('<message/><!-- -->'));
  assert.deepEqual(broken.seen, ['header', 'not-well-formed']);

  const ended = listen();
  ended.parser.write(bytes(`${HEADER}</stream:stream><message/>`));
  ended.parser.write(bytes('garbage'));
  assert.deepEqual(ended.seen, ['header', 'end']);
});

test('the reason of a refusal is a sentence without the input', () => {
  const secrets = ['<a>&topsecret;</a>', "<a topsecret='1' topsecret='2'/>", '<topsecret:a/>', '<topsecret></a>'];
  for (const xml of secrets) {
    let reason = '';
    const { parser } = listen({
      onBroken: (_, text) => {
        reason = text;
      },
    });
    parser.write(bytes(HEADER + xml));
    assert.match(reason, /^[A-Za-z ]+$/);
    assert.doesNotMatch(reason, /topsecret/);
  }
});

test('an exception of a handler reaches the writer and stops the parser', () => {
  const { parser, seen } = listen({
    onElement: () => {
      throw new Error('a bug of ours');
    },
  });
  assert.throws(() => parser.write(bytes(`${HEADER}<a/><b/>`)), /a bug of ours/);
  parser.write(bytes('<c/>'));
  assert.deepEqual(seen, ['header', 'a']);
});

test('bytes written from inside a handler come after the current chunk', () => {
  const { parser, seen } = listen({
    onElement: (element) => {
      if (element.name !== 'a') return;
      const chunk = bytes('<c/><d');
      parser.write(chunk);
      chunk.fill(0);
    },
  });
  parser.write(bytes(`${HEADER}<a/><b/>`));
  parser.write(bytes('/>'));
  assert.deepEqual(seen, ['header', 'a', 'b', 'c', 'd']);
});

test('empty chunks change nothing', () => {
  const { parser, seen } = listen();
  for (const piece of inPieces(bytes(`${HEADER}<a b='1'>x<![CDATA[y]]></a>`), 1)) {
    parser.write(Buffer.alloc(0));
    parser.write(piece);
  }
  assert.deepEqual(seen, ['header', 'a']);
});

test('new limits hold at once', () => {
  const small = { ...LIMITS, maxElementBytes: 10_000 };
  const text = 'x'.repeat(20_000);
  const raised = listen({ onHeader: () => raised.parser.setLimits(LIMITS) });
  raised.parser.setLimits(small);
  raised.parser.write(bytes(`${HEADER}<a>${text}</a>`));
  assert.deepEqual(raised.seen, ['header', 'a']);

  const lowered = listen({ onElement: () => lowered.parser.setLimits(small) });
  lowered.parser.write(bytes(`${HEADER}<a>${text}</a><a>${text}</a>`));
  assert.deepEqual(lowered.seen, ['header', 'a', 'policy-violation']);

  const midway = listen();
  midway.parser.write(bytes(`${HEADER}<a>${text}`));
  midway.parser.setLimits(small);
  midway.parser.write(bytes('x'));
  assert.deepEqual(midway.seen, ['header', 'policy-violation']);

  const extended = listen();
  extended.parser.setLimits(small);
  extended.parser.write(bytes(`${HEADER}<a>${text.slice(0, 9_990)}`));
  extended.parser.setLimits({ ...small, maxElementBytes: 10_010 });
  extended.parser.write(bytes('1234567890</a>'));
  assert.deepEqual(extended.seen, ['header', 'a']);

  const header = listen();
  header.parser.write(bytes(HEADER.slice(0, 100)));
  header.parser.setLimits({ ...LIMITS, maxHeaderBytes: 110 });
  header.parser.write(bytes(HEADER.slice(100)));
  assert.deepEqual(header.seen, ['policy-violation']);
});

test('a name that is kept does not keep the chunk it came from', () => {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  assert.ok(typeof collect === 'function');
  const kept: string[] = [];
  const { parser } = listen({
    onElement: (element) => {
      if (element.name === 'message') kept.push(element.attr('id') ?? '');
    },
  });
  parser.write(bytes(HEADER));
  const padding = `<a>${'<b>0123456789</b>'.repeat(3_500)}</a>`;
  collect();
  const before = process.memoryUsage();
  for (let i = 0; i < 200; i++) parser.write(bytes(`${padding}<message id='a-long-identifier-${i}'/>`));
  collect();
  const after = process.memoryUsage();
  assert.equal(kept.length, 200);
  // 200 chunks of 60 KB would be 12 MB. A kept string may keep about a kilobyte around it.
  const grown = after.heapUsed + after.external - before.heapUsed - before.external;
  assert.ok(grown < 2_000_000, `${grown} bytes`);
});

const PIDF =
  "<?xml version='1.0' encoding='UTF-8'?>\n<presence xmlns='urn:ietf:params:xml:ns:pidf' entity='pres:a@corp.example'>" +
  '<tuple id="t1"><status><basic>open</basic></status></tuple></presence>\n';

function document(text: string | Buffer, limits = LIMITS): XmlElement | undefined {
  return parseDocument(typeof text === 'string' ? bytes(text) : text, limits);
}

test('a document is read whole', () => {
  const root = document(PIDF);
  assert.equal(root?.ns, 'urn:ietf:params:xml:ns:pidf');
  assert.equal(root?.child('tuple')?.child('status')?.child('basic')?.text(), 'open');
  assert.equal(document(`\ufeff${PIDF}`)?.name, 'presence');
  assert.equal(document(' <a/> ')?.name, 'a');
  assert.equal(document("<s:stream xmlns:s='http://etherx.jabber.org/streams'/>")?.name, 'stream');
});

test('a document that is not one gives nothing', () => {
  const refused = [
    ...[
      '',
      ' ',
      'text',
      '<a>',
      '<a/',
      '<a/><b/>',
      '<a/>text',
      '<a/></a>',
      '<a></b>',
      '<a/><',
      '<a/>&amp;',
      '\ufeff\ufeff<a/>',
    ],
    ...['<!-- --><a/>', '<a/><!-- -->', '<a><!-- --></a>', '<!DOCTYPE a><a/>', '<a/><?p?>', '<p:a/>', '<a>&b;</a>'],
    ...[
      "<?xml version='1.0' encoding='UTF-16'?><a/>",
      " <?xml version='1.0'?><a/>",
      '<![CDATA[x]]>',
      '<a/><![CDATA[x]]>',
    ],
    Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e]),
    Buffer.from('<a/>', 'utf16le'),
  ];
  for (const text of refused) assert.equal(document(text), undefined, String(text));
});

test('the limits of a document count all of it', () => {
  const limits = { ...LIMITS, maxElementBytes: 20, maxHeaderBytes: 1, maxDepth: 2, maxChildren: 3 };
  assert.ok(document(`<a>${'x'.repeat(13)}</a>`, limits));
  assert.equal(document(`<a>${'x'.repeat(14)}</a>`, limits), undefined);
  assert.equal(document(` <a>${'x'.repeat(13)}</a>`, limits), undefined);
  assert.ok(document('<a><b/></a>', limits));
  assert.equal(document('<a><b><c/></b></a>', limits), undefined);
  assert.ok(document('<a>1<b/></a>', limits));
  assert.equal(document('<a>1<b/>2</a>', limits), undefined);
});

test('a broken stream reports its condition last', () => {
  const events: StreamEvent[] = readStream([bytes(`${HEADER}<a/><p:b/>`)]);
  assert.equal(events.length, 3);
  assert.equal(brokenWith(events), 'bad-namespace-prefix');
});
