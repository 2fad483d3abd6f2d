import { type SipText, skipClass, skipSpace, spells, TOKEN } from './grammar.ts';

// Headers this gateway reads, found without comparing names: (length, first letter, last letter) is unique among them.
const KNOWN = [
  'via',
  'from',
  'to',
  'call-id',
  'cseq',
  'max-forwards',
  'content-length',
  'content-type',
  'content-language',
  'content-encoding',
  'subject',
  'require',
  'contact',
  'route',
  'record-route',
  'retry-after',
  'event',
  'date',
] as const;
export type KnownHeader = (typeof KNOWN)[number];

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

const ID = new Map<string, number>(KNOWN.map((name, index) => [name, index + 1]));
const ID_BY_SHAPE = new Uint8Array(1 << 15);
const shape = (length: number, first: number, last: number) =>
  ((length & 31) << 10) | ((first & 31) << 5) | (last & 31);
for (const [name, id] of ID) {
  for (const spelling of [name, COMPACT_OF.get(name)]) {
    if (spelling === undefined) continue;
    ID_BY_SHAPE[shape(spelling.length, spelling.charCodeAt(0), spelling.charCodeAt(spelling.length - 1))] = id;
  }
}

// Flat rows: id, name start, name end, value start, value end.
const ROW = 5;

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
    const { bytes } = source;
    const { length } = bytes;
    const rows: number[] = [];
    let seen = 0;
    let repeated = 0;
    let position = from;
    while (position < length) {
      const nameEnd = skipClass(bytes, position, length, TOKEN);
      const colon = skipSpace(bytes, nameEnd, length);
      if (nameEnd === position || colon === length || bytes[colon] !== 0x3a) return 'malformed';
      const valueStart = skipSpace(bytes, colon + 1, length);
      let lineEnd = valueStart;
      while (lineEnd < length && bytes[lineEnd] !== 0x0d && bytes[lineEnd] !== 0x0a) lineEnd++;
      // A carriage return or a line feed alone ends a line for some parsers and not for others.
      if (lineEnd < length && (bytes[lineEnd] !== 0x0d || bytes[lineEnd + 1] !== 0x0a)) return 'malformed';
      const next = lineEnd + 2 < length ? bytes[lineEnd + 2] : 0;
      if (next === 0x20 || next === 0x09) return 'folded';
      let valueEnd = lineEnd;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === 0x20 || bytes[valueEnd - 1] === 0x09)) valueEnd--;

      if (rows.length === maxHeaders * ROW) return 'too-many';
      const id = identify(bytes, position, nameEnd);
      if (id !== 0) {
        const bit = 1 << id;
        if ((seen & bit) !== 0) repeated |= bit;
        seen |= bit;
      }
      rows.push(id, position, nameEnd, valueStart, valueEnd);
      position = lineEnd + 2;
    }
    return new SipHeaders(source, isAscii, rows, seen, repeated);
  }

  /** How many header lines there are. */
  get count(): number {
    return this.#rows.length / ROW;
  }

  /** Value of the first header line of that name (long form, lower case); undefined when there is none. */
  first(name: string): string | undefined {
    const row = this.row(name);
    return row < 0 ? undefined : this.#value(row);
  }

  /** Values of all header lines of that name, in order. One line may hold several values with commas. */
  all(name: string): readonly string[] {
    const values: string[] = [];
    for (let row = this.row(name); row >= 0; row = this.row(name, row)) values.push(this.#value(row));
    return values;
  }

  /** Whether a header that may appear once appears on several lines. */
  isRepeated(name: KnownHeader): boolean {
    return (this.#repeated & (1 << (ID.get(name) ?? 0))) !== 0;
  }

  has(name: KnownHeader): boolean {
    return (this.#seen & (1 << (ID.get(name) ?? 0))) !== 0;
  }

  /** Name as written and value of every header line, in order. */
  *entries(): Generator<readonly [name: string, value: string]> {
    for (let row = 0; row < this.#rows.length; row += ROW) {
      yield [this.source.text.slice(this.#rows[row + 1], this.#rows[row + 2]), this.#value(row)];
    }
  }

  /** The first header line of that name, or with `after` the next one after it; -1 when there is none. */
  row(name: string, after = -ROW): number {
    const rows = this.#rows;
    const id = ID.get(name) ?? 0;
    if (id !== 0) {
      if ((this.#seen & (1 << id)) === 0) return -1;
      for (let row = after + ROW; row < rows.length; row += ROW) if (rows[row] === id) return row;
      return -1;
    }
    const compact = COMPACT_OF.get(name);
    for (let row = after + ROW; row < rows.length; row += ROW) {
      const start = rows[row + 1] as number;
      const end = rows[row + 2] as number;
      if (spells(this.source.bytes, start, end, name)) return row;
      if (compact !== undefined && spells(this.source.bytes, start, end, compact)) return row;
    }
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

  #value(row: number): string {
    const value = this.source.text.slice(this.#rows[row + 3], this.#rows[row + 4]);
    return this.#isAscii ? value : Buffer.from(value, 'latin1').toString('utf8');
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
  const name = KNOWN[id - 1] as string;
  if (length === 1) return spells(bytes, start, end, COMPACT_OF.get(name) ?? '') ? id : 0;
  return spells(bytes, start, end, name) ? id : 0;
}
