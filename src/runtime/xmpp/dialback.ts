import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { DialbackErrorCondition } from '../../policy/index.ts';

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
  const found = Buffer.from(key);
  return found.length === expected.length && timingSafeEqual(found, expected);
}

const LONGEST_KEY = 1_024;
const KEY = /^[\x21-\x7e]+$/;

/** The key in a `<db:result/>` or `<db:verify/>`, or undefined for what no server would send as one. */
export function readDialbackKey(text: string): string | undefined {
  const key = text.trim();
  return key.length <= LONGEST_KEY && KEY.test(key) ? key : undefined;
}

/** What became of a `<db:result/>` or `<db:verify/>` (XEP-0220 section 2.1). */
export type DialbackAnswer =
  | { readonly type: 'valid' }
  | { readonly type: 'invalid' }
  | { readonly type: 'error'; readonly condition: DialbackCondition };

/** The conditions of XEP-0220 section 2.5, and the one that stands for every other. */
export type DialbackCondition = DialbackErrorCondition | 'undefined-condition';

const CONDITIONS: ReadonlySet<string> = new Set<DialbackErrorCondition>([
  'forbidden',
  'internal-server-error',
  'item-not-found',
  'not-acceptable',
  'not-authorized',
  'policy-violation',
  'remote-connection-failed',
  'remote-server-not-found',
  'remote-server-timeout',
  'resource-constraint',
]);

/** A condition as a peer named it: what it makes up goes no further. */
export function dialbackCondition(name: string | undefined): DialbackCondition {
  return isCondition(name) ? name : 'undefined-condition';
}

function isCondition(name: string | undefined): name is DialbackErrorCondition {
  return name !== undefined && CONDITIONS.has(name);
}
