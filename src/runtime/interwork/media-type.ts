import { isUtf8 } from 'node:buffer';

/** The media types a page-mode MESSAGE may carry: for Accept in OPTIONS answers and beside a 415. */
export const ACCEPTED_MEDIA_TYPES: readonly string[] = ['text/plain', 'text/html'];

export interface TextMediaType {
  readonly kind: 'plain' | 'html';
  readonly charset: 'utf-8' | 'iso-8859-1';
}

const PLAIN_UTF8: TextMediaType = { kind: 'plain', charset: 'utf-8' };
const TYPE = /^\s{0,20}(text\/(?:plain|html))\s{0,20}(?:;|$)/i;
const CHARSET = /;\s{0,20}charset\s{0,20}=\s{0,20}"?([A-Za-z0-9_.:-]{1,40})"?\s{0,20}(?:;|$)/i;
const HAS_CHARSET = /;\s{0,20}charset\s{0,20}=/i;
const MAX_LENGTH = 256;

/** Reads a Content-Type; undefined for a type or charset that is not translated. */
export function readMediaType(contentType: string): TextMediaType | undefined {
  if (contentType === 'text/plain' || contentType === 'text/plain;charset=UTF-8') return PLAIN_UTF8;
  if (contentType.length > MAX_LENGTH) return undefined;
  const type = TYPE.exec(contentType)?.[1];
  if (type === undefined) return undefined;
  const charset = readCharset(contentType);
  return charset && { kind: type.toLowerCase() === 'text/html' ? 'html' : 'plain', charset };
}

function readCharset(contentType: string): TextMediaType['charset'] | undefined {
  // RFC 3261 section 20.15 and RFC 3428: UTF-8 unless said otherwise.
  if (!HAS_CHARSET.test(contentType)) return 'utf-8';
  switch (CHARSET.exec(contentType)?.[1]?.toLowerCase()) {
    case 'utf-8':
    case 'utf8':
    // A subset of UTF-8, and what careless senders put on UTF-8.
    case 'us-ascii':
    case 'ascii':
      return 'utf-8';
    case 'iso-8859-1':
    case 'latin1':
      return 'iso-8859-1';
    default:
      return undefined;
  }
}

/** The text of a body; undefined when the bytes are not of the charset. A string is a body decoded before. */
export function decodeBody(body: string | Uint8Array, charset: TextMediaType['charset']): string | undefined {
  if (typeof body === 'string') return body;
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (charset === 'iso-8859-1') return bytes.toString('latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}
