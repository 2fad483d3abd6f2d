import assert from 'node:assert/strict';
import test from 'node:test';
import {
  escapeAttribute,
  escapeText,
  formatElement,
  XmlElement,
  type XmlNode,
} from '../../../src/runtime/xmpp/element.ts';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';

function element(name: string, ns: string, attributes: string[] = [], children: XmlNode[] = []): XmlElement {
  return new XmlElement(name, ns, attributes, children);
}

const MESSAGE = element(
  'message',
  NS.server,
  ['to', 'a@b.example', 'xml:lang', 'en'],
  [
    'one ',
    element('active', NS.chatStates),
    element('body', NS.server, [], ['hello']),
    'two',
    element('body', NS.server, ['xml:lang', 'de'], ['hallo']),
  ],
);

test('an element answers about its attributes and children', () => {
  assert.equal(MESSAGE.attr('to'), 'a@b.example');
  assert.equal(MESSAGE.attr('xml:lang'), 'en');
  assert.equal(MESSAGE.attr('a@b.example'), undefined);
  assert.equal(MESSAGE.attr('constructor'), undefined);
  assert.equal(MESSAGE.child('body')?.text(), 'hello');
  assert.equal(MESSAGE.child('active'), undefined);
  assert.equal(MESSAGE.child('active', NS.chatStates)?.name, 'active');
  assert.equal(MESSAGE.child('one '), undefined);
  assert.deepEqual(
    MESSAGE.elements().map(({ name }) => name),
    ['active', 'body', 'body'],
  );
});

test('the text of an element is its own text', () => {
  assert.equal(MESSAGE.text(), 'one two');
  assert.equal(element('a', '').text(), '');
  assert.equal(element('a', '', [], ['x']).text(), 'x');
  assert.equal(element('a', '', [], [element('b', '', [], ['y'])]).text(), '');
});

test('a namespace is written where it changes', () => {
  assert.equal(
    formatElement(MESSAGE, NS.server),
    "<message to='a@b.example' xml:lang='en'>one <active xmlns='http://jabber.org/protocol/chatstates'/>" +
      "<body>hello</body>two<body xml:lang='de'>hallo</body></message>",
  );
  assert.equal(formatElement(element('a', 'urn:a', [], [element('b', '')]), ''), "<a xmlns='urn:a'><b xmlns=''/></a>");
  assert.equal(formatElement(element('a', ''), ''), '<a/>');
});

test('attributes and elements of other namespaces get what they need', () => {
  assert.equal(
    formatElement(element('a', '', ['x', '1', '{urn:"}b', '2', '{urn:c}d', '3']), ''),
    "<a x='1' xmlns:a2='urn:&quot;' a2:b='2' xmlns:a4='urn:c' a4:d='3'/>",
  );
  assert.equal(formatElement(element('a', NS.xml, [], [element('b', 'u')]), 'u'), '<xml:a><b/></xml:a>');
});

const TEXTS: [text: string, inText: string, inAttribute: string][] = [
  ['plain', 'plain', 'plain'],
  ['', '', ''],
  ['é 今 👋', 'é 今 👋', 'é 今 👋'],
  ['<&>', '&lt;&amp;&gt;', '&lt;&amp;&gt;'],
  [']]>', ']]&gt;', ']]&gt;'],
  [`'"`, `'"`, '&apos;&quot;'],
  ['\t\n\r', '\t\n&#13;', '&#9;&#10;&#13;'],
  ['\0\x08\x0b\x1f', '\ufffd\ufffd\ufffd\ufffd', '\ufffd\ufffd\ufffd\ufffd'],
  ['\ufffe\uffff', '\ufffd\ufffd', '\ufffd\ufffd'],
  ['a\ud800b', 'a\ufffdb', 'a\ufffdb'],
  ['\udc00👋\ud83d', '\ufffd👋\ufffd', '\ufffd👋\ufffd'],
  ['\x7f\x80', '\x7f\x80', '\x7f\x80'],
];

test('text is escaped, and what XML cannot carry is replaced', () => {
  for (const [text, inText, inAttribute] of TEXTS) {
    assert.equal(escapeText(text), inText);
    assert.equal(escapeAttribute(text), inAttribute);
  }
});

test('a formatted element holds hostile text inside', () => {
  const hostile = "'/><message from='admin'>]]><!--";
  assert.equal(
    formatElement(element('a', '', ['b', hostile], [hostile]), ''),
    "<a b='&apos;/&gt;&lt;message from=&apos;admin&apos;&gt;]]&gt;&lt;!--'>" +
      "'/&gt;&lt;message from='admin'&gt;]]&gt;&lt;!--</a>",
  );
});
