import { normalizeDomain } from '../../config/index.ts';
import { admitStream, type Refused, refusalOf, refuse } from '../../policy/index.ts';
import { isDialbackKey, readDialbackKey } from './dialback.ts';
import type { XmlElement } from './element.ts';
import { addressesOf, admit, keyOf, NO_PROOFS, refusePair } from './inbound-admission.ts';
import {
  CLOSED,
  closeProtocol,
  closeRefused,
  type InboundContext,
  type InboundEvent,
  type InboundState,
  type InboundStep,
  NOTHING,
  type Talking,
} from './inbound-state.ts';
import { type DomainPair, dialbackOver, judgeProof, type RefusedEnding, refused } from './session.ts';
import { formatDialbackAnswer, formatStreamError } from './stream-text.ts';

/** Server Dialback on a stream that a partner opened (XEP-0220): as the receiving and as the authoritative server. */

/** Look-ups one stream may cause before it has proved a domain, and in its life: each may cost us a connection. */
const MAX_LOOK_UPS_UNPROVED = 4;
const MAX_LOOK_UPS = 256;
const MAX_PAIRS = 64;

/** A partner asks for a pair to be proved by its key. */
export function onDialbackResult(state: Talking, element: XmlElement, context: InboundContext): InboundStep {
  // D2: an answer to a question nobody asked on this stream.
  if (element.attr('type') !== undefined) {
    return closeProtocol(state, 'policy-violation', 'unsolicited dialback answer');
  }
  const remoteDomain = normalizeDomain(element.attr('from') ?? '');
  const localDomain = normalizeDomain(element.attr('to') ?? '');
  if (remoteDomain === undefined || localDomain === undefined) return closeProtocol(state, 'improper-addressing', '');
  const pair: DomainPair = { localDomain, remoteDomain };
  const key = keyOf(pair);
  const dialbackKey = readDialbackKey(element.text());
  if (dialbackKey === undefined) return closeProtocol(state, 'bad-format', 'no dialback key');

  // Pairs are judged one by one: a domain of a stricter partner does not ride on a stream that another could open.
  const { decision } = judgeProof('inbound', pair, dialbackOver(state.security), state.security, context.index);
  if (decision.verdict === 'refuse') {
    // T1: a partner that must encrypt and does not gets no second chance on this stream.
    if (decision.reason === 'tls-required' && state.at === 'negotiating') {
      return closeRefused(state, decision, remoteDomain);
    }
    return refusePair(state, pair, decision);
  }
  const proofs = state.at === 'open' ? state.proofs : NO_PROOFS;
  if (proofs.has(key)) return [state, [{ do: 'send', xml: formatDialbackAnswer(addressesOf(pair), 'valid') }]];
  if (state.pending.has(key)) return [state, NOTHING];
  const maxLookUps = proofs.size === 0 ? MAX_LOOK_UPS_UNPROVED : MAX_LOOK_UPS;
  const isFull = state.lookUps >= maxLookUps || proofs.size + state.pending.size >= MAX_PAIRS;
  const limit = isFull ? TOO_MANY_PAIRS : context.limitFor(remoteDomain);
  if (limit !== undefined) return refusePair(state, pair, limit);
  return [
    { ...state, lookUps: state.lookUps + 1, pending: new Set([...state.pending, key]) },
    [{ do: 'verify-dialback', remoteDomain, localDomain, streamId: state.streamId, key: dialbackKey }],
  ];
}

const TOO_MANY_PAIRS = refuse('connection-limit', '');

/** The authoritative server has answered, or could not be asked. */
export function onDialbackAnswer(
  state: InboundState,
  event: InboundEvent & { type: 'dialback-answer' },
  context: InboundContext,
): InboundStep {
  if (state.at !== 'negotiating' && state.at !== 'open') return [state, NOTHING];
  const { remoteDomain, localDomain, answer } = event;
  const pair: DomainPair = { localDomain, remoteDomain };
  // T10, D3: only what this stream asked for counts.
  if (event.streamId !== state.streamId || !state.pending.has(keyOf(pair))) return [state, NOTHING];
  const pending = new Set(state.pending);
  pending.delete(keyOf(pair));
  const settled: Talking = { ...state, pending };
  const failure = (detail: string): RefusedEnding => refused(refuse('dialback-failed', ''), detail);
  switch (answer.type) {
    case 'valid': {
      const xml = formatDialbackAnswer(addressesOf(pair), 'valid');
      return admit(settled, pair, dialbackOver(state.security), [{ do: 'send', xml }], context);
    }
    case 'invalid': {
      const xml = formatDialbackAnswer(addressesOf(pair), 'invalid');
      const ending = failure(`${remoteDomain} does not know the key`);
      if (settled.at === 'negotiating') {
        return [CLOSED, [{ do: 'close', xml: xml + formatStreamError('not-authorized', ''), ending }]];
      }
      return [
        settled,
        [
          { do: 'send', xml },
          { do: 'pair-refused', ending, remoteDomain },
        ],
      ];
    }
    case 'error': {
      const { condition } = answer;
      const ending = failure(`${remoteDomain} could not be asked: ${condition}`);
      return [
        settled,
        [
          { do: 'send', xml: formatDialbackAnswer(addressesOf(pair), { condition }) },
          { do: 'pair-refused', ending, remoteDomain },
        ],
      ];
    }
  }
}

/** We are the authoritative server: is this the key we gave out? */
export function onDialbackVerify(state: Talking, element: XmlElement, context: InboundContext): InboundStep {
  // D1: an answer where only questions may come.
  if (element.attr('type') !== undefined) {
    return closeProtocol(state, 'policy-violation', 'unsolicited dialback answer');
  }
  const receiving = normalizeDomain(element.attr('from') ?? '');
  const originating = normalizeDomain(element.attr('to') ?? '');
  const id = element.attr('id');
  if (receiving === undefined || originating === undefined || id === undefined) {
    return closeProtocol(state, 'improper-addressing', '');
  }
  const pair: DomainPair = { localDomain: originating, remoteDomain: receiving };
  const decision = mayAskAboutKeys(state, pair, context);
  if (decision !== undefined) {
    const { dialbackError: condition } = refusalOf(decision.reason);
    const xml = formatDialbackAnswer(addressesOf(pair), { condition }, id);
    return [
      state,
      [
        { do: 'send', xml },
        { do: 'pair-refused', ending: refused(decision, receiving), remoteDomain: receiving },
      ],
    ];
  }
  const key = readDialbackKey(element.text());
  const isOurs = key !== undefined && isDialbackKey(key, context.dialbackSecret, receiving, originating, id);
  return [state, [{ do: 'send', xml: formatDialbackAnswer(addressesOf(pair), isOurs ? 'valid' : 'invalid', id) }]];
}

/** Keys go out only to partners that dialback is allowed with, and only they may ask, encrypted where they have to be. */
function mayAskAboutKeys(state: Talking, pair: DomainPair, { index }: InboundContext): Refused | undefined {
  const tls = index.partnerOf(pair.remoteDomain)?.partner.tlsNegotiation;
  // A question may come encrypted even where streams with stanzas do not.
  const method = tls === 'NotSupported' ? 'tcp-dialback' : dialbackOver(state.security);
  const decision = admitStream({ direction: 'inbound', ...pair, method, certificateProves: false }, index);
  return decision.verdict === 'refuse' ? decision : undefined;
}
