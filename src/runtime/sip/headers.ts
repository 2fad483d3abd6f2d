import { type SipText, skipClass, skipSpace, spells, TOKEN } from './grammar.ts';

/** Headers this gateway reads, numbered so that finding one compares no names. */
export const HEADER = {
  via: 1,
  from: 2,
  to: 3,
  'call-id': 4,
  cseq: 5,
  'max-forwards': 6,
  'content-length': 7,
  'content-type': 8,
  'content-language': 9,
  'content-encoding': 10,
  subject: 11,
  require: 12,
  contact: 13,
  'retry-after': 14,
} as const;
export type HeaderId = (typeof HEADER)[keyof typeof HEADER];

// RFC 3261 section 7.3.3 and the IANA registry.
const COMPACT: Readonly<Record<string, string>> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
};
const COMPACT_OF = new Map(Object.entries(COMPACT).map(([compact, long]) => [long, compact]));

const IDS: ReadonlyMap<string, HeaderId> = new Map(Object.entries(HEADER));
const NAMES = ['', ...IDS.keys()];
// Length, first and last letter together are unique among these names.
const ID_BY_SHAPE = new Uint8Array(1 << 15);
const shape = (length: number, first: number, last: number) =>
  ((length & 31) << 10) | ((first & 31) << 5) | (last & 31);
for (const [name, id] of IDS) {
  for (const spelling of [name, COMPACT_OF.get(name)]) {
    if (spelling === undefined) continue;
    ID_BY_SHAPE[shape(spelling.length, spelling.charCodeAt(0), spelling.charCodeAt(spelling.length - 1))] = id;
  }
}

// Flat rows: id, name start, name end, value start, value end.
const ROW = 5;
// Rows of the head that is being read; a copy of the right length is what stays.
const scratch: number[] = [];

/** Why the header lines cannot be read. Nothing after such a line can be trusted. */
export type HeaderFault = 'malformed' | 'too-many' | 'folded';

/**
 * The header fields of one message. Names match whatever their case and in their compact form. Values are cut out
 * when asked for, without surrounding spaces.
 */
export class SipHeaders {
  /** The whole head. A reader that wants bytes takes them from here, with `start` and `end` of a row. */
  readonly source: SipText;
  readonly #isAscii: boolean;
  readonly #rows: readonly number[];
  readonly #seen: number;
  readonly #repeated: number;

  private constructor(source: SipText, isAscii: boolean, rows: readonly number[], seen: number, repeated: number) {
    this.source = source;
    this.#isAscii = isAscii;
    this.#rows = rows;
    this.#seen = seen;
    this.#repeated = repeated;
  }

  /**
   * Reads header lines from `from` to the end of the head, the last one without its line end.
   *
   * @returns `folded` when a line goes on in the next one: `unfold` first
   */
  static read(source: SipText, isAscii: boolean, from: number, maxHeaders: number): SipHeaders | HeaderFault {
    const { bytes, text } = source;
    const { length } = bytes;
    let count = 0;
    let seen = 0;
    let repeated = 0;
    let position = from;
    while (position < length) {
      const nameEnd = skipClass(bytes, position, length, TOKEN);
      const colon = skipSpace(bytes, nameEnd, length);
      if (nameEnd === position || colon === length || bytes[colon] !== 0x3a) return 'malformed';
      const valueStart = skipSpace(bytes, colon + 1, length);
      // Searching the string is several times as fast as looping over its bytes.
      const carriageReturn = text.indexOf('\r', valueStart);
      const lineFeed = text.indexOf('\n', valueStart);
      // One of the two alone ends a line for some parsers and not for others.
      if (lineFeed !== (carriageReturn < 0 ? -1 : carriageReturn + 1)) return 'malformed';
      const lineEnd = carriageReturn < 0 ? length : carriageReturn;
      const next = lineEnd + 2 < length ? bytes[lineEnd + 2] : 0;
      if (next === 0x20 || next === 0x09) return 'folded';
      let valueEnd = lineEnd;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === 0x20 || bytes[valueEnd - 1] === 0x09)) valueEnd--;

      if (count === maxHeaders * ROW) return 'too-many';
      const id = identify(bytes, position, nameEnd);
      if (id !== 0) {
        const bit = 1 << id;
        if ((seen & bit) !== 0) repeated |= bit;
        seen |= bit;
      }
      scratch[count] = id;
      scratch[count + 1] = position;
      scratch[count + 2] = nameEnd;
      scratch[count + 3] = valueStart;
      scratch[count + 4] = valueEnd;
      count += ROW;
      position = lineEnd + 2;
    }
    return new SipHeaders(source, isAscii, scratch.slice(0, count), seen, repeated);
  }

  /** How many header lines there are. */
  get count(): number {
    return this.#rows.length / ROW;
  }

  /** Value of the first header line of that name (long form, lower case); undefined when there is none. */
  first(name: string): string | undefined {
    const row = this.#find(name, 0);
    return row < 0 ? undefined : this.value(row);
  }

  /** Values of all header lines of that name, in order. One line may hold several values with commas. */
  all(name: string): readonly string[] {
    const values: string[] = [];
    for (let row = this.#find(name, 0); row >= 0; row = this.#find(name, row + ROW)) values.push(this.value(row));
    return values;
  }

  has(id: HeaderId): boolean {
    return (this.#seen & (1 << id)) !== 0;
  }

  /** Whether there are several lines of that header. */
  isRepeated(id: HeaderId): boolean {
    return (this.#repeated & (1 << id)) !== 0;
  }

  /** Name as written and value of every header line, in order. */
  *entries(): Generator<readonly [name: string, value: string]> {
    for (let row = 0; row < this.#rows.length; row += ROW) {
      yield [this.source.text.slice(this.#rows[row + 1], this.#rows[row + 2]), this.value(row)];
    }
  }

  /** The first line of a header, or with `after` the next one after that row; -1 when there is none. */
  row(id: HeaderId, after = -ROW): number {
    const rows = this.#rows;
    if ((this.#seen & (1 << id)) === 0) return -1;
    for (let row = after + ROW; row < rows.length; row += ROW) if (rows[row] === id) return row;
    return -1;
  }

  /** Where the value of a row begins in the head. */
  start(row: number): number {
    return this.#rows[row + 3] as number;
  }

  /** Where the value of a row ends. */
  end(row: number): number {
    return this.#rows[row + 4] as number;
  }

  value(row: number): string {
    const value = this.source.text.slice(this.#rows[row + 3], this.#rows[row + 4]);
    return this.#isAscii ? value : Buffer.from(value, 'latin1').toString('utf8');
  }

  #find(name: string, from: number): number {
    const id = IDS.get(name);
    if (id !== undefined) return this.row(id, from - ROW);
    const rows = this.#rows;
    const compact = COMPACT_OF.get(name);
    for (let row = from; row < rows.length; row += ROW) {
      const found = this.source.text.slice(rows[row + 1], rows[row + 2]).toLowerCase();
      if (found === name || found === compact) return row;
    }
    return -1;
  }
}

/** A copy of the head in which every line that goes on in the next is one line (RFC 3261 section 7.3.1). */
export function unfold(head: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(head.length);
  let length = 0;
  for (let i = 0; i < head.length; i++) {
    const byte = head[i] as number;
    const next = head[i + 2];
    if (byte === 0x0d && head[i + 1] === 0x0a && (next === 0x20 || next === 0x09)) {
      i += 2;
      while (head[i + 1] === 0x20 || head[i + 1] === 0x09) i++;
      copy[length++] = 0x20;
    } else copy[length++] = byte;
  }
  return copy.subarray(0, length);
}

function identify(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const id = ID_BY_SHAPE[shape(length, bytes[start] as number, bytes[end - 1] as number)] as number;
  if (id === 0) return 0;
  const name = NAMES[id] as string;
  if (length === 1) return spells(bytes, start, end, COMPACT_OF.get(name) ?? '') ? id : 0;
  return spells(bytes, start, end, name) ? id : 0;
}
