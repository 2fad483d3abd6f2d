import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { makeHtmlSafe } from '../../../src/runtime/interwork/html.ts';
import type { XmlElement } from '../../../src/runtime/xmpp/element.ts';
import { parseElement } from './wire.ts';

const XHTML = 'http://www.w3.org/1999/xhtml';

function read(html: string): { readonly text: string; readonly body: XmlElement } {
  const { text, xhtml } = makeHtmlSafe(html);
  return { text, body: parseElement(`<body xmlns='${XHTML}'>${xhtml ?? ''}</body>`) };
}

function xhtmlOf(html: string): string | undefined {
  return makeHtmlSafe(html).xhtml;
}

// Content model of the XHTML-IM elements we write: `#` stands for text.
const INLINE = ['#', 'a', 'br', 'cite', 'code', 'em', 'strong'];
const BLOCK = ['blockquote', 'ol', 'p', 'pre', 'ul'];
const CONTENT: Readonly<Record<string, readonly string[]>> = {
  body: BLOCK,
  blockquote: BLOCK,
  li: [...INLINE, ...BLOCK],
  ol: ['li'],
  ul: ['li'],
  p: INLINE,
  pre: INLINE,
  a: INLINE,
  cite: INLINE,
  code: INLINE,
  em: INLINE,
  strong: INLINE,
  br: [],
};

function assertSafe(element: XmlElement, depth = 0): void {
  assert.equal(element.ns, XHTML);
  assert(depth < 30, 'nesting is bounded');
  const content = CONTENT[element.name];
  assert(content !== undefined, `element ${element.name}`);
  if (element.name === 'a') {
    assert.equal(element.attributes.length, 2);
    assert.match(element.attr('href') ?? '', /^(?:https?:\/\/|mailto:|xmpp:)[^\s<>"]+$/i);
  } else {
    assert.deepEqual(element.attributes, [], element.name);
  }
  for (const child of element.children) {
    const name = typeof child === 'string' ? '#' : child.name;
    assert(content.includes(name), `${name} in ${element.name}`);
    if (typeof child !== 'string') assertSafe(child, depth + 1);
  }
}

describe('formatting', () => {
  for (const [html, xhtml, text] of [
    ['<b>a</b> <I CLASS=x>b</I>', '<p><strong>a</strong> <em>b</em></p>', 'a b'],
    ['<p>a<p><code>b</code>', '<p>a</p><p><code>b</code></p>', 'a\nb'],
    ['<h1>a</h1>\n<div>b <em>c</em></div>', '<p>a</p><p>b <em>c</em></p>', 'a\nb c'],
    ['<ul><li>a</li>\n<li>b</ul>c', '<ul><li>a</li><li>b</li></ul><p>c</p>', '- a\n- b\nc'],
    ['<ul>a<p>b</p></ul>', '<ul><li>a<p>b</p></li></ul>', 'a\nb'],
    ['<ol><li><div>a</div><div>b</div></ol>', '<ol><li><p>a</p><p>b</p></li></ol>', '- a\nb'],
    ['<pre>a\n  b</pre> c', '<pre>a\n  b</pre><p>c</p>', 'a\n  b\nc'],
    ['<blockquote>a<br/>b</blockquote>', '<blockquote><p>a<br/>b</p></blockquote>', 'a\nb'],
    ['<table><tr><td>a<td><b>b</b><tr><td>c</table>', '<p>a <strong>b</strong></p><p>c</p>', 'a b\nc'],
    [
      '<b>a<a href="https://x.example/">b</b>c</a>d',
      "<p><strong>a<a href='https://x.example/'>b</a></strong>cd</p>",
      'ab <https://x.example/>cd',
    ],
  ] as const) {
    it(html.replaceAll('\n', ' '), () => assert.deepEqual(makeHtmlSafe(html), { text, xhtml }));
  }

  it('has no XHTML where plain text says it all', () => {
    assert.deepEqual(makeHtmlSafe('<div>a &amp; b</div><p style="color:red">c</p>'), { text: 'a & b\nc' });
    assert.deepEqual(makeHtmlSafe(''), { text: '' });
    assert.deepEqual(makeHtmlSafe('<b></b><img src=x>'), { text: '' });
  });

  it('collapses white space as a browser does', () => {
    assert.equal(read(' <p> a \n\t b </p>\n\n c <b> d</b>').text, 'a b\nc d');
  });
});

describe('links', () => {
  it('keeps those that show where they lead', () => {
    for (const href of [
      'https://x.example/a?b=1&c=2#d',
      'HTTP://x.example',
      'mailto:a@x.example',
      'xmpp:a@x.example?message',
    ]) {
      const { body, text } = read(`<a target=_top href="${href}" onclick=x>words</a>`);
      assertSafe(body);
      assert.equal(body.child('p')?.child('a')?.attr('href'), href);
      assert.equal(text, `words <${href}>`);
    }
  });

  it('says an address once', () => {
    assert.equal(read('<a href="https://x.example/">https://x.example/</a>').text, 'https://x.example/');
    assert.equal(read('<a href="mailto:a@x.example">a@x.example</a>').text, 'a@x.example');
  });

  it('takes the first of two', () => {
    assert.equal(read('<a href="https://x.example/" href="javascript:x">a</a>').text, 'a <https://x.example/>');
    assert.equal(xhtmlOf('<a href="javascript:x" href="https://x.example/">a</a>'), undefined);
  });

  for (const href of [
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'JaVaScRiPt&colon;alert(1)',
    'java&#9;script:alert(1)',
    'java\nscript:alert(1)',
    '&#x6A;avascript:x',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc/passwd',
    'cid:x',
    '//x.example/',
    '/relative',
    'https:x',
    '',
    'https://x.example/\u202egpj.exe',
    'https://x.example/ y',
    'https://x.example/&#0;',
    `https://x.example/${'y'.repeat(3000)}`,
  ]) {
    it(`drops ${JSON.stringify(href.slice(0, 40))}`, () => {
      assert.deepEqual(makeHtmlSafe(`<b>x</b><a href="${href}">words</a>`), {
        text: 'xwords',
        xhtml: '<p><strong>x</strong>words</p>',
      });
    });
  }
});

describe('what is not for reading', () => {
  for (const name of [
    'script',
    'style',
    'head',
    'title',
    'textarea',
    'iframe',
    'svg',
    'math',
    'object',
    'template',
    'select',
    'noscript',
    'video',
    'xmp',
  ]) {
    it(`drops <${name}> with its content`, () => {
      assert.equal(read(`a<${name} src=x>evil<b>evil</b></${name}> b`).text, 'a b');
    });
  }

  it('goes on after a head without an end, and drops what never ends', () => {
    assert.equal(read('<head><meta charset=utf-8><body>a').text, 'a');
    assert.equal(read('a<script>evil').text, 'a');
    assert.equal(read('a<!-- evil').text, 'a');
    assert.equal(read('a<b title="evil').text, 'a');
  });

  it('drops comments, declarations, instructions and CDATA', () => {
    assert.equal(read('<!DOCTYPE html [<!ENTITY x "y">]><!--a-->b<?php x ?>c<![CDATA[d]]>e').text.includes('a'), false);
  });
});

describe('hostile documents', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...[
        '<b>',
        '</b>',
        '<p>',
        '</p>',
        '<ul>',
        '</ul>',
        '<ol>',
        '<li>',
        '</li>',
        '<a href="https://x.example/?a=\'&b=<">',
        '</a>',
      ],
      ...[
        '<blockquote>',
        '</blockquote>',
        '<pre>',
        '</pre>',
        '<div>',
        '</div>',
        '<br>',
        '<td>',
        '<script>',
        '</script>',
        '<svg>',
        '</svg>',
      ],
      ...[
        '<i onclick="x">',
        '</i>',
        '<a href=javascript:x>',
        '&lt;',
        '&#0;',
        '&#xD800;',
        '&amp;',
        ']]>',
        '<!--',
        '-->',
        '<',
        '>',
        '"',
        "'",
      ],
      ...['</body></message><message>', '<b/x=y', '<a href=', 'text', ' ', '\n', '\u0000', '\ufffe', '🌹'],
    ),
    fc.string({ unit: 'binary', maxLength: 5 }),
  );

  it('always give well-formed XHTML of allowed elements in allowed places', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
        assertSafe(read(pieces.join('')).body);
      }),
      { numRuns: 3000 },
    );
  });

  // Half a megabyte each: anything quadratic would take minutes.
  for (const unit of [
    '<b>',
    '<p>',
    '<ul><li>',
    '<blockquote>',
    '</b>',
    '<b></p>',
    '<a href=http://x>',
    '<a href="http://x">a</a>',
    '&amp;',
    '&',
    '<',
    '<a',
    '<a b',
    '<a b=',
    '<!--',
    '<svg>',
    '<br>',
    ' ',
    '\n',
    ']]>',
  ]) {
    it(`cost no more than their length: ${JSON.stringify(unit)}`, () => {
      assertSafe(read(unit.repeat(500_000 / unit.length)).body);
    });
  }
});
