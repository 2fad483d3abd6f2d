import { type AuthMethod, mayFederate, type Refused, refusalOf } from '../../policy/index.ts';
import {
  closeRefused,
  type InboundContext,
  type InboundEffect,
  type InboundState,
  type InboundStep,
  NOTHING,
  type Talking,
} from './inbound-state.ts';
import { type DomainPair, judgeProof, type Proof, type RefusedEnding, refused } from './session.ts';
import { formatDialbackAnswer } from './stream-text.ts';

/** Pairs of domains on a stream that a partner opened: admitted, refused, asked about again. */

export const NO_PROOFS: ReadonlyMap<string, Proof> = new Map();

/** A domain has been proved: the last question to the policy, then the stream carries its stanzas. */
export function admit(
  state: Talking,
  pair: DomainPair,
  method: AuthMethod,
  effects: readonly InboundEffect[],
  context: InboundContext,
): InboundStep {
  const { proof, decision, detail } = judgeProof('inbound', pair, method, state.security, context.index);
  const refusal = decision.verdict === 'refuse' ? decision : context.limitFor(pair.remoteDomain);
  if (refusal !== undefined) {
    return state.at === 'open' ? refusePair(state, pair, refusal) : closeRefused(state, refusal, detail);
  }
  const proofs = new Map(state.at === 'open' ? state.proofs : NO_PROOFS);
  proofs.set(keyOf(pair), proof);
  const first = state.at === 'open' ? state.first : proof;
  return [{ ...state, at: 'open', first, proofs }, [...effects, { do: 'admitted', proof }]];
}

/** Asks the policy again about everything that is proved, or about to be. */
export function onReconsider(state: InboundState, context: InboundContext): InboundStep {
  if (state.at === 'negotiating' && state.remoteDomain !== '') {
    const decision = mayFederate(state.localDomain, state.remoteDomain, context.index);
    if (decision.verdict === 'refuse') return closeRefused(state, decision, state.remoteDomain);
  }
  if (state.at !== 'open' && state.at !== 'leaving') return [state, NOTHING];
  const proofs = new Map<string, Proof>();
  const refusals: { readonly ending: RefusedEnding; readonly decision: Refused; readonly remoteDomain: string }[] = [];
  for (const [key, { localDomain, remoteDomain, method }] of state.proofs) {
    const pair = { localDomain, remoteDomain };
    const { proof, decision, detail } = judgeProof('inbound', pair, method, state.security, context.index);
    if (decision.verdict === 'allow') proofs.set(key, proof);
    else refusals.push({ decision, remoteDomain, ending: refused(decision, detail) });
  }
  const [refusal] = refusals;
  if (refusal === undefined) return [state, NOTHING];
  const [first] = proofs.values();
  if (first === undefined) return closeRefused(state, refusal.decision, refusal.ending.detail);
  return [
    { ...state, first, proofs },
    refusals.map(({ ending, remoteDomain }) => ({ do: 'pair-refused', ending, remoteDomain })),
  ];
}

/** Says no to one pair; the stream stays for the others (XEP-0220 section 2.5). */
export function refusePair(state: Talking, pair: DomainPair, decision: Refused): InboundStep {
  const { remoteDomain } = pair;
  const xml = formatDialbackAnswer(addressesOf(pair), { condition: refusalOf(decision.reason).dialbackError });
  const ending = refused(decision, remoteDomain);
  return [
    state,
    [
      { do: 'send', xml },
      { do: 'pair-refused', ending, remoteDomain },
    ],
  ];
}

/** As we address the partner about a pair. */
export function addressesOf({ localDomain, remoteDomain }: DomainPair): { readonly from: string; readonly to: string } {
  return { from: localDomain, to: remoteDomain };
}

/** A pair as a key of `proofs` and `pending`. */
export function keyOf({ localDomain, remoteDomain }: DomainPair): string {
  return `${remoteDomain} ${localDomain}`;
}
