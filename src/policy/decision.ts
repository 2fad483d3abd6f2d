import type { RefusalReason } from './refusal.ts';

/** Yes, or no with the reason and the place in the configuration that decided, e.g. `xmppAllowedPartners[2].tlsNegotiation`. */
export type Decision =
  | { readonly verdict: 'allow' }
  | { readonly verdict: 'refuse'; readonly reason: RefusalReason; readonly path: string };

/** The only yes there is: comparing with `===` is enough, and the message path allocates nothing. */
export const ALLOW: Decision = Object.freeze({ verdict: 'allow' });

/** A no. */
export type Refused = Extract<Decision, { verdict: 'refuse' }>;

export function refuse(reason: RefusalReason, path: string): Refused {
  return { verdict: 'refuse', reason, path };
}

/** Runs a judgement; one that throws is a refusal. */
export function failClosed<Facts, Index>(
  judge: (facts: Facts, index: Index) => Decision,
  facts: Facts,
  index: Index,
): Decision {
  try {
    return judge(facts, index);
  } catch {
    return refuse('internal-error', '');
  }
}
