import { createHash } from 'node:crypto';

// RFC 7572: `<thread/>` and Call-ID stand for each other. A thread is any text, a Call-ID is `word [ "@" word ]`
// (RFC 3261 section 25.1). Threads in a cautious part of that grammar pass as they are; `<`, `>`, `"` and the like are
// legal in a word, but no Call-ID in the wild has them and parsers of peers have never seen them.
const WORD_PAIR = /^[A-Za-z0-9\-._~+!*:/]+(?:@[A-Za-z0-9\-._~+!*:/]+)?$/;
const ENCODED = 'thread-64.';
const HASHED = 'thread-256.';
const MAX_LENGTH = 255;
const MAX_ENCODED_BYTES = 180;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

/**
 * The Call-ID for a thread. A thread that is not a short plain word pair becomes `thread-64.` and its UTF-8 in base64url,
 * which `callIdToThread` takes back; one of more than 180 bytes becomes `thread-256.` and its SHA-256, which it does not.
 */
export function threadToCallId(thread: string): string {
  if (thread.length <= MAX_LENGTH && WORD_PAIR.test(thread) && !thread.startsWith(ENCODED)) return thread;
  const bytes = Buffer.from(thread, 'utf8');
  if (bytes.length <= MAX_ENCODED_BYTES) return ENCODED + bytes.toString('base64url');
  return HASHED + createHash('sha256').update(bytes).digest('hex');
}

/** The thread for a Call-ID: the original one when the Call-ID was made from a thread. */
export function callIdToThread(callId: string): string {
  if (!callId.startsWith(ENCODED)) return callId;
  const encoded = callId.slice(ENCODED.length);
  if (!BASE64URL.test(encoded)) return callId;
  const thread = Buffer.from(encoded, 'base64url').toString('utf8');
  // Only what we could have written ourselves is read: no second spelling of a thread, no broken UTF-8.
  return threadToCallId(thread) === callId ? thread : callId;
}
