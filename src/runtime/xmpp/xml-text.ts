/**
 * Characters and character data of XML 1.0 (fifth edition) as bytes of UTF-8: which byte ends a run, which is refused,
 * and what a run with references or line ends means.
 */

/** Byte classes of character data and attribute values; `PLAIN` is 0 so that a scan stops on anything else. */
export const PLAIN = 0;
/** `<`. */
export const OPEN = 1;
/** `>` in character data: the end of a forbidden `]]>`, or nothing. In CDATA: perhaps its end. */
export const CLOSE = 2;
/** The value of the run differs from its bytes: `&`, a carriage return, in attributes also tab and line feed. */
export const DECODE = 3;
/** `'` or `"` in an attribute value. */
export const QUOTE = 4;
/** First byte of a sequence of more than one byte, or a byte that cannot be one. */
export const MULTIBYTE = 5;
/** A control character XML 1.0 forbids. */
export const FORBIDDEN = 6;

export const TEXT_CLASS = byteClasses({ '<': OPEN, '>': CLOSE, '&': DECODE, '\r': DECODE });
export const CDATA_CLASS = byteClasses({ '>': CLOSE, '\r': DECODE });
export const VALUE_CLASS = byteClasses({
  '<': OPEN,
  '&': DECODE,
  '\t': DECODE,
  '\n': DECODE,
  '\r': DECODE,
  "'": QUOTE,
  '"': QUOTE,
});

function byteClasses(special: Readonly<Record<string, number>>): Uint8Array {
  const classes = new Uint8Array(256);
  for (let byte = 0; byte < 256; byte++) {
    const char = String.fromCharCode(byte);
    const control = byte < 0x20 && char !== '\t' && char !== '\n' && char !== '\r';
    classes[byte] = special[char] ?? (control ? FORBIDDEN : byte >= 0x80 ? MULTIBYTE : PLAIN);
  }
  return classes;
}

/** The position of the first byte from `start` on that is not {@link PLAIN} in this table, or `end`. */
export function skipPlain(classes: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  // Four at a time costs a third less than one at a time.
  const last = end - 3;
  while (
    p < last &&
    ((classes[bytes[p] as number] as number) |
      (classes[bytes[p + 1] as number] as number) |
      (classes[bytes[p + 2] as number] as number) |
      (classes[bytes[p + 3] as number] as number)) ===
      PLAIN
  ) {
    p += 4;
  }
  while (p < end && classes[bytes[p] as number] === PLAIN) p++;
  return p;
}

/** Answers of {@link skipMultibyte} that are not a position. */
export const BAD_UTF8 = -1;
export const BAD_CHARACTER = -2;

/**
 * Walks over consecutive characters of more than one byte from `start`, checking RFC 3629 (no overlong forms, no
 * surrogates, nothing above U+10FFFF) and that U+FFFE and U+FFFF do not occur. Answers the position of the first byte
 * that belongs to something else, or of a sequence that `end` cuts, or one of the two failures.
 */
export function skipMultibyte(bytes: Uint8Array, start: number, end: number): number {
  let p = start;
  while (p < end) {
    const lead = bytes[p] as number;
    if (lead < 0x80) return p;
    if (lead < 0xc2 || lead > 0xf4) return BAD_UTF8;
    const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (p + length > end) return p;
    const second = bytes[p + 1] as number;
    if ((second & 0xc0) !== 0x80) return BAD_UTF8;
    if (length > 2) {
      const third = bytes[p + 2] as number;
      if ((third & 0xc0) !== 0x80) return BAD_UTF8;
      if (lead === 0xe0 && second < 0xa0) return BAD_UTF8;
      if (lead === 0xed && second > 0x9f) return BAD_UTF8;
      if (lead === 0xef && second === 0xbf && third >= 0xbe) return BAD_CHARACTER;
      if (length === 4) {
        if (((bytes[p + 3] as number) & 0xc0) !== 0x80) return BAD_UTF8;
        if (lead === 0xf0 && second < 0x90) return BAD_UTF8;
        if (lead === 0xf4 && second > 0x8f) return BAD_UTF8;
      }
    }
    p += length;
  }
  return p;
}

/** Line ends as one line feed each (XML 1.0 section 2.11). */
export function normalizeLineEnds(raw: string): string {
  return raw.replace(/\r\n?/g, '\n');
}

/** White space of an attribute value as one space each (XML 1.0 section 3.3.3). */
export function normalizeValue(raw: string): string {
  return raw.replace(/\r\n|[\t\n\r]/g, ' ');
}

/** Replaces references; undefined when one is not a predefined entity or a reference to a character of XML 1.0. */
export function expandReferences(raw: string): string | undefined {
  let ampersand = raw.indexOf('&');
  if (ampersand < 0) return raw;
  let text = '';
  let from = 0;
  while (ampersand >= 0) {
    const semicolon = raw.indexOf(';', ampersand);
    if (semicolon < 0) return undefined;
    const replacement = referredCharacter(raw, ampersand + 1, semicolon);
    if (replacement === undefined) return undefined;
    text += raw.slice(from, ampersand) + replacement;
    from = semicolon + 1;
    ampersand = raw.indexOf('&', from);
  }
  return text + raw.slice(from);
}

function referredCharacter(raw: string, start: number, end: number): string | undefined {
  if (raw.charCodeAt(start) === 0x23) return numberedCharacter(raw, start + 1, end);
  switch (raw.slice(start, end)) {
    case 'amp':
      return '&';
    case 'lt':
      return '<';
    case 'gt':
      return '>';
    case 'apos':
      return "'";
    case 'quot':
      return '"';
    default:
      return undefined;
  }
}

function numberedCharacter(raw: string, start: number, end: number): string | undefined {
  const hex = raw.charCodeAt(start) === 0x78;
  const base = hex ? 16 : 10;
  const first = hex ? start + 1 : start;
  if (first >= end) return undefined;
  let code = 0;
  for (let i = first; i < end; i++) {
    const digit = digitValue(raw.charCodeAt(i));
    if (digit >= base) return undefined;
    code = code * base + digit;
    if (code > 0x10ffff) return undefined;
  }
  return isXmlCharacter(code) ? String.fromCodePoint(code) : undefined;
}

function digitValue(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : 99;
}

/** Production [2] Char. */
function isXmlCharacter(code: number): boolean {
  if (code < 0x20) return code === 0x9 || code === 0xa || code === 0xd;
  return code <= 0xd7ff || (code >= 0xe000 && code <= 0xfffd) || code >= 0x10000;
}
