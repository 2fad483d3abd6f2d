import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/**
 * Dialback key for one stream (XEP-0185 section 3).
 *
 * @param secret secret shared by all gateways that answer for the originating domain
 * @param receiving domain that receives the stream
 * @param originating domain that opened the stream
 * @param streamId id the receiving entity gave the stream
 * @returns 64 lower-case hexadecimal digits
 */
export function dialbackKey(secret: string, receiving: string, originating: string, streamId: string): string {
  const hashedSecret = createHash('sha256').update(secret).digest('hex');
  return createHmac('sha256', hashedSecret).update(`${receiving} ${originating} ${streamId}`).digest('hex');
}

/** Whether `key` is the one {@link dialbackKey} gives, compared in constant time. */
export function isDialbackKey(
  key: string,
  secret: string,
  receiving: string,
  originating: string,
  streamId: string,
): boolean {
  const expected = Buffer.from(dialbackKey(secret, receiving, originating, streamId));
  const found = Buffer.from(key.trim());
  return found.length === expected.length && timingSafeEqual(found, expected);
}

/** What became of a `<db:result/>` or `<db:verify/>` (XEP-0220 section 2.1). */
export type DialbackAnswer =
  | { readonly type: 'valid' }
  | { readonly type: 'invalid' }
  | { readonly type: 'error'; readonly condition: string };
