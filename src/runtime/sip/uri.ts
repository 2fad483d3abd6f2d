import {
  asciiText,
  HOST,
  isAllIn,
  isHexDigit,
  isIn,
  isWordOf,
  PARAM,
  SCHEME,
  skipClass,
  skipDigits,
  spells,
  URI,
  USER,
  wholeNumber,
} from './grammar.ts';

/** A SIP or SIPS URI taken apart (RFC 3261 section 19.1). Escapes (`%HH`) are kept as they were written. */
export interface SipUri {
  readonly scheme: 'sip' | 'sips';
  /** User part without password; '' when absent. */
  readonly user: string;
  /** Lower case; an IPv6 address keeps its brackets. */
  readonly host: string;
  readonly port: number | undefined;
  /** Parameters from the first `;` on, or ''. */
  readonly parameters: string;
  /** Header part after the `?`, or ''. Never honoured: only here so that it can be refused. */
  readonly headers: string;
}

/** Where the parts of the URI that was read last are; each part but the host may be empty. */
const found = {
  schemeEnd: 0,
  userStart: 0,
  userEnd: 0,
  hostStart: 0,
  hostEnd: 0,
  /** -1 when there is none. */
  port: -1,
  parametersEnd: 0,
  parametersStart: 0,
};

export type UriKind = 'sip' | 'sips' | 'other';

/**
 * What kind of URI fills [from, to); undefined when it is none. A SIP or SIPS URI is checked in full, and with
 * `mayHaveHeaders` false may have no header part; of any other only the scheme and the characters are.
 */
export function uriKind(bytes: Uint8Array, from: number, to: number, mayHaveHeaders: boolean): UriKind | undefined {
  const kind = schemeOf(bytes, from, to);
  if (kind === undefined || kind === 'other') return kind;
  if (!readSipUri(bytes, from + kind.length + 1, to)) return undefined;
  return mayHaveHeaders || found.parametersEnd === to ? kind : undefined;
}

/** Whether [from, to) is a URI of any scheme, checked as far as `uriKind` does. */
export function isUri(bytes: Uint8Array, from: number, to: number): boolean {
  return uriKind(bytes, from, to, true) !== undefined;
}

/** A SIP or SIPS URI; undefined when the scheme is another one or the text breaks the grammar. */
export function parseSipUri(text: string): SipUri | undefined {
  const source = asciiText(text);
  if (source === undefined) return undefined;
  const { bytes } = source;
  const scheme = schemeOf(bytes, 0, bytes.length);
  if (scheme !== 'sip' && scheme !== 'sips') return undefined;
  if (!readSipUri(bytes, scheme.length + 1, bytes.length)) return undefined;
  const { userStart, userEnd, hostStart, hostEnd, port, parametersStart, parametersEnd } = found;
  return {
    scheme,
    user: text.slice(userStart, userEnd),
    host: text.slice(hostStart, hostEnd).toLowerCase(),
    port: port < 0 ? undefined : port,
    parameters: text.slice(parametersStart, parametersEnd),
    headers: text.slice(parametersEnd + 1),
  };
}

/** Value of a URI parameter as written, '' when it has none; undefined when it is absent. Names ignore case. */
export function uriParameter(uri: SipUri, name: string): string | undefined {
  if (uri.parameters === '') return undefined;
  for (const parameter of uri.parameters.slice(1).split(';')) {
    const equals = parameter.indexOf('=');
    const spelled = equals < 0 ? parameter : parameter.slice(0, equals);
    if ((percentDecode(spelled) ?? spelled).toLowerCase() === name) {
      return equals < 0 ? '' : parameter.slice(equals + 1);
    }
  }
  return undefined;
}

export interface SipUriParts {
  /** Unescaped user part. */
  readonly user: string;
  readonly host: string;
  readonly port?: number;
  /** Unescaped parameters in order. */
  readonly parameters?: readonly (readonly [name: string, value: string])[];
}

/** A `sip:` URI. User part and parameters are escaped here and nowhere else. */
export function formatSipUri(parts: SipUriParts): string {
  const user = parts.user === '' ? '' : `${percentEncode(parts.user, USER)}@`;
  const port = parts.port === undefined ? '' : `:${parts.port}`;
  let uri = `sip:${user}${parts.host}${port}`;
  for (const [name, value] of parts.parameters ?? []) {
    uri += `;${percentEncode(name, PARAM)}`;
    if (value !== '') uri += `=${percentEncode(value, PARAM)}`;
  }
  return uri;
}

/** Percent-decoded text; undefined when an escape is broken or the bytes are not UTF-8. */
export function percentDecode(text: string): string | undefined {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** UTF-8 percent-encoding of every character outside the class (`USER` or `PARAM` of grammar.ts). */
export function percentEncode(text: string, characterClass: number): string {
  if (isWordOf(text, characterClass)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    encoded += isIn(byte, characterClass)
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}

/** Index after a host name, an IPv4 address or an IPv6 reference; -1 when there is none. */
export function skipHost(bytes: Uint8Array, from: number, to: number): number {
  if (from < to && bytes[from] === 0x5b) return skipReference(bytes, from, to);
  let label = from;
  let i = from;
  for (; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x2e) {
      // No empty label, and no hyphen at the edge of one.
      if (i === label || bytes[label] === 0x2d || bytes[i - 1] === 0x2d) return -1;
      label = i + 1;
    } else if (!isIn(byte, HOST)) break;
  }
  if (i === from || i - from > 255) return -1;
  // One trailing dot is the root.
  if (i > label && (bytes[label] === 0x2d || bytes[i - 1] === 0x2d)) return -1;
  return i;
}

function skipReference(bytes: Uint8Array, from: number, to: number): number {
  let colons = 0;
  const last = Math.min(to, from + 47);
  for (let i = from + 1; i < last; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x5d) return colons >= 2 ? i + 1 : -1;
    if (byte === 0x3a) colons++;
    else if (byte !== 0x2e && !isHexDigit(byte)) return -1;
  }
  return -1;
}

/** The scheme before the first colon; undefined when what is there cannot be a URI. */
function schemeOf(bytes: Uint8Array, from: number, to: number): UriKind | undefined {
  if (to - from > 4 && bytes[from + 3] === 0x3a && spells(bytes, from, from + 3, 'sip')) return 'sip';
  if (to - from > 5 && bytes[from + 4] === 0x3a && spells(bytes, from, from + 4, 'sips')) return 'sips';
  const colon = skipClass(bytes, from, to, SCHEME);
  const first = from < to ? (bytes[from] as number) | 0x20 : 0;
  if (first < 0x61 || first > 0x7a || colon + 1 >= to || bytes[colon] !== 0x3a) return undefined;
  return isEscapedRun(bytes, colon + 1, to, URI) ? 'other' : undefined;
}

/** Reads what follows the scheme into `found`; false when it breaks the grammar. */
function readSipUri(bytes: Uint8Array, from: number, to: number): boolean {
  // The user part may contain `;`, `?` and `/`, so it is split off first. `@` occurs nowhere else unescaped.
  let position = from;
  let at = from;
  while (at < to && bytes[at] !== 0x40) at++;
  found.userStart = from;
  found.userEnd = from;
  if (at < to) {
    const userEnd = skipEscaped(bytes, from, at, USER);
    if (userEnd <= from) return false;
    // Passwords are deprecated (RFC 3261 19.1.1): read past, never used. An empty one is allowed.
    if (userEnd < at && (bytes[userEnd] !== 0x3a || skipEscaped(bytes, userEnd + 1, at, USER) !== at)) return false;
    found.userEnd = userEnd;
    position = at + 1;
  }

  found.hostStart = position;
  position = skipHost(bytes, position, to);
  if (position < 0) return false;
  found.hostEnd = position;
  found.port = -1;
  if (position < to && bytes[position] === 0x3a) {
    const portEnd = skipDigits(bytes, position + 1, to);
    found.port = wholeNumber(bytes, position + 1, portEnd, 65_535);
    if (found.port < 1) return false;
    position = portEnd;
  }

  found.parametersStart = position;
  while (position < to && bytes[position] === 0x3b) {
    const nameEnd = skipEscaped(bytes, position + 1, to, PARAM);
    if (nameEnd <= position + 1) return false;
    position = nameEnd;
    if (position < to && bytes[position] === 0x3d) {
      const valueEnd = skipEscaped(bytes, position + 1, to, PARAM);
      if (valueEnd <= position + 1) return false;
      position = valueEnd;
    }
  }
  found.parametersEnd = position;
  if (position === to) return true;
  return bytes[position] === 0x3f && isEscapedRun(bytes, position + 1, to, URI);
}

/** Index after a run of class characters and well-formed escapes; -1 at a broken escape. */
function skipEscaped(bytes: Uint8Array, from: number, to: number, characterClass: number): number {
  let i = from;
  for (;;) {
    i = skipClass(bytes, i, to, characterClass);
    if (i >= to || bytes[i] !== 0x25) return i;
    if (!isEscape(bytes, i, to)) return -1;
    i += 3;
  }
}

/** Whether [from, to) is a non-empty run of class characters in which every `%` starts an escape. */
function isEscapedRun(bytes: Uint8Array, from: number, to: number, characterClass: number): boolean {
  if (!isAllIn(bytes, from, to, characterClass)) return false;
  for (let i = from; i < to; i++) if (bytes[i] === 0x25 && !isEscape(bytes, i, to)) return false;
  return true;
}

function isEscape(bytes: Uint8Array, at: number, to: number): boolean {
  return at + 2 < to && isHexDigit(bytes[at + 1] as number) && isHexDigit(bytes[at + 2] as number);
}
