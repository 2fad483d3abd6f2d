import { isUtf8 } from 'node:buffer';

/**
 * Names of elements and attributes. A stream repeats a few dozen names, so the bytes of a name lead through a small
 * direct-mapped table to one shared value in which the name is already checked and taken apart. The table is shared by
 * all streams; a peer that fills it with its own names costs a few extra look-ups, never memory.
 */

export const NAME_PLAIN = 0;
/** A prefix other than `xml` and `xmlns`. */
export const NAME_PREFIXED = 1;
/** `xml:lang` and the like. */
export const NAME_XML = 2;
/** `xmlns`. */
export const NAME_XMLNS = 3;
/** `xmlns:prefix`. */
export const NAME_XMLNS_PREFIX = 4;

/** Class of bytes that may start a name. */
export const NAME_START = 1;

export interface XmlName {
  readonly kind: number;
  /** Whether the strings are {@link settle}d. */
  readonly isSettled: boolean;
  /** The bytes of the name, one code unit each, as they stood on the wire. */
  readonly raw: string;
  /** `''` when there is none. */
  readonly prefix: string;
  readonly local: string;
  /** `prefix:local` or `local`. */
  readonly text: string;
}

/** For each byte: may it start a name, only continue one (2), or neither (0). */
export const NAME_CLASS = nameClasses();

function nameClasses(): Uint8Array {
  const classes = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte);
    // Bytes above ASCII pass here; the characters they form are checked when the name is complete.
    if (byte >= 0x80 || /[A-Za-z_:]/.test(char)) classes[byte] = NAME_START;
    else if (/[-.0-9]/.test(char)) classes[byte] = 2;
  }
  return classes;
}

/** NCName of XML 1.0 fifth edition: a name without colon. */
const NC_NAME =
  /^[A-Z_a-z\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{2ff}\u{370}-\u{37d}\u{37f}-\u{1fff}\u{200c}-\u{200d}\u{2070}-\u{218f}\u{2c00}-\u{2fef}\u{3001}-\u{d7ff}\u{f900}-\u{fdcf}\u{fdf0}-\u{fffd}\u{10000}-\u{effff}][-.0-9A-Z_a-z\u{b7}\u{c0}-\u{d6}\u{d8}-\u{f6}\u{f8}-\u{37d}\u{37f}-\u{1fff}\u{200c}-\u{200d}\u{203f}-\u{2040}\u{2070}-\u{218f}\u{2c00}-\u{2fef}\u{3001}-\u{d7ff}\u{f900}-\u{fdcf}\u{fdf0}-\u{fffd}\u{10000}-\u{effff}]*$/u;

const NON_ASCII = /[^\0-\x7f]/;

const SLOTS = 2048;
const LONGEST_SHARED = 32;
const slots: (XmlName | undefined)[] = new Array(SLOTS).fill(undefined);

/**
 * The name in `bytes[start, end)`, which {@link skipName} has walked over, or undefined when it is not a qualified name.
 */
export function lookUpName(bytes: Buffer, start: number, end: number): XmlName | undefined {
  const length = end - start;
  const slot = slotOf(bytes, start, length);
  const known = slots[slot];
  if (known !== undefined && sameBytes(known.raw, bytes, start, end)) {
    if (known.isSettled) return known;
    // Settling costs more than parsing: only what comes again is worth it.
    const settled = settle(known);
    slots[slot] = settled;
    return settled;
  }
  const name = parseName(bytes, start, end);
  if (name !== undefined && length <= LONGEST_SHARED) slots[slot] = name;
  return name;
}

/** The factors were searched for: the 140 names of RFC 6120, 6121 and the common extensions have a slot each. */
function slotOf(bytes: Uint8Array, start: number, length: number): number {
  const first = bytes[start] as number;
  const second = bytes[start + (length >> 2)] as number;
  const middle = bytes[start + (length >> 1)] as number;
  const last = bytes[start + length - 1] as number;
  return (length * 42 + first * 335 + second * 133 + middle * 394 + last * 185) & (SLOTS - 1);
}

/** The position of the first byte from `start` on that is not part of a name, or `end`. */
export function skipName(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end && NAME_CLASS[bytes[p] as number] !== 0) p++;
  return p;
}

function sameBytes(raw: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (raw.length !== end - start) return false;
  for (let i = 0; i < raw.length; i++) {
    if (raw.charCodeAt(i) !== bytes[start + i]) return false;
  }
  return true;
}

function parseName(bytes: Buffer, start: number, end: number): XmlName | undefined {
  const raw = bytes.toString('latin1', start, end);
  const isAscii = !NON_ASCII.test(raw);
  if (!isAscii && !isUtf8(bytes.subarray(start, end))) return undefined;
  const text = isAscii ? raw : bytes.toString('utf8', start, end);
  const colon = text.indexOf(':');
  if (colon < 0) {
    if (!NC_NAME.test(text)) return undefined;
    return { kind: text === 'xmlns' ? NAME_XMLNS : NAME_PLAIN, isSettled: false, raw, prefix: '', local: text, text };
  }
  const prefix = text.slice(0, colon);
  const local = text.slice(colon + 1);
  if (!NC_NAME.test(prefix) || !NC_NAME.test(local)) return undefined;
  const kind = prefix === 'xml' ? NAME_XML : prefix === 'xmlns' ? NAME_XMLNS_PREFIX : NAME_PREFIXED;
  return { kind, isSettled: false, raw, prefix, local, text };
}

/** The same name in the engine's own strings, the ones literals use: comparing such strings is comparing pointers. */
function settle({ kind, raw, prefix, local, text }: XmlName): XmlName {
  return { kind, isSettled: true, raw: intern(raw), prefix: intern(prefix), local: intern(local), text: intern(text) };
}

function intern(text: string): string {
  return Object.keys({ [text]: 0 })[0] ?? text;
}
