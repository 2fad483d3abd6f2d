import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { formatElement } from '../../../src/runtime/xmpp/element.ts';
import { saxesStream } from '../../support/saxes-tree.ts';
import {
  elementsOf,
  fromPlain,
  HEADER,
  inPieces,
  type PlainElement,
  plain,
  readStream,
  type StreamEvent,
} from '../../support/xml-stream.ts';

// saxes is the second opinion: for what we accept, it must accept the same and see the same tree. (Not the other way
// round: we refuse comments, DOCTYPE and more on purpose.)

const NAMES = ['a', 'message', 'body', 'x-y', 'été', '_1', 'a.b'];
const URIS = ['', 'jabber:server', 'urn:one', 'urn:two', 'http://example.org/é'];

interface Written {
  readonly xml: string;
  readonly tree: PlainElement;
}

interface Attribute {
  readonly name: string;
  readonly value: string;
}

/** One character of text with the ways it may be written. */
const textCharacter = fc.oneof(
  fc
    .constantFrom('a', ' ', '\n', '\t', 'é', '今', '👋', ']', '>')
    .map((char) => ({ char, xml: char === '>' ? '&gt;' : char })),
  fc
    .constantFrom('<', '&', '>', "'", '"', 'A', '\r', '👋')
    .chain((char) =>
      fc
        .constantFrom(
          `&#${char.codePointAt(0)};`,
          `&#x${char.codePointAt(0)?.toString(16)};`,
          `&#x000${char.codePointAt(0)?.toString(16).toUpperCase()};`,
        )
        .map((xml) => ({ char, xml })),
    ),
  fc.constantFrom(
    { char: '\n', xml: '\r\n' },
    { char: '\n', xml: '\r' },
    { char: '&', xml: '&amp;' },
    { char: '<', xml: '&lt;' },
  ),
);

const text = fc.array(textCharacter, { minLength: 1, maxLength: 8 }).map((characters) => {
  const xml = characters.map((character) => character.xml).join('');
  // Two neighbours may form what neither is alone: a CRLF.
  return { xml: xml.replaceAll('\r\n', '\r\n'), text: expected(xml) };
});

function expected(xml: string): string {
  return xml
    .replace(/\r\n?/g, '\n')
    .replace(/&#x([0-9a-fA-F]+);|&#([0-9]+);/g, (_, hex: string | undefined, decimal: string) =>
      String.fromCodePoint(hex === undefined ? Number.parseInt(decimal, 10) : Number.parseInt(hex, 16)),
    )
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/&amp;/g, '&');
}

const section = fc
  .array(fc.constantFrom('a', '<b>', '&amp;', ']', '\r\n', '今', '>'), { maxLength: 6 })
  .map((parts) => parts.join('').replaceAll(']]>', ''))
  .map((content) => ({ xml: `<![CDATA[${content}]]>`, text: content.replace(/\r\n?/g, '\n') }));

const space = fc.constantFrom(' ', '\n', '\t  ', '\r\n');
const optionalSpace = fc.constantFrom('', ' ', '\n');
const quote = fc.constantFrom("'", '"');

const attribute = fc
  .tuple(fc.constantFrom('from', 'id', 'xml:lang', 'é'), text, quote, optionalSpace, optionalSpace, space)
  .map(([name, value, mark, before, after, gap]) => {
    const raw = value.xml.replaceAll(mark, mark === "'" ? '&apos;' : '&quot;');
    const normal = expected(raw.replace(/\r\n|[\r\n\t]/g, ' '))
      .replace(/&apos;/g, "'")
      .replace(/&quot;/g, '"');
    return { name, value: normal, xml: `${gap}${name}${before}=${after}${mark}${raw}${mark}` };
  });

/** Elements written in their own default namespace, with a prefix declared on the spot, or inheriting. */
function element(depth: number): fc.Arbitrary<(defaultNs: string) => Written> {
  const child: fc.Arbitrary<(defaultNs: string) => { readonly xml: string; readonly node: PlainElement | string }> =
    depth === 0
      ? fc.oneof(text, section).map(({ xml, text: node }) => () => ({ xml, node }))
      : fc.oneof(
          fc.oneof(text, section).map(({ xml, text: node }) => () => ({ xml, node })),
          element(depth - 1).map((write) => (defaultNs: string) => {
            const { xml, tree } = write(defaultNs);
            return { xml, node: tree };
          }),
        );
  return fc
    .record({
      name: fc.constantFrom(...NAMES),
      style: fc.constantFrom('inherit', 'default', 'prefix', 'foreign-attribute'),
      ns: fc.constantFrom(...URIS),
      attributes: fc.uniqueArray(attribute, { maxLength: 3, selector: ({ name }) => name }),
      children: fc.array(child, { maxLength: 4 }),
      mark: quote,
      gap: optionalSpace,
    })
    .map(({ name, style, ns: uri, attributes, children, mark, gap }) => (defaultNs: string): Written => {
      const ns =
        style === 'inherit' ? defaultNs : style === 'prefix' || style === 'foreign-attribute' ? uri || 'urn:x' : uri;
      const own = style === 'default' ? ns : defaultNs;
      const tag = style === 'prefix' ? `p:${name}` : name;
      const list: Attribute[] = [...attributes];
      let start = `<${tag}`;
      if (style === 'default') start += ` xmlns=${mark}${ns}${mark}`;
      if (style === 'prefix') start += ` xmlns:p=${mark}${ns}${mark}`;
      if (style === 'foreign-attribute') {
        start += ` q:b=${mark}1${mark} xmlns:q=${mark}${ns}${mark}`;
        list.unshift({ name: `{${ns}}b`, value: '1' });
      }
      start += attributes.map(({ xml }) => xml).join('');
      const nodes: (PlainElement | string)[] = [];
      let content = '';
      let previous = '';
      for (const write of children) {
        const { xml, node } = write(own);
        // A carriage return and a line feed from two neighbours would be one line end.
        if (previous.endsWith('\r') && xml.startsWith('\n')) continue;
        previous = xml;
        content += xml;
        const last = nodes[nodes.length - 1];
        if (typeof node === 'string' && typeof last === 'string') nodes[nodes.length - 1] = last + node;
        else if (node !== '') nodes.push(node);
      }
      const xml = content === '' && mark === "'" ? `${start}${gap}/>` : `${start}${gap}>${content}</${tag}${gap}>`;
      const elementNs = style === 'foreign-attribute' ? defaultNs : ns;
      return {
        xml,
        tree: { name, ns: elementNs, attributes: list.flatMap((item) => [item.name, item.value]), children: nodes },
      };
    });
}

const stanza = element(3).map((write) => write('jabber:server'));
const END = '</stream:stream>';

/** What saxes reads, or undefined when it refuses. */
function second(xml: string): PlainElement[] | undefined {
  const elements: PlainElement[] = [];
  try {
    const stream = saxesStream((read) => elements.push(plain(read)));
    stream.write(xml);
    stream.close();
  } catch {
    return undefined;
  }
  return elements;
}

function isComplete(events: readonly StreamEvent[]): boolean {
  return events.some((event) => 'end' in event);
}

test('every way to write a stanza gives its tree', () => {
  fc.assert(
    fc.property(
      fc.array(stanza, { maxLength: 3 }),
      optionalSpace,
      fc.integer({ min: 1, max: 50 }),
      (written, gap, size) => {
        const xml = HEADER + written.map((one) => one.xml + gap).join('') + END;
        const trees = written.map((one) => one.tree);
        const bytes = Buffer.from(xml);
        const events = readStream([bytes]);
        assert.ok(isComplete(events));
        assert.deepEqual(elementsOf(events), trees);
        assert.deepEqual(second(xml), trees);
        assert.deepEqual(readStream(inPieces(bytes, size)), events);
      },
    ),
    { numRuns: 1000 },
  );
});

test('what is written from a tree reads back as that tree', () => {
  fc.assert(
    fc.property(stanza, ({ tree }) => {
      const xml = `${HEADER}${formatElement(fromPlain(tree), 'jabber:server')}${END}`;
      assert.deepEqual(elementsOf(readStream([Buffer.from(xml)])), [tree]);
      assert.deepEqual(second(xml), [tree]);
    }),
    { numRuns: 500 },
  );
});

/** A complete stream without what follows its end, which a stream parser does not read. */
function upToEnd(xml: string): string {
  let [incomplete, complete] = [0, xml.length];
  while (complete - incomplete > 1) {
    const middle = (incomplete + complete) >> 1;
    if (isComplete(readStream([Buffer.from(xml.slice(0, middle))]))) complete = middle;
    else incomplete = middle;
  }
  return xml.slice(0, complete);
}

const HAZARD = fc.constantFrom(
  ...[
    '<',
    '>',
    '&',
    "'",
    '"',
    '/',
    '=',
    '!',
    '?',
    ';',
    ':',
    '-',
    '[',
    ']',
    '#',
    ' ',
    '\r',
    '\n',
    '\t',
    'a',
    'x',
    '1',
    '\0',
  ],
  ...[
    '\x01',
    '\u0085',
    '\ufffe',
    '\ufeff',
    'é',
    '👋',
    '&#',
    '&amp;',
    '<![CDATA[',
    ']]>',
    '<a>',
    '</a>',
    '<a/>',
    "a='1'",
  ],
  ...[
    "xmlns=''",
    "xmlns:p='u'",
    "xmlns:p=''",
    "xmlns:xml='u'",
    'p:',
    'q:',
    'xml:',
    'xmlns:',
    'stream:',
    'db:',
    '<!--',
    '<?a?>',
  ],
);

interface Edit {
  /** Where, as a fraction of the length. */
  readonly at: number;
  readonly removed: number;
  readonly inserted: string;
}

const edit: fc.Arbitrary<Edit> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.constantFrom(0, 0, 1, 2),
  inserted: fc.oneof(fc.constant(''), HAZARD, HAZARD),
});

test('a damaged stream that we accept, saxes accepts with the same tree', () => {
  let accepted = 0;
  fc.assert(
    fc.property(stanza, fc.array(edit, { minLength: 1, maxLength: 2 }), fc.boolean(), ({ xml }, edits, alsoHeader) => {
      const whole = `${HEADER}${xml}<message/>${END}`;
      const first = alsoHeader ? 0 : HEADER.length;
      let damaged = whole;
      for (const { at, removed, inserted } of edits) {
        const start = first + Math.floor(at * (damaged.length - first));
        damaged = damaged.slice(0, start) + inserted + damaged.slice(start + removed);
      }
      const bytes = Buffer.from(damaged);
      // A cut through a surrogate pair became U+FFFD in the bytes.
      damaged = bytes.toString();
      const events = readStream([bytes]);
      if (!isComplete(events)) return;
      accepted += 1;
      assert.deepEqual(second(upToEnd(damaged)), elementsOf(events), damaged);
    }),
    { numRuns: 10_000 },
  );
  assert.ok(accepted > 300, `only ${accepted} damaged streams were accepted: nothing was compared`);
});

test('bytes that we accept, a fatal UTF-8 decoder accepts', () => {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  const byte = fc.oneof(
    fc.constantFrom(
      0x80,
      0xbf,
      0xc0,
      0xc1,
      0xc2,
      0xe0,
      0xed,
      0xef,
      0xf0,
      0xf4,
      0xf5,
      0x9f,
      0xa0,
      0x8f,
      0x90,
      0xbe,
      0x41,
      0x3c,
    ),
    fc.integer({ min: 0x20, max: 0xff }),
  );
  let accepted = 0;
  fc.assert(
    fc.property(fc.array(byte, { minLength: 1, maxLength: 5 }), (content) => {
      const bytes = Buffer.from(content);
      const events = readStream([Buffer.from(`${HEADER}<a>`), bytes, Buffer.from(`</a>${END}`)]);
      let decoded: string | undefined;
      try {
        decoded = decoder.decode(bytes);
      } catch {
        assert.ok(!isComplete(events), bytes.toString('hex'));
        return;
      }
      const allowed = !/[<&\ufffe\uffff]|]]>/.test(decoded);
      assert.equal(isComplete(events), allowed, bytes.toString('hex'));
      if (!allowed) return;
      accepted += 1;
      assert.deepEqual(elementsOf(events)[0]?.children, [decoded]);
    }),
    { numRuns: 20_000 },
  );
  assert.ok(accepted > 500, `only ${accepted} strings were valid`);
});
