/** What is known about one next hop. Times in milliseconds of the caller's clock. */
export type HopHealth =
  | { readonly state: 'untried' }
  | { readonly state: 'up'; readonly sinceMs: number }
  | {
      readonly state: 'down';
      readonly sinceMs: number;
      readonly reason: string;
      /** How often in a row it failed. */
      readonly failures: number;
      /** Not asked again before this. */
      readonly retryAtMs: number;
    };

export type HopEvent =
  /** Any response but 503 (to OPTIONS: alive is all that counts). */
  | { readonly event: 'answered' }
  | { readonly event: 'failed'; readonly reason: string }
  /** 503, with its Retry-After in seconds where it had one. */
  | { readonly event: 'unavailable'; readonly retryAfterSeconds: number | undefined };

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/**
 * @param jitter 0 to 1; failed hops are asked again after half to all of 1 s, 2 s, 4 s … 60 s, so that many gateways do
 * not come back at once
 */
export function stepHealth(health: HopHealth, event: HopEvent, nowMs: number, jitter: number): HopHealth {
  switch (event.event) {
    case 'answered':
      return health.state === 'up' ? health : { state: 'up', sinceMs: nowMs };
    case 'failed': {
      const failures = health.state === 'down' ? health.failures + 1 : 1;
      const sinceMs = health.state === 'down' ? health.sinceMs : nowMs;
      const delay = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures - 1, 10));
      const retryAtMs = nowMs + delay * (0.5 + jitter / 2);
      return { state: 'down', sinceMs, reason: event.reason, failures, retryAtMs };
    }
    case 'unavailable': {
      if (event.retryAfterSeconds === undefined) {
        return stepHealth(health, { event: 'failed', reason: '503' }, nowMs, jitter);
      }
      const sinceMs = health.state === 'down' ? health.sinceMs : nowMs;
      const failures = health.state === 'down' ? health.failures : 0;
      // Bounded: a peer must not be able to switch itself off for a day.
      const retryAtMs = nowMs + Math.min(LONGEST_RETRY_MS, event.retryAfterSeconds * 1_000);
      return { state: 'down', sinceMs, reason: '503 with Retry-After', failures, retryAtMs };
    }
  }
}

/** Seconds of a Retry-After value (RFC 3261 section 20.33); undefined when it is not a number. */
export function retryAfterSeconds(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  const digits = /^[0-9]{1,10}/.exec(value);
  if (digits === null) return undefined;
  return Number(digits[0]);
}
