import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { StreamErrorCondition } from '../../../src/runtime/xmpp/stream-error.ts';
import { StreamParser } from '../../../src/runtime/xmpp/stream-parser.ts';
import {
  brokenWith,
  elementsOf,
  HEADER,
  inPieces,
  LIMITS,
  readStream,
  type StreamEvent,
} from '../../support/xml-stream.ts';

type Input = string | Buffer;

function bytesOf(input: Input): Buffer {
  return typeof input === 'string' ? Buffer.from(input) : input;
}

/** Reads the input whole, in 7-byte and in 1-byte chunks, and holds the three results equal. */
function read(...inputs: readonly Input[]): StreamEvent[] {
  const bytes = Buffer.concat(inputs.map(bytesOf));
  const whole = readStream([bytes]);
  for (const size of [7, 1]) assert.deepEqual(readStream(inPieces(bytes, size)), whole, `in pieces of ${size}`);
  return whole;
}

function message(...content: readonly Input[]): Buffer {
  return Buffer.concat(['<message><body>', ...content, '</body></message>'].map(bytesOf));
}

/** The text of the body of the one message that arrived. */
function bodyOf(events: readonly StreamEvent[]): string | undefined {
  const body = elementsOf(events)[0]?.children[0];
  if (typeof body !== 'object') return undefined;
  return body.children.map((node) => (typeof node === 'string' ? node : `<${node.name}>`)).join('');
}

const ACCEPTED: [what: string, content: Input, text: string][] = [
  ['plain text', 'hello', 'hello'],
  ['multibyte characters', 'καλημέρα 今日は 👋 é', 'καλημέρα 今日は 👋 é'],
  ['references and CDATA', 'a&amp;<![CDATA[<x>]]>&#38;y&#x1F44B;', 'a&<x>&y👋'],
  ['predefined entities', '&lt;&gt;&amp;&apos;&quot;', '<>&\'"'],
  ['line ends', 'a\r\nb\rc\nd', 'a\nb\nc\nd'],
  ['a line end between text and CDATA', 'a\r<![CDATA[\nb\r\n]]>', 'a\n\nb\n'],
  ['a referenced carriage return', 'a&#13;&#xA;b', 'a\r\nb'],
  ['brackets that end nothing', 'a]] > ]]&gt; ]>', 'a]] > ]]> ]>'],
  ['brackets inside CDATA', '<![CDATA[]]]><![CDATA[]]]]><![CDATA[>]]>', ']]]>'],
  ['CDATA that looks like markup', '<![CDATA[&amp;<!-- --><?p?>]]>', '&amp;<!-- --><?p?>'],
  [
    'the first and the last characters',
    '\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}',
    '\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{10000}\u{10ffff}',
  ],
  ['a byte order mark inside text', 'a\ufeffb', 'a\ufeffb'],
  ['white space in tags', '</body  ><body \t\r\n>', ''],
];

test('well-formed content arrives with the right text', async (t) => {
  for (const [what, content, text] of ACCEPTED) {
    await t.test(what, () => {
      const events = read(HEADER, message(content));
      assert.equal(brokenWith(events), undefined);
      assert.equal(bodyOf(events), text);
    });
  }
});

const BODY: [what: string, content: Input, condition: StreamErrorCondition][] = [
  ['byte FF', Buffer.from([0x61, 0xff, 0x62]), 'unsupported-encoding'],
  ['overlong UTF-8 (C0 BC)', Buffer.from([0xc0, 0xbc]), 'unsupported-encoding'],
  ['overlong UTF-8 (E0 80 BC)', Buffer.from([0xe0, 0x80, 0xbc]), 'unsupported-encoding'],
  ['overlong UTF-8 (F0 80 80 BC)', Buffer.from([0xf0, 0x80, 0x80, 0xbc]), 'unsupported-encoding'],
  ['UTF-8 of a surrogate', Buffer.from([0xed, 0xa0, 0x80]), 'unsupported-encoding'],
  ['UTF-8 beyond U+10FFFF', Buffer.from([0xf4, 0x90, 0x80, 0x80]), 'unsupported-encoding'],
  ['byte F8', Buffer.from([0xf8, 0x88, 0x80, 0x80, 0x80]), 'unsupported-encoding'],
  ['a stray continuation byte', Buffer.from([0x80]), 'unsupported-encoding'],
  ['a sequence cut by markup (EB 3C)', Buffer.from([0xeb, 0x3c]), 'unsupported-encoding'],
  [
    'invalid UTF-8 in CDATA',
    Buffer.concat([Buffer.from('<![CDATA['), Buffer.from([0xc0, 0xbc])]),
    'unsupported-encoding',
  ],
  ['NUL', '\0', 'not-well-formed'],
  ['a control character', '\x01', 'not-well-formed'],
  ['a control character in CDATA', '<![CDATA[\x1f]]>', 'not-well-formed'],
  ['a reference to NUL', '&#0;', 'not-well-formed'],
  ['a reference to a control character', '&#x1;', 'not-well-formed'],
  ['a reference to a surrogate', '&#xD800;', 'not-well-formed'],
  ['a reference beyond U+10FFFF', '&#x110000;', 'not-well-formed'],
  ['a reference to U+FFFE', '&#xFFFE;', 'not-well-formed'],
  ['an enormous reference', `&#${'9'.repeat(400)};`, 'not-well-formed'],
  ['an empty reference', '&#;', 'not-well-formed'],
  ['an empty hexadecimal reference', '&#x;', 'not-well-formed'],
  ['an upper-case hexadecimal reference', '&#X41;', 'not-well-formed'],
  ['U+FFFE', '\ufffe', 'not-well-formed'],
  ['U+FFFF', '\uffff', 'not-well-formed'],
  ['an undeclared entity', '&foo;', 'not-well-formed'],
  ['a bare ampersand', 'a & b', 'not-well-formed'],
  ['an ampersand with a far semicolon', 'a & b;', 'not-well-formed'],
  ['a processing instruction', '<?php x?>', 'restricted-xml'],
  ['a comment', '<!-- x -->', 'restricted-xml'],
  ['an XML declaration in the stream', "<?xml version='1.0'?>", 'restricted-xml'],
  ['a DOCTYPE in the stream', '<!DOCTYPE x>', 'restricted-xml'],
  ['a conditional section', '<![INCLUDE[x]]>', 'not-well-formed'],
  ['less-than in an attribute', "<a b='<'/>", 'not-well-formed'],
  ['a control character in an attribute', "<a b='\x02'/>", 'not-well-formed'],
  ['a bad reference in an attribute', "<a b='&b'/>", 'not-well-formed'],
  ['a duplicate attribute', "<a b='1' c='2' b='1'/>", 'not-well-formed'],
  ['a duplicate declaration', "<a xmlns='u' xmlns='u'/>", 'not-well-formed'],
  ['attributes equal by namespace', "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>", 'not-well-formed'],
  ['an unbound prefix', '<p:a/>', 'bad-namespace-prefix'],
  ['an unbound prefix of an attribute', "<a p:b=''/>", 'bad-namespace-prefix'],
  ['a prefix out of scope', "<a xmlns:p='u'/><p:b/>", 'bad-namespace-prefix'],
  ['prefix xml rebound', "<a xmlns:xml='u'/>", 'not-well-formed'],
  ['the XML namespace under another prefix', "<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>", 'not-well-formed'],
  ['the XML namespace as default', "<a xmlns='http://www.w3.org/XML/1998/namespace'/>", 'not-well-formed'],
  ['prefix xmlns declared', "<a xmlns:xmlns='u'/>", 'not-well-formed'],
  ['the xmlns namespace as default', "<a xmlns='http://www.w3.org/2000/xmlns/'/>", 'not-well-formed'],
  ['the xmlns namespace under a prefix', "<a xmlns:p='http://www.w3.org/2000/xmlns/'/>", 'not-well-formed'],
  ['an element with the prefix xmlns', '<xmlns:a/>', 'not-well-formed'],
  ['a prefix undeclared', "<a xmlns:p=''/>", 'not-well-formed'],
  ['a line feed in a namespace', "<a xmlns='u\nv'/>", 'invalid-namespace'],
  ['a referenced line feed in a namespace', "<a xmlns:p='u&#10;v'/>", 'invalid-namespace'],
  ['a space in a namespace', "<a xmlns='u v'/>", 'invalid-namespace'],
  ['U+0085 in a namespace', "<a xmlns='u\u0085v'/>", 'invalid-namespace'],
  ['a namespace of 600 characters', `<a xmlns='${'u'.repeat(600)}'/>`, 'invalid-namespace'],
  ['a mismatched end tag', '<a></b>', 'not-well-formed'],
  ['an end tag that goes on', '<a></ab>', 'not-well-formed'],
  ['an end tag cut short', '<ab></a>', 'not-well-formed'],
  ['an end tag of another prefix', "<p:a xmlns:p='u' xmlns:q='u'></q:a>", 'not-well-formed'],
  ['an end tag with an attribute', "<a></a b=''>", 'not-well-formed'],
  ['an end tag with a space first', '<a></ a>', 'not-well-formed'],
  ['CDATA end in text', 'a]]>', 'not-well-formed'],
  ['CDATA end after CDATA', '<![CDATA[x]]>]]>', 'not-well-formed'],
  ['an attribute without quotes', '<a b=c/>', 'not-well-formed'],
  ['an attribute without value', '<a b/>', 'not-well-formed'],
  ['an attribute without name', "<a ='c'/>", 'not-well-formed'],
  ['no space between attributes', "<a b='1'c='2'/>", 'not-well-formed'],
  ['a slash inside a tag', "<a / b='1'/>", 'not-well-formed'],
  ['a name that starts with a digit', '<1a/>', 'not-well-formed'],
  ['a name that starts with a hyphen', '<-a/>', 'not-well-formed'],
  ['a name with a slash', '<a/b/>', 'not-well-formed'],
  ['a name with a quote', '<a"b/>', 'not-well-formed'],
  ['a name with two colons', "<a:b:c xmlns:a='u'/>", 'not-well-formed'],
  ['a name with a double colon', "<a::c xmlns:a='u'/>", 'not-well-formed'],
  ['a name that is a colon', '<:/>', 'not-well-formed'],
  ['an empty prefix', '<:a/>', 'not-well-formed'],
  ['an empty local name', "<a: xmlns:a='u'/>", 'not-well-formed'],
  ['a local name that starts with a digit', "<a:1 xmlns:a='u'/>", 'not-well-formed'],
  ['a name with NUL', '<a\0b/>', 'not-well-formed'],
  ['a name with U+00D7', '<a×/>', 'not-well-formed'],
  ['a name with invalid UTF-8', Buffer.from([0x3c, 0x61, 0xc0, 0xbc, 0x2f, 0x3e]), 'not-well-formed'],
  ['an empty tag', '<>', 'not-well-formed'],
  ['a space before a name', '< a/>', 'not-well-formed'],
  ['two less-than signs', '<<a/>', 'not-well-formed'],
  ['a nested stream', "<stream:stream to='x'>", 'bad-format'],
];

test('forbidden content breaks the stream', async (t) => {
  for (const [what, content, condition] of BODY) {
    await t.test(what, () => {
      const events = read(HEADER, message(content), '<message/>');
      assert.deepEqual(events.slice(1), [{ broken: condition }]);
    });
  }
});

const STREAM: [what: string, input: Input, condition: StreamErrorCondition][] = [
  ['text between stanzas', `${HEADER} x <message/>`, 'bad-format'],
  ['CDATA between stanzas', `${HEADER}<![CDATA[ ]]>`, 'bad-format'],
  ['a reference between stanzas', `${HEADER}&#32;`, 'bad-format'],
  ['a second stream header', HEADER + HEADER.slice(HEADER.indexOf('<stream')), 'bad-format'],
  ['a second XML declaration', HEADER + HEADER, 'restricted-xml'],
  ['a mismatched stream end', `${HEADER}</stream>`, 'not-well-formed'],
  ['a comment first', `<!-- x -->${HEADER}`, 'restricted-xml'],
  ['a DOCTYPE', '<!DOCTYPE stream [<!ENTITY a "b">]>', 'restricted-xml'],
  ['a DOCTYPE at its first letter', '<!D', 'restricted-xml'],
  [
    'billion laughs',
    `<?xml version='1.0'?><!DOCTYPE l [<!ENTITY a "x">${'<!ENTITY b "&a;&a;">'.repeat(100)}]>`,
    'restricted-xml',
  ],
  ['a processing instruction first', "<?xml-stylesheet href='x'?>", 'restricted-xml'],
  ['another processing instruction first', '<?php x?>', 'restricted-xml'],
  ['white space before the declaration', ` ${HEADER}`, 'restricted-xml'],
  ['two declarations', `<?xml version='1.0'?>${HEADER}`, 'restricted-xml'],
  ['XML 1.1', "<?xml version='1.1'?><a/>", 'not-well-formed'],
  ['a declaration without version', "<?xml encoding='UTF-8'?><a/>", 'not-well-formed'],
  ['a declaration with something else', "<?xml version='1.0' foo='bar'?><a/>", 'not-well-formed'],
  ['a declaration of Latin 1', "<?xml version='1.0' encoding='iso-8859-1'?><a/>", 'unsupported-encoding'],
  ['a declaration of UTF-16', "<?xml version='1.0' encoding='UTF-16'?><a/>", 'unsupported-encoding'],
  ['a byte order mark', `\ufeff${HEADER}`, 'not-well-formed'],
  ['UTF-16, big endian', Buffer.from([0xfe, 0xff, 0x00, 0x3c]), 'unsupported-encoding'],
  ['UTF-16, little endian', Buffer.from(`\ufeff${HEADER}`, 'utf16le'), 'unsupported-encoding'],
  ['UTF-16 without mark', Buffer.from(HEADER, 'utf16le'), 'not-well-formed'],
  ['text first', 'GET / HTTP/1.1\r\n\r\n', 'not-well-formed'],
  ['a TLS record', Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]), 'not-well-formed'],
  ['an end tag first', '</stream>', 'not-well-formed'],
  ['a root of another namespace', "<stream:stream xmlns:stream='urn:x'>", 'invalid-namespace'],
  ['a root without namespace', '<stream>', 'invalid-namespace'],
  ['an HTML root', "<html xmlns='http://www.w3.org/1999/xhtml'>", 'invalid-namespace'],
  ['a root of another name', "<stream:x xmlns:stream='http://etherx.jabber.org/streams'>", 'bad-format'],
  ['an unbound root prefix', "<stream:stream xmlns='jabber:server'>", 'bad-namespace-prefix'],
];

test('forbidden streams break at once', async (t) => {
  for (const [what, input, condition] of STREAM) {
    await t.test(what, () => assert.equal(brokenWith(read(input)), condition));
  }
});

test('limits hold whatever the chunks', async (t) => {
  const nested = (depth: number) => '<a>'.repeat(depth) + '</a>'.repeat(depth);
  const attributes = (count: number) => Array.from({ length: count }, (_, i) => ` a${i}=''`).join('');
  const declarations = (count: number, from = 0) =>
    Array.from({ length: count }, (_, i) => ` xmlns:a${from + i}='u'`).join('');
  const cases: [what: string, kept: string, broken: string][] = [
    ['depth', nested(64), nested(65)],
    ['attributes', `<a${attributes(64)}/>`, `<a${attributes(65)}/>`],
    ['declarations', `<a${declarations(62)}/>`, `<a${declarations(63)}/>`],
    [
      'prefixes in scope',
      `<a${declarations(40)}><b${declarations(22, 40)}/></a>`,
      `<a${declarations(40)}><b${declarations(23, 40)}/></a>`,
    ],
    ['children', `<a>${'<b/>'.repeat(9_999)}</a>`, `<a>${'<b/>'.repeat(10_000)}</a>`],
    ['text runs', `<a>${'x<b/>'.repeat(4_999)}x</a>`, `<a>${'x<b/>'.repeat(5_000)}</a>`],
    ['empty CDATA sections', `<a>${'<![CDATA[]]>'.repeat(9_999)}</a>`, `<a>${'<![CDATA[]]>'.repeat(10_000)}</a>`],
    ['name', `<${'a'.repeat(256)}/>`, `<${'a'.repeat(257)}/>`],
    ['attribute name', `<a ${'a'.repeat(256)}=''/>`, `<a ${'a'.repeat(257)}=''/>`],
    ['text', `<a>${'x'.repeat(262_137)}</a>`, `<a>${'x'.repeat(262_138)}</a>`],
    ['characters of two bytes', `<a>${'é'.repeat(131_068)}</a>`, `<a>${'é'.repeat(131_069)}</a>`],
    ['attribute value', `<a b='${'x'.repeat(262_135)}'/>`, `<a b='${'x'.repeat(262_136)}'/>`],
    ['white space in a tag', `<a${' '.repeat(262_140)}/>`, `<a${' '.repeat(262_141)}/>`],
    [
      'expanded names',
      '<a/>',
      `<a xmlns:p='${'u'.repeat(500)}'>${`<b${attributes(60).replaceAll(' a', ' p:a')}/>`.repeat(20)}</a>`,
    ],
  ];
  for (const [what, kept, broken] of cases) {
    await t.test(what, () => {
      assert.equal(elementsOf(read(HEADER, kept)).length, 1);
      assert.deepEqual(read(HEADER, broken).slice(1), [{ broken: 'policy-violation' }]);
    });
  }
});

test('names and namespaces stay apart however many there are', () => {
  // More than the shared tables hold, so that every slot has had several.
  for (let round = 0; round < 3; round++) {
    const names = Array.from({ length: 4000 }, (_, i) => `n${(i * 7919 + round) % 9973}`);
    const xml = names.map((name) => `<${name} xmlns='urn:${name}' ${name}=''/>`).join('');
    const elements = elementsOf(read(HEADER, xml));
    assert.deepEqual(
      elements.map(({ name, ns, attributes }) => [name, ns, attributes[0]]),
      names.map((name) => [name, `urn:${name}`, name]),
    );
  }
});

test('the size limit is exact and does not wait for another byte', () => {
  const limits = { ...LIMITS, maxElementBytes: 20 };
  const stanza = '<message>12</message>';
  const events = (text: string) => readStream(inPieces(Buffer.from(HEADER + text), 1), limits).slice(1);
  assert.deepEqual(events(stanza), [{ broken: 'policy-violation' }]);
  assert.deepEqual(events(stanza.slice(0, 19)), []);
  assert.deepEqual(events(stanza.slice(0, 20)), [{ broken: 'policy-violation' }]);
  assert.equal(events(`  ${stanza.replace('12', '1')}`.repeat(3)).length, 3);
});

test('the header limit counts everything before the header', () => {
  const padded = (bytes: number) => HEADER.replace('?>', `?>${' '.repeat(bytes - HEADER.length)}`);
  assert.equal(brokenWith(read(padded(4096))), undefined);
  assert.equal(brokenWith(read(padded(4097))), 'policy-violation');
  assert.equal(brokenWith(read(' '.repeat(4096))), 'policy-violation');
  assert.equal(brokenWith(read(`<?xml ${'x'.repeat(4096)}`)), 'policy-violation');
});

test('work grows with the input, not with its square', async (t) => {
  const size = 262_000;
  const cases: [what: string, open: string, fill: string, close: string][] = [
    ['text', '<a>', 'x', '</a>'],
    ['text of three bytes', '<a>', '今', '</a>'],
    ['brackets', '<a>', ']', '</a>'],
    ['ampersands', '<a>', '&amp;', '</a>'],
    ['CDATA', '<a><![CDATA[', 'x', ']]></a>'],
    ['brackets in CDATA', '<a><![CDATA[', ']', ']]></a>'],
    ['attribute value', "<a b='", 'x', "'/>"],
    ['references in an attribute', "<a b='", '&lt;', "'/>"],
    ['greater-than signs in an attribute', "<a b='", '>', "'/>"],
    ['white space in a tag', '<a ', ' ', '/>'],
    ['white space in an end tag', '<a></a', ' ', '>'],
  ];
  for (const [what, open, fill, close] of cases) {
    await t.test(what, () => {
      const times = Math.floor((size - open.length - close.length) / Buffer.byteLength(fill));
      const bytes = Buffer.from(HEADER + open + fill.repeat(times) + close);
      const before = process.cpuUsage();
      for (const pieces of [7, 1]) assert.equal(elementsOf(readStream(inPieces(bytes, pieces))).length, 1);
      const { user, system } = process.cpuUsage(before);
      // Linear work takes 50 to 150 ms; scanning each token again for each chunk took 13 s.
      assert.ok(user + system < 2_000_000, `${user + system} us of CPU`);
    });
  }
});

test('white space between stanzas is free', () => {
  const limits = { ...LIMITS, maxElementBytes: 10 };
  const spaces = Buffer.from(' \t\r\n'.repeat(10_000));
  const events = readStream(
    [Buffer.from(HEADER), spaces, Buffer.from('<message/>'), spaces, Buffer.from('<a/>')],
    limits,
  );
  assert.equal(elementsOf(events).length, 2);
  assert.equal(brokenWith(events), undefined);
});

test('an unfinished stanza holds little more memory than it has bytes', () => {
  const ignore = (): void => undefined;
  const handler = { onHeader: ignore, onElement: ignore, onEnd: ignore, onBroken: ignore };
  const bytes = Buffer.from(`${HEADER}<a>${'x'.repeat(200_000)}`);
  const chunks = Array.from({ length: Math.ceil(bytes.length / 1400) }, (_, i) =>
    bytes.subarray(i * 1400, i * 1400 + 1400),
  );
  const before = process.memoryUsage().arrayBuffers;
  const parsers = Array.from({ length: 40 }, () => new StreamParser(handler, LIMITS));
  for (const parser of parsers) for (const chunk of chunks) parser.write(chunk);
  const held = process.memoryUsage().arrayBuffers - before;
  // Doubling may reserve twice what is used; buffers it outgrew may not be collected yet.
  assert.ok(held < 40 * bytes.length * 4, `${held} bytes for 40 streams`);
  for (const parser of parsers) parser.stop();
});

// Pieces from which random concatenation often gets deep into the states.
const FRAGMENT = fc.constantFrom(
  ...[
    HEADER,
    '<',
    '</',
    '/>',
    '>',
    '<a',
    '<a>',
    '</a>',
    "<a b='",
    "'",
    '"',
    '=',
    ' ',
    '\r',
    '\n',
    '&',
    ';',
    '&amp;',
    '&#x41;',
  ],
  ...[
    '<![CDATA[',
    ']]>',
    ']]',
    '<!',
    '<?',
    '<?xml ',
    '?>',
    '<!--',
    "xmlns='u'",
    "xmlns:p='u'",
    'p:a',
    'xmlns',
    'é',
    '今',
    '👋',
    '\0',
  ],
  ...['</stream:stream>', '<stream:stream>', '<message>', '</message>', 'text', ':', '\ufffe'],
);

test('random input never throws, and its chunks do not matter', () => {
  const random = fc.oneof(
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.array(FRAGMENT, { maxLength: 40 }).map((parts) => Buffer.from(parts.join(''))),
    fc.array(FRAGMENT, { maxLength: 40 }).map((parts) => Buffer.from(HEADER + parts.join(''))),
    fc
      .tuple(
        fc.array(FRAGMENT, { maxLength: 20 }),
        fc.uint8Array({ maxLength: 4 }),
        fc.array(FRAGMENT, { maxLength: 20 }),
      )
      .map(([a, bytes, b]) =>
        Buffer.concat([Buffer.from(`${HEADER}<a>${a.join('')}`), bytes, Buffer.from(b.join(''))]),
      ),
  );
  fc.assert(
    fc.property(random, fc.integer({ min: 1, max: 40 }), (bytes, size) => {
      const whole = readStream([bytes]);
      assert.deepEqual(readStream(inPieces(bytes, size)), whole);
      assert.deepEqual(readStream(inPieces(bytes, 1)), whole);
      assert.ok(
        whole.findIndex((event) => 'broken' in event || 'end' in event) < 0 || !('element' in (whole.at(-1) ?? {})),
      );
    }),
    { numRuns: 3000 },
  );
});
