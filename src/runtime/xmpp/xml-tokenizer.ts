/**
 * A strict tokenizer for the XML that RFC 6120 section 11 allows on a stream: elements, attributes, character data,
 * CDATA, the predefined entities, and nothing else.
 *
 * One loop over the bytes, with the state in fields between chunks, so that every cut of the input gives the same
 * result and no byte is scanned twice. Over 300 lines because the loop shares its position and state in local
 * variables. A token that the end of a chunk cuts is completed in a buffer of its own (`#carry`); everything else is
 * read where it lies. `#token` is the first byte of the token in progress.
 */
import type { XmlElement } from './element.ts';
import type { ParserLimits } from './parser-limits.ts';
import { problem, TreeBuilder, type XmlProblem } from './tree-builder.ts';
import { lookUpName, NAME_CLASS, NAME_START, NAME_XMLNS, skipName, type XmlName } from './xml-name.ts';
import { asNamespaceName, lookUpNamespace } from './xml-namespace.ts';
import {
  BAD_UTF8,
  CDATA_CLASS,
  CLOSE,
  DECODE,
  expandReferences,
  MULTIBYTE,
  normalizeLineEnds,
  normalizeValue,
  OPEN,
  QUOTE,
  skipMultibyte,
  skipPlain,
  TEXT_CLASS,
  VALUE_CLASS,
} from './xml-text.ts';

/** What the tokenizer reports. After `onBroken`, or a call of `stop` from inside one of these, nothing follows. */
export interface TokenizerEvents {
  /** The start tag of the root is complete; its namespaces are in scope. Only for streams. */
  onRoot(root: XmlElement): void;
  /** A top-level element is complete: a child of the stream root, or the root of a document. */
  onElement(element: XmlElement): void;
  /** The end tag of a stream root has arrived. */
  onEnd(): void;
  onBroken(condition: XmlProblem['condition'], text: string): void;
}

// States that have begun a token.
const TEXT = 0;
const VALUE = 1;
const NAME = 2;
const ATTRIBUTE = 3;
const CDATA = 4;
const DECLARATION = 5;
// States that have not.
const BETWEEN = 6; // outside of every top-level element
const TAG_DONE = 7; // after the `>` of a tag
const MARKUP = 8; // after `<`
const IN_TAG = 9; // after a name or an attribute value
const BEFORE_ATTRIBUTE = 10; // after white space in a tag
const BEFORE_EQUALS = 11; // after an attribute name
const BEFORE_VALUE = 12; // after `=`
const EMPTY_TAG = 13; // after the `/` of an empty element
const END_NAME = 14; // in the name of an end tag
const END_TAG = 15; // after the name of an end tag
const CDATA_START = 16; // after `<!`
const STOPPED = 17;

const LT = 0x3c;
const GT = 0x3e;
const SLASH = 0x2f;
const EQUALS = 0x3d;
const BRACKET = 0x5d;

/** Set in `flags` when the bytes of a run are not its characters. */
const HAS_REFERENCES = 1;
const HAS_MULTIBYTE = 2;

/** More than any chunk has. A small integer: the loop is slower with a floating-point end. */
const UNLIMITED = 0x3fff_ffff;
/** Strings are cut from windows of this size: long enough to save calls, short enough to be kept alive by one id. */
const WINDOW_BYTES = 1024;
const PIECE_BYTES = 256;
const KEPT_CARRY_BYTES = 4096;

const CDATA_OPENING = '[CDATA[';
const XML_DECLARATION =
  /^\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(?:'1\.0'|"1\.0")(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(?:'([A-Za-z][-A-Za-z0-9._]*)'|"([A-Za-z][-A-Za-z0-9._]*)"))?(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(?:'(?:yes|no)'|"(?:yes|no)"))?[ \t\r\n]*\?$/;

const NO_BYTES = Buffer.alloc(0);

const NOT_UTF8 = problem('unsupported-encoding', 'invalid UTF-8');
const NOT_A_CHARACTER = problem('not-well-formed', 'character not allowed in XML');
const NOT_A_NAME = problem('not-well-formed', 'invalid name');
const NAME_TOO_LONG = problem('policy-violation', 'name too long');
const BAD_TAG = problem('not-well-formed', 'malformed tag');
const BAD_REFERENCE = problem('not-well-formed', 'undeclared entity or invalid character reference');
const BAD_SECTION = problem('not-well-formed', 'malformed CDATA section');
const SECTION_END = problem('not-well-formed', 'CDATA end in text');
const LT_IN_VALUE = problem('not-well-formed', 'less-than sign in attribute value');
const MISMATCHED = problem('not-well-formed', 'end tag does not match');
const STRAY_TEXT = problem('bad-format', 'text outside of stanzas');
const NO_ROOT = problem('not-well-formed', 'text before the root element');
const AFTER_ROOT = problem('not-well-formed', 'content after the root element');
const INSTRUCTION = problem('restricted-xml', 'processing instruction');
const COMMENT = problem('restricted-xml', 'comment');
const DOCTYPE = problem('restricted-xml', 'document type declaration');
const BAD_DECLARATION = problem('not-well-formed', 'malformed XML declaration');
const BAD_ENCODING = problem('unsupported-encoding', 'encoding must be UTF-8');
const BAD_NAMESPACE = problem(
  'invalid-namespace',
  'namespace name with white space or control characters, or too long',
);
const HEADER_TOO_LONG = problem('policy-violation', 'stream header too long');
const ELEMENT_TOO_LONG = problem('policy-violation', 'stanza too long');

export class XmlTokenizer {
  readonly #events: TokenizerEvents;
  readonly #builder: TreeBuilder;
  /** Depth of top-level elements: 1 on a stream, 0 in a document. */
  readonly #top: 0 | 1;
  #limits: ParserLimits;

  #state = BETWEEN;
  #flags = 0;
  #quote = 0;
  /** Bytes matched so far of the name of an end tag, or of the opening of a CDATA section. */
  #matched = 0;
  #attribute: XmlName | undefined;
  /** Names of open elements, the root included. */
  readonly #open: XmlName[] = [];
  #depth = 0;
  #started = false;
  #rooted = false;
  /** Bytes the header or the current top-level element may still have; UNLIMITED between elements. */
  #budget: number;

  /** First byte of the token in progress, in the buffer being read. */
  #token = 0;
  #carry: Buffer = NO_BYTES;
  #carried = 0;
  /** Bytes of the carry that need not be looked at again. */
  #scanned = 0;

  #window = '';
  #windowStart = 0;
  #windowEnd = -1;

  #busy = false;
  #waiting: Buffer[] = [];

  constructor(events: TokenizerEvents, limits: ParserLimits, kind: 'stream' | 'document') {
    this.#events = events;
    this.#top = kind === 'stream' ? 1 : 0;
    this.#limits = limits;
    this.#builder = new TreeBuilder(limits, this.#top);
    this.#budget = kind === 'stream' ? limits.maxHeaderBytes : limits.maxElementBytes;
  }

  get builder(): TreeBuilder {
    return this.#builder;
  }

  setLimits(limits: ParserLimits): void {
    const previous = this.#limits;
    if (!this.#rooted) this.#budget += limits.maxHeaderBytes - previous.maxHeaderBytes;
    else if (this.#budget !== UNLIMITED) this.#budget += limits.maxElementBytes - previous.maxElementBytes;
    this.#limits = limits;
    this.#builder.setLimits(limits);
  }

  stop(): void {
    this.#state = STOPPED;
    this.#carry = NO_BYTES;
    this.#carried = 0;
    this.#waiting = [];
  }

  /** Refuses the input from here on. */
  fail(reason: XmlProblem): void {
    if (this.#state === STOPPED) return;
    this.stop();
    this.#events.onBroken(reason.condition, reason.text);
  }

  /** Bytes of the next chunk, which may be reused once this returns. */
  write(chunk: Buffer): void {
    if (this.#state === STOPPED) return;
    if (this.#busy) {
      // A handler of ours caused more input: it comes after the rest of the chunk being read.
      this.#waiting.push(Buffer.from(chunk));
      return;
    }
    this.#busy = true;
    let finished = false;
    try {
      this.#read(chunk);
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) this.#read(next);
      finished = true;
    } finally {
      this.#busy = false;
      this.#window = '';
      // An exception of a handler leaves the input in the middle of a chunk.
      if (!finished) this.stop();
    }
  }

  #read(chunk: Buffer): void {
    const end = chunk.length;
    let p = 0;
    while (this.#state !== STOPPED) {
      if (this.#carried === 0) {
        this.#token = p;
        const scanned = this.#scan(chunk, p + this.#scanned, end);
        if (scanned < 0) return;
        this.#scanned = scanned - this.#token;
        if (this.#token < end) this.#extendCarry(chunk, this.#token, end);
        return;
      }
      if (p === end) return;
      // Only as much of the chunk as the cut token is likely to need: twice as much each time, so the sum is linear.
      const piece = Math.min(end - p, Math.max(PIECE_BYTES, this.#carried));
      this.#extendCarry(chunk, p, p + piece);
      p += piece;
      this.#token = 0;
      const scanned = this.#scan(this.#carry, this.#scanned, this.#carried);
      if (scanned < 0) return;
      if (this.#token > 0) {
        // The cut token is complete, so the one in progress began inside this chunk.
        p -= this.#carried - this.#token;
        this.#carried = 0;
        if (this.#carry.length > KEPT_CARRY_BYTES) this.#carry = NO_BYTES;
      }
      this.#scanned = scanned - this.#token;
    }
  }

  #extendCarry(bytes: Buffer, start: number, end: number): void {
    const needed = this.#carried + end - start;
    if (needed > this.#carry.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(2 * PIECE_BYTES, needed * 2));
      this.#carry.copy(grown, 0, 0, this.#carried);
      this.#carry = grown;
    }
    bytes.copy(this.#carry, this.#carried, start, end);
    this.#carried = needed;
  }

  /**
   * Reads `bytes[start, end)` and answers where it stopped: `end`, or a few bytes before it when a character is cut.
   * Then `#token` is the first byte still needed. Answers -1 when nothing more may be read.
   */
  #scan(bytes: Buffer, start: number, end: number): number {
    const builder = this.#builder;
    let state = this.#state;
    let token = this.#token;
    let flags = this.#flags;
    let p = start;
    let limit = this.#budget === UNLIMITED ? UNLIMITED : start + this.#budget;
    let stop = Math.min(limit, end);
    this.#windowEnd = -1;

    reading: for (;;) {
      if (state === TAG_DONE) {
        if (this.#depth <= this.#top) {
          limit = UNLIMITED;
          stop = end;
          state = BETWEEN;
        } else {
          token = p;
          flags = 0;
          state = TEXT;
        }
      }

      if (state === TEXT) {
        for (;;) {
          p = skipPlain(TEXT_CLASS, bytes, p, stop);
          if (p >= stop) break reading;
          const kind = TEXT_CLASS[bytes[p] as number] as number;
          if (kind === OPEN) break;
          if (kind === DECODE) {
            flags |= HAS_REFERENCES;
            p++;
          } else if (kind === CLOSE) {
            if (p - token >= 2 && bytes[p - 1] === BRACKET && bytes[p - 2] === BRACKET)
              return this.#refuse(SECTION_END);
            p++;
          } else {
            if (kind !== MULTIBYTE) return this.#refuse(NOT_A_CHARACTER);
            const next = skipMultibyte(bytes, p, stop);
            if (next < 0) return this.#refuse(next === BAD_UTF8 ? NOT_UTF8 : NOT_A_CHARACTER);
            if (next === p) break reading;
            flags |= HAS_MULTIBYTE;
            p = next;
          }
        }
        if (p > token) {
          const text = this.#textOf(bytes, token, p, end, flags);
          if (text === undefined) return this.#refuse(BAD_REFERENCE);
          const refused = builder.text(text);
          if (refused !== undefined) return this.#refuse(refused);
        }
        p++;
        state = MARKUP;
      } else if (state === BETWEEN) {
        const first = p;
        p = skipSpace(bytes, p, stop);
        if (p > first) this.#started = true;
        if (p >= stop) break;
        if (bytes[p] !== LT) return this.#refuse(this.#strayByte(bytes[p] as number));
        if (this.#rooted) {
          if (this.#depth === 0) return this.#refuse(AFTER_ROOT);
          limit = p + this.#limits.maxElementBytes;
          stop = Math.min(limit, end);
        }
        p++;
        state = MARKUP;
      }

      if (state === MARKUP) {
        if (p >= stop) break;
        const byte = bytes[p] as number;
        if (NAME_CLASS[byte] === NAME_START) {
          this.#started = true;
          token = p;
          state = NAME;
        } else if (byte === SLASH) {
          if (this.#depth === 0) return this.#refuse(MISMATCHED);
          this.#matched = 0;
          p++;
          state = END_NAME;
        } else if (byte === 0x21) {
          this.#matched = 0;
          p++;
          state = CDATA_START;
        } else if (byte === 0x3f && !this.#started) {
          token = p;
          state = DECLARATION;
        } else {
          return this.#refuse(byte === 0x3f ? INSTRUCTION : BAD_TAG);
        }
      }

      if (state === END_NAME) {
        const name = (this.#open[this.#depth - 1] as XmlName).raw;
        let matched = this.#matched;
        while (matched < name.length && p < stop) {
          if (bytes[p] !== name.charCodeAt(matched)) return this.#refuse(MISMATCHED);
          matched++;
          p++;
        }
        this.#matched = matched;
        if (matched < name.length) break;
        state = END_TAG;
      }

      if (state === END_TAG) {
        p = skipSpace(bytes, p, stop);
        if (p >= stop) break;
        if (bytes[p] !== GT) return this.#refuse(MISMATCHED);
        p++;
        if (!this.#closeElement()) return -1;
        state = TAG_DONE;
        continue;
      }

      if (state === NAME) {
        p = skipName(bytes, p, stop);
        if (p - token > this.#limits.maxNameBytes) return this.#refuse(NAME_TOO_LONG);
        if (p >= stop) break;
        const name = lookUpName(bytes, token, p);
        if (name === undefined) return this.#refuse(NOT_A_NAME);
        this.#open[this.#depth] = name;
        state = IN_TAG;
      }

      // The rest of a start tag: one turn of this loop for each attribute.
      for (;;) {
        if (state === IN_TAG) {
          if (p >= stop) break reading;
          const byte = bytes[p] as number;
          p++;
          if (byte === GT) {
            if (!this.#openElement()) return -1;
            state = TAG_DONE;
            continue reading;
          }
          if (byte === SLASH) {
            state = EMPTY_TAG;
          } else if (isSpace(byte)) {
            state = BEFORE_ATTRIBUTE;
          } else {
            return this.#refuse(BAD_TAG);
          }
        }

        if (state === EMPTY_TAG) {
          if (p >= stop) break reading;
          if (bytes[p] !== GT) return this.#refuse(BAD_TAG);
          p++;
          if (!this.#openElement() || !this.#closeElement()) return -1;
          state = TAG_DONE;
          continue reading;
        }

        if (state === BEFORE_ATTRIBUTE) {
          p = skipSpace(bytes, p, stop);
          if (p >= stop) break reading;
          const byte = bytes[p] as number;
          if (NAME_CLASS[byte] !== NAME_START) {
            if (byte !== GT && byte !== SLASH) return this.#refuse(BAD_TAG);
            state = IN_TAG;
            continue;
          }
          token = p;
          state = ATTRIBUTE;
        }

        if (state === ATTRIBUTE) {
          p = skipName(bytes, p, stop);
          if (p - token > this.#limits.maxNameBytes) return this.#refuse(NAME_TOO_LONG);
          if (p >= stop) break reading;
          const name = lookUpName(bytes, token, p);
          if (name === undefined) return this.#refuse(NOT_A_NAME);
          this.#attribute = name;
          state = BEFORE_EQUALS;
        }

        if (state === BEFORE_EQUALS) {
          p = skipSpace(bytes, p, stop);
          if (p >= stop) break reading;
          if (bytes[p] !== EQUALS) return this.#refuse(BAD_TAG);
          p++;
          state = BEFORE_VALUE;
        }

        if (state === BEFORE_VALUE) {
          p = skipSpace(bytes, p, stop);
          if (p >= stop) break reading;
          const byte = bytes[p] as number;
          if (byte !== 0x27 && byte !== 0x22) return this.#refuse(BAD_TAG);
          this.#quote = byte;
          p++;
          token = p;
          flags = 0;
          state = VALUE;
        }

        if (state !== VALUE) break;
        const quote = this.#quote;
        for (;;) {
          p = skipPlain(VALUE_CLASS, bytes, p, stop);
          if (p >= stop) break reading;
          const byte = bytes[p] as number;
          if (byte === quote) break;
          const kind = VALUE_CLASS[byte] as number;
          if (kind === QUOTE) {
            p++;
          } else if (kind === DECODE) {
            flags |= HAS_REFERENCES;
            p++;
          } else {
            if (kind !== MULTIBYTE) return this.#refuse(kind === OPEN ? LT_IN_VALUE : NOT_A_CHARACTER);
            const next = skipMultibyte(bytes, p, stop);
            if (next < 0) return this.#refuse(next === BAD_UTF8 ? NOT_UTF8 : NOT_A_CHARACTER);
            if (next === p) break reading;
            flags |= HAS_MULTIBYTE;
            p = next;
          }
        }
        const refused = this.#endValue(bytes, token, p, end, flags);
        if (refused !== undefined) return this.#refuse(refused);
        p++;
        state = IN_TAG;
      }

      if (state === CDATA_START) {
        let matched = this.#matched;
        while (p < stop && matched < CDATA_OPENING.length) {
          const byte = bytes[p] as number;
          if (byte !== CDATA_OPENING.charCodeAt(matched))
            return this.#refuse(matched === 0 ? markupProblem(byte) : BAD_SECTION);
          if (this.#depth <= this.#top) return this.#refuse(this.#rooted ? STRAY_TEXT : NO_ROOT);
          matched++;
          p++;
        }
        this.#matched = matched;
        if (matched < CDATA_OPENING.length) break;
        token = p;
        flags = 0;
        state = CDATA;
      }

      if (state === CDATA) {
        for (;;) {
          p = skipPlain(CDATA_CLASS, bytes, p, stop);
          if (p >= stop) break reading;
          const kind = CDATA_CLASS[bytes[p] as number] as number;
          if (kind === CLOSE) {
            if (p - token >= 2 && bytes[p - 1] === BRACKET && bytes[p - 2] === BRACKET) break;
            p++;
          } else if (kind === DECODE) {
            flags |= HAS_REFERENCES;
            p++;
          } else {
            if (kind !== MULTIBYTE) return this.#refuse(NOT_A_CHARACTER);
            const next = skipMultibyte(bytes, p, stop);
            if (next < 0) return this.#refuse(next === BAD_UTF8 ? NOT_UTF8 : NOT_A_CHARACTER);
            if (next === p) break reading;
            flags |= HAS_MULTIBYTE;
            p = next;
          }
        }
        // An empty section is a node too: it may not come free.
        const raw = this.#stringOf(bytes, token, p - 2, end, flags);
        const refused = builder.text((flags & HAS_REFERENCES) === 0 ? raw : normalizeLineEnds(raw));
        if (refused !== undefined) return this.#refuse(refused);
        p++;
        token = p;
        flags = 0;
        state = TEXT;
      } else if (state === DECLARATION) {
        while (p < stop && bytes[p] !== GT) p++;
        if (p >= stop) break;
        const refused = declarationProblem(bytes.toString('latin1', token, p));
        if (refused !== undefined) return this.#refuse(refused);
        p++;
        this.#started = true;
        state = BETWEEN;
      }
    }

    if (limit <= end) return this.#refuse(this.#rooted ? ELEMENT_TOO_LONG : HEADER_TOO_LONG);
    this.#state = state;
    this.#flags = flags;
    this.#token = state <= DECLARATION ? token : p;
    this.#budget = limit === UNLIMITED ? UNLIMITED : limit - p;
    return p;
  }

  #refuse(reason: XmlProblem): -1 {
    this.fail(reason);
    return -1;
  }

  #strayByte(byte: number): XmlProblem {
    if (this.#depth > 0) return STRAY_TEXT;
    if (this.#rooted) return AFTER_ROOT;
    // The first byte of a UTF-16 byte order mark; that of UTF-8 is text before the root (RFC 6120 section 11.6).
    return byte >= 0xfe ? BAD_ENCODING : NO_ROOT;
  }

  #openElement(): boolean {
    const refused = this.#builder.open(this.#open[this.#depth] as XmlName);
    if (refused !== undefined) {
      this.fail(refused);
      return false;
    }
    this.#depth += 1;
    if (!this.#rooted) {
      this.#rooted = true;
      if (this.#top === 1) this.#events.onRoot(this.#builder.root());
    }
    return this.#state !== STOPPED;
  }

  #closeElement(): boolean {
    const element = this.#builder.close();
    this.#depth -= 1;
    if (this.#depth === this.#top) {
      this.#events.onElement(element);
    } else if (this.#depth < this.#top) {
      this.stop();
      this.#events.onEnd();
    }
    return this.#state !== STOPPED;
  }

  #textOf(bytes: Buffer, start: number, stop: number, end: number, flags: number): string | undefined {
    const raw = this.#stringOf(bytes, start, stop, end, flags);
    return (flags & HAS_REFERENCES) === 0 ? raw : expandReferences(normalizeLineEnds(raw));
  }

  #endValue(bytes: Buffer, start: number, stop: number, end: number, flags: number): XmlProblem | undefined {
    const name = this.#attribute as XmlName;
    if (name.kind >= NAME_XMLNS && flags === 0) {
      const uri = lookUpNamespace(bytes, start, stop);
      return uri === undefined ? BAD_NAMESPACE : this.#builder.declaration(name, uri);
    }
    const raw = this.#stringOf(bytes, start, stop, end, flags);
    const value = (flags & HAS_REFERENCES) === 0 ? raw : expandReferences(normalizeValue(raw));
    if (value === undefined) return BAD_REFERENCE;
    if (name.kind < NAME_XMLNS) return this.#builder.attribute(name, value);
    const uri = asNamespaceName(value);
    return uri === undefined ? BAD_NAMESPACE : this.#builder.declaration(name, uri);
  }

  /** The characters of `bytes[start, stop)`, which lie in valid data up to `end`. */
  #stringOf(bytes: Buffer, start: number, stop: number, end: number, flags: number): string {
    if ((flags & HAS_MULTIBYTE) !== 0) return bytes.toString('utf8', start, stop);
    if (start < this.#windowStart || stop > this.#windowEnd) {
      if (stop - start > WINDOW_BYTES / 2) return bytes.toString('latin1', start, stop);
      this.#windowStart = start;
      this.#windowEnd = Math.min(start + WINDOW_BYTES, end);
      this.#window = bytes.toString('latin1', start, this.#windowEnd);
    }
    return this.#window.substring(start - this.#windowStart, stop - this.#windowStart);
  }
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function skipSpace(bytes: Uint8Array, start: number, stop: number): number {
  let p = start;
  while (p < stop && isSpace(bytes[p] as number)) p++;
  return p;
}

/** What `<!` followed by this byte would have been. */
function markupProblem(byte: number): XmlProblem {
  if (byte === 0x2d) return COMMENT;
  return byte === 0x44 ? DOCTYPE : BAD_SECTION;
}

/** `declaration` is what stands between `<` and `>` at the very start. */
function declarationProblem(declaration: string): XmlProblem | undefined {
  if (!/^\?xml[ \t\r\n?]/.test(declaration)) return INSTRUCTION;
  const match = XML_DECLARATION.exec(declaration);
  if (match === null) return BAD_DECLARATION;
  const encoding = match[1] ?? match[2];
  return encoding === undefined || encoding.toUpperCase() === 'UTF-8' ? undefined : BAD_ENCODING;
}
