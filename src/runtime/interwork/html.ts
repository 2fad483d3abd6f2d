import { Tokenizer } from 'htmlparser2';
import { type BlockName, type InlineName, XhtmlWriter } from './xhtml-writer.ts';

/** What is left of an HTML document. */
export interface SafeHtml {
  /** Plain text, lines separated by line feeds. */
  readonly text: string;
  /** Content of an XHTML-IM body; absent when it would say no more than the text. */
  readonly xhtml?: string;
}

const INLINE: Readonly<Record<string, InlineName>> = {
  a: 'a',
  b: 'strong',
  cite: 'cite',
  code: 'code',
  em: 'em',
  i: 'em',
  kbd: 'code',
  samp: 'code',
  strong: 'strong',
  tt: 'code',
};

const BLOCK: Readonly<Record<string, BlockName>> = {
  blockquote: 'blockquote',
  li: 'li',
  ol: 'ol',
  p: 'p',
  pre: 'pre',
  ul: 'ul',
};

/** Elements that only separate lines. */
const SEPARATOR: ReadonlySet<string> = new Set([
  ...['address', 'article', 'aside', 'body', 'caption', 'center', 'dd', 'details', 'div', 'dl', 'dt', 'fieldset'],
  ...['figcaption', 'figure', 'footer', 'form', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'header', 'hr', 'main', 'nav'],
  ...['section', 'summary', 'table', 'tr'],
]);

/** Elements whose content is not for reading. */
const DROPPED: ReadonlySet<string> = new Set([
  ...['applet', 'audio', 'canvas', 'head', 'iframe', 'math', 'noembed', 'noframes', 'noscript', 'object', 'plaintext'],
  ...['script', 'select', 'style', 'svg', 'template', 'textarea', 'title', 'video', 'xmp'],
]);

const SPACES = /[ \t\n\f\r]+/g;
const MAX_HREF = 2048;
// Only absolute links of schemes that show or write something, without a character that could hide where they lead.
const HREF =
  /^(?:https?:\/\/|mailto:|xmpp:)[^\0-\x20\x7f-\xa0"<>\\^`{|}\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]+$/i;

/**
 * Turns hostile HTML into plain text and the XHTML-IM subset (RFC 7572, XEP-0071): a list of allowed elements, no
 * attribute but a checked `href`, nothing loaded from elsewhere. One pass; cost is linear in the length.
 */
export function makeHtmlSafe(html: string): SafeHtml {
  const reader = new SafeHtmlReader(html);
  const tokenizer = new Tokenizer({ decodeEntities: true }, reader);
  tokenizer.write(html);
  tokenizer.end();
  return reader.finish();
}

/** Receives positions in the whole document, which is given to the tokenizer in one piece. */
class SafeHtmlReader {
  readonly #html: string;
  readonly #xhtml = new XhtmlWriter();
  readonly #text = new LineWriter();
  #tag = '';
  #attribute = '';
  #value = '';
  #href: string | undefined;
  #dropped = '';
  #droppedDepth = 0;
  #preDepth = 0;
  #endsWithSpace = true;
  #link: { readonly href: string; text: string } | undefined;

  constructor(html: string) {
    this.#html = html;
  }

  finish(): SafeHtml {
    this.#endLink();
    const text = this.#text.finish();
    const xhtml = this.#xhtml.finish();
    return this.#xhtml.isWorthSending && text !== '' ? { text, xhtml } : { text };
  }

  ontext(start: number, end: number): void {
    this.#write(this.#html.slice(start, end));
  }

  ontextentity(codepoint: number): void {
    this.#write(String.fromCodePoint(codepoint));
  }

  onopentagname(start: number, end: number): void {
    this.#tag = this.#html.slice(start, end).toLowerCase();
    this.#href = undefined;
  }

  onattribname(start: number, end: number): void {
    this.#attribute = end - start === 4 ? this.#html.slice(start, end).toLowerCase() : '';
    this.#value = '';
  }

  onattribdata(start: number, end: number): void {
    if (this.#attribute === 'href') this.#value += this.#html.slice(start, end);
  }

  onattribentity(codepoint: number): void {
    if (this.#attribute === 'href') this.#value += String.fromCodePoint(codepoint);
  }

  onattribend(): void {
    // The first of several attributes of a name counts.
    if (this.#attribute === 'href') this.#href ??= this.#value;
  }

  onopentagend(): void {
    this.#openTag(this.#tag);
  }

  onselfclosingtag(): void {
    // HTML ignores the slash, `<b/>` opens, except where it hands over to SVG and MathML.
    if (this.#tag !== 'svg' && this.#tag !== 'math') this.#openTag(this.#tag);
  }

  onclosetag(start: number, end: number): void {
    this.#closeTag(this.#html.slice(start, end).toLowerCase());
  }

  oncdata(): void {}
  oncomment(): void {}
  ondeclaration(): void {}
  onend(): void {}
  onprocessinginstruction(): void {}

  #openTag(tag: string): void {
    if (this.#dropped !== '') {
      // `</head>` may be left out.
      if (this.#dropped === 'head' && tag === 'body') this.#dropped = '';
      else if (tag === this.#dropped) this.#droppedDepth++;
      return;
    }
    if (DROPPED.has(tag)) {
      this.#dropped = tag;
      this.#droppedDepth = 1;
      return;
    }
    const inline = INLINE[tag];
    if (inline !== undefined) {
      this.#openInline(inline);
    } else if (tag === 'br') {
      this.#xhtml.lineBreak();
      this.#text.lineBreak();
      this.#endsWithSpace = true;
    } else if (tag === 'td' || tag === 'th') {
      this.#write(' ');
    } else {
      this.#openBlock(tag);
    }
  }

  #openInline(name: InlineName): void {
    if (name !== 'a') {
      this.#xhtml.openInline(name);
      return;
    }
    this.#endLink();
    const href = this.#href?.trim();
    if (href === undefined || href.length > MAX_HREF || !HREF.test(href)) return;
    this.#xhtml.openInline('a', href);
    this.#link = { href, text: '' };
  }

  #openBlock(tag: string): void {
    const block = BLOCK[tag];
    if (block === undefined && !SEPARATOR.has(tag)) return;
    this.#endLine();
    if (block === undefined) this.#xhtml.endParagraph();
    else this.#xhtml.openBlock(block);
    if (block === 'li') this.#text.item();
    if (block === 'pre') this.#preDepth++;
  }

  #closeTag(tag: string): void {
    if (this.#dropped !== '') {
      if (tag === this.#dropped && --this.#droppedDepth === 0) this.#dropped = '';
      return;
    }
    const inline = INLINE[tag];
    if (inline !== undefined) {
      if (inline !== 'a') this.#xhtml.close(inline);
      // An element closed inside a link ends the link too.
      if (inline === 'a' || !this.#xhtml.isOpen('a')) this.#endLink();
    } else {
      this.#closeBlock(tag);
    }
  }

  #closeBlock(tag: string): void {
    const block = BLOCK[tag];
    if (block === undefined && !SEPARATOR.has(tag)) return;
    this.#endLine();
    if (block === 'pre' && this.#preDepth > 0) this.#preDepth--;
    if (block === undefined) this.#xhtml.endParagraph();
    else this.#xhtml.close(block);
  }

  #write(raw: string): void {
    if (this.#dropped !== '') return;
    let text = raw;
    if (this.#preDepth === 0) {
      text = raw.replace(SPACES, ' ');
      if (this.#endsWithSpace && text.startsWith(' ')) text = text.slice(1);
      if (text === '') return;
      this.#endsWithSpace = text.endsWith(' ');
    }
    this.#xhtml.text(text);
    this.#text.write(text);
    if (this.#link !== undefined) this.#link.text += text;
  }

  #endLine(): void {
    this.#endLink();
    this.#text.endLine();
    this.#endsWithSpace = true;
  }

  /** Readers of the plain text see where a link leads, also when its words say otherwise. */
  #endLink(): void {
    if (this.#link === undefined) return;
    const { href, text } = this.#link;
    const words = text.trim();
    if (words !== href && `mailto:${words}` !== href) this.#text.write(words === '' ? `<${href}>` : ` <${href}>`);
    this.#xhtml.close('a');
    this.#link = undefined;
    this.#endsWithSpace = false;
  }
}

const MARKER = '- ';

/** Collects lines of plain text without trailing spaces. */
class LineWriter {
  readonly #lines: string[] = [];
  #line = '';

  write(text: string): void {
    this.#line += text;
  }

  lineBreak(): void {
    this.#lines.push(this.#line.trimEnd());
    this.#line = '';
  }

  /** Starts a new line unless nothing was said on this one. */
  endLine(): void {
    if (this.#line !== '' && this.#line !== MARKER) this.lineBreak();
  }

  item(): void {
    this.#line = MARKER;
  }

  finish(): string {
    this.lineBreak();
    return this.#lines.join('\n').trim();
  }
}
