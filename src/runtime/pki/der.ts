/** Tag octets used by certificates (ITU-T X.690). Only low tag numbers occur; the reader refuses the others. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Context-specific tag octet. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number;
}

/** The bytes are not the DER that was expected. Never leaves `pki`: public functions turn it into a value. */
export class DerError extends Error {
  override readonly name = 'DerError';
}

export interface DerElement {
  readonly tag: number;
  readonly content: Buffer;
  /** Tag, length and content. */
  readonly raw: Buffer;
}

/**
 * Reads the elements of one DER value in order, without copying. Strict where laxness lets two parsers disagree:
 * definite and shortest lengths only, one-octet tags only, and nothing past the end of the enclosing value.
 * Throws {@link DerError}. Work is linear in the input: the caller decides how deep to go.
 */
export class DerReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  /** The next element; with `tag`, it must be of that tag. */
  read(tag?: number): DerElement {
    const bytes = this.#bytes;
    const start = this.#at;
    const found = bytes[start];
    const first = bytes[start + 1];
    if (found === undefined || first === undefined) throw new DerError('expected an element, got the end');
    if (tag !== undefined && found !== tag) throw new DerError(`expected tag ${tag}, got ${found}`);
    if ((found & 0x1f) === 0x1f) throw new DerError('expected a one-octet tag');

    let contentStart = start + 2;
    let length = first;
    if (first >= 0x80) {
      const octets = first & 0x7f;
      if (octets === 0 || octets > 3 || contentStart + octets > bytes.length) throw new DerError('bad length');
      length = bytes.readUIntBE(contentStart, octets);
      if (length < 0x80 || length < 2 ** (8 * (octets - 1))) throw new DerError('expected the shortest length');
      contentStart += octets;
    }
    const end = contentStart + length;
    if (end > bytes.length) throw new DerError('element is longer than what encloses it');
    this.#at = end;
    return { tag: found, content: bytes.subarray(contentStart, end), raw: bytes.subarray(start, end) };
  }

  /** The next element when it has this tag. */
  optional(tag: number): DerElement | undefined {
    return this.#bytes[this.#at] === tag ? this.read(tag) : undefined;
  }

  /** A reader for the content of the next element. */
  enter(tag: number): DerReader {
    return new DerReader(this.read(tag).content);
  }

  end(): void {
    if (!this.done) throw new DerError('expected the end');
  }
}

/** A reader for the content of a value that fills `bytes` exactly. */
export function openDer(bytes: Buffer, tag: number): DerReader {
  const outer = new DerReader(bytes);
  const inner = outer.enter(tag);
  outer.end();
  return inner;
}

export function readBoolean(content: Buffer): boolean {
  const value = content[0];
  if (content.length !== 1 || (value !== 0x00 && value !== 0xff)) throw new DerError('expected a boolean');
  return value === 0xff;
}

/** A whole number from 0 to 2^31 - 1. */
export function readSmallInteger(content: Buffer): number {
  const first = content[0];
  if (first === undefined || content.length > 4 || first >= 0x80) throw new DerError('expected a small whole number');
  if (content.length > 1 && first === 0 && (content[1] ?? 0) < 0x80) throw new DerError('expected the shortest number');
  return content.readUIntBE(0, content.length);
}

const MAX_OID_BYTES = 64;

/** Dotted form. */
export function readOid(content: Buffer): string {
  if (content.length === 0 || content.length > MAX_OID_BYTES) throw new DerError('bad object identifier length');
  const arcs: number[] = [];
  let value = 0;
  let isStart = true;
  for (const octet of content) {
    if (isStart && octet === 0x80) throw new DerError('expected the shortest object identifier');
    value = value * 128 + (octet & 0x7f);
    if (!Number.isSafeInteger(value)) throw new DerError('object identifier arc is too large');
    isStart = octet < 0x80;
    if (isStart) {
      if (arcs.length === 0) {
        const root = Math.min(Math.floor(value / 40), 2);
        arcs.push(root, value - 40 * root);
      } else {
        arcs.push(value);
      }
      value = 0;
    }
  }
  if (!isStart) throw new DerError('object identifier ends within an arc');
  return arcs.join('.');
}

/** The first 16 named bits: bit 0 is the lowest bit of the result. */
export function readNamedBits(content: Buffer): number {
  const unused = content[0];
  if (unused === undefined || unused > 7 || (content.length === 1 && unused > 0)) throw new DerError('bad bit string');
  let bits = 0;
  const count = Math.min((content.length - 1) * 8 - unused, 16);
  for (let index = 0; index < count; index += 1) {
    const octet = content[1 + (index >> 3)] ?? 0;
    if ((octet & (0x80 >> (index & 7))) !== 0) bits |= 1 << index;
  }
  return bits;
}

/** Milliseconds since 1970. UTCTime and GeneralizedTime as RFC 5280 section 4.1.2.5 restricts them. */
export function readTime({ tag, content }: DerElement): number {
  const text = content.toString('latin1');
  const isUtc = tag === TAG.utcTime;
  if (!isUtc && tag !== TAG.generalizedTime) throw new DerError('expected a time');
  if (!(isUtc ? /^\d{12}Z$/ : /^\d{14}Z$/).test(text)) throw new DerError('expected a time in seconds with Z');
  const shortYear = Number(text.slice(0, 2));
  const year = isUtc ? shortYear + (shortYear < 50 ? 2000 : 1900) : Number(text.slice(0, 4));
  const [month = 0, day = 0, hour = 0, minute = 0, second = 0] = [0, 2, 4, 6, 8].map((offset) => {
    const start = (isUtc ? 2 : 4) + offset;
    return Number(text.slice(start, start + 2));
  });
  const time = new Date(0);
  time.setUTCFullYear(year, month - 1, day);
  time.setUTCHours(hour, minute, second);
  // A date that does not exist (month 13, 30 February) rolls over: refuse it.
  const isReal =
    time.getUTCMonth() === month - 1 && time.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!isReal) throw new DerError('expected a date that exists');
  return time.getTime();
}
