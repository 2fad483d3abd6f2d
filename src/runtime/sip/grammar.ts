// Character classes of RFC 3261 section 25.1, as one bit per class in a table of the 128 ASCII codes.

/** `token`: header and parameter names, methods, tags. */
export const TOKEN = 1;
/** Characters of a user part that need no escape. */
export const USER = 2;
/** Characters of a URI parameter or its value that need no escape. */
export const PARAM = 4;
/** `word`: the parts of a Call-ID around its `@`. */
export const WORD = 8;
/** Characters of a host name or an IPv4 address. */
export const HOST = 16;
/** Characters of a scheme after its first letter. */
export const SCHEME = 32;
/** Characters of any URI, the escape `%` and the brackets of an IPv6 reference included. */
export const URI = 64;
/** Characters of a parameter value that is not quoted: a token, or a host in brackets. */
export const VALUE = 128;

const ALPHANUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const MARK = "-_.!~*'()";
const CLASSES: readonly (readonly [number, string])[] = [
  [TOKEN, `${ALPHANUM}-.!%*_+\`'~`],
  [USER, `${ALPHANUM}${MARK}&=+$,;?/`],
  [PARAM, `${ALPHANUM}${MARK}[]/:&+$`],
  [WORD, `${ALPHANUM}-.!%*_+\`'~()<>:\\"/[]?{}`],
  [HOST, `${ALPHANUM}-.`],
  [SCHEME, `${ALPHANUM}+-.`],
  [URI, `${ALPHANUM}${MARK};/?:@&=+$,[]%`],
  [VALUE, `${ALPHANUM}-.!%*_+\`'~[]:`],
];

// 256 entries so that any byte may be looked up; anything above is outside every class.
const TABLE = new Uint8Array(256);
for (const [bit, characters] of CLASSES) {
  for (let i = 0; i < characters.length; i++) {
    const code = characters.charCodeAt(i);
    TABLE[code] = (TABLE[code] ?? 0) | bit;
  }
}

/**
 * A head of a message both ways: its bytes, which are quicker to look through, and the text with one character for
 * each byte, from which values are cut. Indexes are the same in both.
 */
export interface SipText {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Text for the readers of this folder; undefined when it is not ASCII. */
export function asciiText(text: string): SipText | undefined {
  const bytes = Buffer.from(text, 'utf8');
  return bytes.length === text.length ? { bytes, text } : undefined;
}

/** Whether the byte belongs to the class. */
export function isIn(byte: number, characterClass: number): boolean {
  return ((TABLE[byte] as number) & characterClass) !== 0;
}

/** Index of the first byte in [from, to) outside the class; `to` when there is none. */
export function skipClass(bytes: Uint8Array, from: number, to: number, characterClass: number): number {
  let i = from;
  while (i < to && ((TABLE[bytes[i] as number] as number) & characterClass) !== 0) i++;
  return i;
}

/** Whether [from, to) is at least one byte long and wholly within the class. */
export function isAllIn(bytes: Uint8Array, from: number, to: number, characterClass: number): boolean {
  return from < to && skipClass(bytes, from, to, characterClass) === to;
}

/** Whether a string is not empty and wholly within the class. */
export function isWordOf(text: string, characterClass: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127 || ((TABLE[code] as number) & characterClass) === 0) return false;
  }
  return text !== '';
}

/** Index of the first byte in [from, to) that is neither space nor tab. */
export function skipSpace(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && (bytes[i] === 0x20 || bytes[i] === 0x09)) i++;
  return i;
}

/** Index of the first byte in [from, to) that is not a decimal digit. */
export function skipDigits(bytes: Uint8Array, from: number, to: number): number {
  let i = from;
  while (i < to && (bytes[i] as number) >= 0x30 && (bytes[i] as number) <= 0x39) i++;
  return i;
}

/** Index after the quoted string that starts at `from`; -1 when it does not end before `to` (RFC 3261 25.1). */
export function skipQuoted(bytes: Uint8Array, from: number, to: number): number {
  for (let i = from + 1; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x22) return i + 1;
    if (byte === 0x5c) {
      // A quoted pair escapes any ASCII character except the two that end a line.
      const next = ++i < to ? (bytes[i] as number) : 0x0a;
      if (next > 0x7f || next === 0x0a || next === 0x0d) return -1;
    } else if ((byte < 0x20 && byte !== 0x09) || byte === 0x7f) return -1;
  }
  return -1;
}

/** Value of a run of decimal digits that fills [from, to); -1 for anything else or above `most`. */
export function wholeNumber(bytes: Uint8Array, from: number, to: number, most: number): number {
  if (from >= to) return -1;
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = (bytes[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
    if (value > most) return -1;
  }
  return value;
}

/** Whether [from, to) spells `name` (lower-case letters and hyphens) whatever its case. */
export function spells(bytes: Uint8Array, from: number, to: number, name: string): boolean {
  if (to - from !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (((bytes[from + i] as number) | 0x20) !== name.charCodeAt(i)) return false;
  }
  return true;
}

/** Whether the bytes from `from` on are exactly `text`, which is ASCII. */
export function startsWith(bytes: Uint8Array, from: number, to: number, text: string): boolean {
  if (to - from < text.length) return false;
  for (let i = 0; i < text.length; i++) if (bytes[from + i] !== text.charCodeAt(i)) return false;
  return true;
}

/** Whether the byte is a hexadecimal digit. */
export function isHexDigit(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}
