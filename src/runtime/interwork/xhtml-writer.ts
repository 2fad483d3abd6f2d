import { escapeAttribute, escapeText } from '../xmpp/element.ts';

/** Elements of the recommended XHTML-IM profile (XEP-0071 section 7.8) that format text inside a block. */
export type InlineName = 'a' | 'cite' | 'code' | 'em' | 'strong';
/** Elements that stand on their own. */
export type BlockName = 'blockquote' | 'li' | 'ol' | 'p' | 'pre' | 'ul';

const INLINE: ReadonlySet<string> = new Set<InlineName>(['a', 'cite', 'code', 'em', 'strong']);
// What holds text directly, what holds blocks. A list item may hold either.
const TEXT_BLOCK: ReadonlySet<string> = new Set<BlockName>(['p', 'pre']);
const LIST: ReadonlySet<string> = new Set<BlockName>(['ol', 'ul']);
/** Deeper elements are left out, their text stays: receivers bound nesting too. */
const MAX_DEPTH = 24;
/** Servers count the elements of a stanza: a document with more goes without formatting. */
const MAX_ELEMENTS = 1000;

/**
 * Builds the content of an XHTML-IM body. Whatever order calls come in, the output is well formed and follows the
 * content model: text stands in a paragraph or list item, list items in a list. Cost is linear in the calls.
 */
export class XhtmlWriter {
  #xml = '';
  readonly #open: string[] = [];
  #startsParagraph = false;
  #isRich = false;
  #elements = 0;

  /** Whether there is more than plain paragraphs, and not more than receivers take. */
  get isWorthSending(): boolean {
    return this.#isRich && this.#elements <= MAX_ELEMENTS;
  }

  isOpen(name: InlineName): boolean {
    return this.#open.includes(name);
  }

  text(text: string): void {
    if (LIST.has(this.#top()) && text.trim() === '') return;
    this.#enterText();
    this.#xml += escapeText(text);
  }

  lineBreak(): void {
    this.#enterText();
    this.#xml += '<br/>';
    this.#elements++;
  }

  openInline(name: InlineName, href?: string): void {
    if (name === 'a') this.close('a');
    this.#enterText();
    if (this.#open.length >= MAX_DEPTH) return;
    this.#isRich = true;
    this.#push(name, href === undefined ? '' : ` href='${escapeAttribute(href)}'`);
  }

  openBlock(name: BlockName): void {
    // An item outside of any list only ends a paragraph.
    const hasPlace = name === 'li' ? this.#popToList() : this.#enterBlock();
    if (!hasPlace || this.#open.length >= MAX_DEPTH) return;
    if (name !== 'p') this.#isRich = true;
    this.#startsParagraph = false;
    this.#push(name, '');
  }

  /** Closes the nearest element of this name and all inside it; nothing when none is open. */
  close(name: InlineName | BlockName): void {
    const index = this.#open.lastIndexOf(name);
    if (index === -1) return;
    while (this.#open.length > index) this.#pop();
    if (!INLINE.has(name)) this.#startsParagraph = this.#top() === 'li';
  }

  /** Ends the current paragraph, as a block element without counterpart does. */
  endParagraph(): void {
    while (INLINE.has(this.#top()) || TEXT_BLOCK.has(this.#top())) this.#pop();
    this.#startsParagraph = true;
  }

  finish(): string {
    while (this.#open.length > 0) this.#pop();
    return this.#xml;
  }

  #top(): string {
    return this.#open.at(-1) ?? '';
  }

  #push(name: string, attributes: string): void {
    this.#open.push(name);
    this.#elements++;
    this.#xml += `<${name}${attributes}>`;
  }

  #pop(): void {
    this.#xml += `</${this.#open.pop()}>`;
  }

  #enterText(): void {
    const top = this.#top();
    if (INLINE.has(top) || TEXT_BLOCK.has(top)) return;
    if (LIST.has(top)) this.#push('li', '');
    else if (top !== 'li' || this.#startsParagraph) this.#push('p', '');
    this.#startsParagraph = false;
  }

  #enterBlock(): true {
    this.endParagraph();
    if (LIST.has(this.#top())) this.#push('li', '');
    return true;
  }

  #popToList(): boolean {
    const index = this.#open.findLastIndex((name) => LIST.has(name));
    if (index === -1) {
      this.endParagraph();
      return false;
    }
    while (this.#open.length > index + 1) this.#pop();
    return true;
  }
}
