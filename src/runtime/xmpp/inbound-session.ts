// Over 300 lines because one state machine is easier to check in one place than in two files that call each other.
import { normalizeDomain } from '../../config/index.ts';
import {
  type AuthMethod,
  admitStream,
  type FederationIndex,
  mayFederate,
  offerFeatures,
  type Refused,
  refusalOf,
  refuse,
  type StreamOffer,
} from '../../policy/index.ts';
import { type DialbackAnswer, isDialbackKey, readDialbackKey } from './dialback.ts';
import type { XmlElement } from './element.ts';
import { type Jid, parseJid } from './jid.ts';
import { NS } from './namespaces.ts';
import {
  type ChannelEffect,
  type ChannelSecurity,
  type DomainPair,
  dialbackOver,
  judgeProof,
  type Proof,
  peerError,
  type RefusedEnding,
  refused,
  type SessionEvent,
  type StreamEnding,
} from './session.ts';
import type { StanzaErrorCondition } from './stanza-error.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import type { StreamHeader } from './stream-parser.ts';
import {
  formatDialbackAnswer,
  formatFeatures,
  formatSaslFailure,
  formatStreamError,
  formatStreamHeader,
  hasFeatures,
  PROCEED,
  SASL_SUCCESS,
  STREAM_END,
  type StreamLimits,
  TLS_FAILURE,
} from './stream-text.ts';

/** The receiving side of a stream a partner opened (RFC 6120, XEP-0178, XEP-0220), as a pure state machine. */

export interface InboundContext {
  readonly index: FederationIndex;
  /** Unpredictable, unique (RFC 6120 section 4.7.3). */
  newStreamId(): string;
  readonly dialbackSecret: string;
  readonly limits: StreamLimits;
  /** The limit this stream would break if it proved this domain, or undefined. */
  limitFor(remoteDomain: string): Refused | undefined;
}

export type InboundEvent =
  | SessionEvent
  | { readonly type: 'opened'; readonly security: ChannelSecurity | undefined }
  | {
      readonly type: 'dialback-answer';
      /** As they were asked about: a stream that started anew in between has another id. */
      readonly streamId: string;
      readonly remoteDomain: string;
      readonly localDomain: string;
      readonly answer: DialbackAnswer;
    };

export type InboundEffect =
  | ChannelEffect
  /** Ask the authoritative server of `remoteDomain`; come back with `dialback-answer`. */
  | {
      readonly do: 'verify-dialback';
      readonly remoteDomain: string;
      readonly localDomain: string;
      readonly streamId: string;
      readonly key: string;
    }
  | { readonly do: 'deliver'; readonly stanza: XmlElement; readonly from: Jid; readonly to: Jid; readonly proof: Proof }
  /** The stanza cannot be delivered; its sender gets an error by the stream back. */
  | {
      readonly do: 'reject';
      readonly stanza: XmlElement;
      readonly condition: StanzaErrorCondition;
      readonly proof: Proof;
    };

interface Stream {
  readonly streamId: string;
  readonly localDomain: string;
  /** Empty when the header named no sender, as verify-only streams may. */
  readonly remoteDomain: string;
  readonly security: ChannelSecurity | undefined;
  readonly saslTries: number;
  /** Elements seen before the first proof. */
  readonly elements: number;
  readonly lookUps: number;
  /** Pairs being verified, `remote local`. */
  readonly pending: ReadonlySet<string>;
}

export type InboundState =
  | { readonly at: 'connecting' }
  | {
      readonly at: 'awaiting-header';
      readonly security: ChannelSecurity | undefined;
      /** Set after SASL: what the next header must repeat. */
      readonly authenticated: DomainPair | undefined;
    }
  | { readonly at: 'securing' }
  | ({ readonly at: 'negotiating' } & Stream)
  /** `first` is one of `proofs`, where most stanzas find theirs. */
  | ({ readonly at: 'open'; readonly first: Proof; readonly proofs: ReadonlyMap<string, Proof> } & Stream)
  | { readonly at: 'closed' };

export const INBOUND_START: InboundState = { at: 'connecting' };

const MAX_SASL_TRIES = 3;
const MAX_ELEMENTS_UNPROVED = 64;
/** Look-ups one stream may cause before it has proved a domain, and in its life: each may cost us a connection. */
const MAX_LOOK_UPS_UNPROVED = 4;
const MAX_LOOK_UPS = 256;
const MAX_PAIRS = 64;
/** Base64 of the longest domain name with room for padding. */
const LONGEST_AUTHZID = 2_048;

type Step = readonly [InboundState, readonly InboundEffect[]];
const CLOSED: InboundState = { at: 'closed' };
const NOTHING: readonly InboundEffect[] = [];

export function stepInbound(state: InboundState, event: InboundEvent, context: InboundContext): Step {
  if (state.at === 'closed') return [state, NOTHING];
  switch (event.type) {
    case 'opened':
      if (state.at !== 'connecting') return closeProtocol(state, 'internal-server-error', 'opened twice');
      return [{ at: 'awaiting-header', security: event.security, authenticated: undefined }, NOTHING];
    case 'header':
      return onHeader(state, event.header, context);
    case 'element':
      return onElement(state, event.element, context);
    case 'secured':
      if (state.at !== 'securing') return closeProtocol(state, 'internal-server-error', 'unexpected TLS');
      return [{ at: 'awaiting-header', security: event.security, authenticated: undefined }, NOTHING];
    case 'dialback-answer':
      return onDialbackAnswer(state, event, context);
    case 'reconsider':
      return onReconsider(state, context);
    case 'broken':
      return closeProtocol(state, event.condition, event.text);
    case 'stream-end':
      return [CLOSED, [{ do: 'close', xml: hasStream(state) ? STREAM_END : '', ending: { why: 'peer-closed' } }]];
    case 'timeout':
      return close(state, 'connection-timeout', '', { why: 'timeout', what: event.what });
    case 'shutdown':
      return close(state, 'system-shutdown', '', { why: 'shutdown' });
    case 'disconnected':
      return [CLOSED, [{ do: 'close', xml: '', ending: { why: 'disconnected', detail: event.detail } }]];
  }
}

// -- the header ------------------------------------------------------------------------------------------------------

function onHeader(state: InboundState, header: StreamHeader, context: InboundContext): Step {
  if (state.at !== 'awaiting-header') return closeProtocol(state, 'bad-format', 'unexpected stream header');
  const { security, authenticated } = state;
  const { index } = context;
  const streamId = context.newStreamId();
  const localDomain = header.to === undefined ? undefined : normalizeDomain(header.to);
  const remoteDomain = header.from === undefined ? '' : normalizeDomain(header.from);
  const isServed = localDomain !== undefined && index.servedDomain(localDomain) !== undefined;
  const isModern = hasFeatures(header.version);
  // A domain that is not ours is not ours to speak as (RFC 6120 section 4.9.1.2).
  const from = isServed ? localDomain : '';
  const own = formatStreamHeader({ from, to: remoteDomain ?? '', id: streamId, hasVersion: isModern });
  const end = (condition: StreamErrorCondition, ending: StreamEnding, text = ''): Step => [
    CLOSED,
    [{ do: 'close', xml: own + formatStreamError(condition, text), ending }],
  ];
  const protocol = (condition: StreamErrorCondition, detail: string): Step =>
    end(condition, { why: 'protocol', condition, detail }, detail);
  const refusal = (decision: Refused, detail: string): Step =>
    end(refusalOf(decision.reason).streamError, refused(decision, detail));

  if (header.defaultNs !== NS.server)
    return protocol('invalid-namespace', 'the content namespace must be jabber:server');
  if (localDomain === undefined)
    return protocol('improper-addressing', 'the stream header must name the domain it is for');
  if (remoteDomain === undefined) return protocol('invalid-from', 'the stream header names no domain as its sender');
  if (!isServed) return refusal(refuse('domain-not-served', 'domains'), localDomain);
  if (authenticated !== undefined && !isSamePair(authenticated, { localDomain, remoteDomain })) {
    return protocol('invalid-from', 'the stream must keep its addresses after SASL');
  }
  const stream: Stream = {
    streamId,
    localDomain,
    remoteDomain,
    security,
    saslTries: 0,
    elements: 0,
    lookUps: 0,
    pending: new Set(),
  };
  const offer = offerOn(stream, context, authenticated !== undefined);
  if (remoteDomain !== '') {
    const decision = mayFederate(localDomain, remoteDomain, index);
    if (decision.verdict === 'refuse') return refusal(decision, remoteDomain);
    const limit = context.limitFor(remoteDomain);
    if (limit !== undefined) return refusal(limit, remoteDomain);
    // Nothing could prove the domain on this channel: better said now than found out by waiting.
    if (authenticated === undefined && isDeadEnd(offer)) {
      const judged = judgeProof('inbound', stream, 'sasl-over-tls', security, index);
      if (judged.decision.verdict === 'refuse') return refusal(judged.decision, judged.detail);
    }
  }

  const greeting: InboundEffect = { do: 'send', xml: isModern ? own + formatFeatures(offer, context.limits) : own };
  const negotiating: Talking = { at: 'negotiating', ...stream };
  if (authenticated === undefined) return [negotiating, [greeting]];
  const [next, effects] = admit(negotiating, authenticated, 'sasl-over-tls', NOTHING, context);
  return [next, [greeting, ...effects]];
}

/** What the stream may use now. Without a sender in the header there is no partner, hence no certificate to offer EXTERNAL for. */
function offerOn(stream: Stream, context: InboundContext, isProved: boolean): StreamOffer {
  const { remoteDomain, security } = stream;
  const entry = context.index.partnerOf(remoteDomain);
  if (entry === undefined) {
    return { starttls: security === undefined ? 'optional' : 'none', saslExternal: false, dialback: true };
  }
  const certificateProves = security?.judge(remoteDomain).proves ?? false;
  const offer = offerFeatures(entry.partner, { secured: security !== undefined, certificateProves });
  return isProved ? { ...offer, saslExternal: false } : offer;
}

function isDeadEnd({ starttls, saslExternal, dialback }: StreamOffer): boolean {
  return starttls === 'none' && !saslExternal && !dialback;
}

// -- elements --------------------------------------------------------------------------------------------------------

function onElement(state: InboundState, element: XmlElement, context: InboundContext): Step {
  switch (state.at) {
    case 'open':
      return element.ns === NS.server ? onStanza(state, element) : onNegotiation(state, element, context);
    case 'negotiating':
      if (state.elements >= MAX_ELEMENTS_UNPROVED) {
        return closeProtocol(state, 'policy-violation', 'too many elements before authentication');
      }
      return onNegotiation({ ...state, elements: state.elements + 1 }, element, context);
    case 'connecting':
    case 'awaiting-header':
    case 'securing':
    case 'closed':
      return closeProtocol(state, 'bad-format', 'unexpected element');
  }
}

function onStanza(state: InboundState & { at: 'open' }, stanza: XmlElement): Step {
  const { name } = stanza;
  if (name !== 'message' && name !== 'presence' && name !== 'iq') return closeUnsupported(state);
  const fromText = stanza.attr('from');
  const toText = stanza.attr('to');
  if (fromText === undefined || toText === undefined) return closeProtocol(state, 'improper-addressing', '');
  const from = parseJid(fromText);
  if (from === undefined) return closeProtocol(state, 'invalid-from', 'the sender has no valid address');
  const to = parseJid(toText);
  const proof = proofOf(state, from.domain, to === undefined ? state.localDomain : to.domain);
  // A1: a domain that has not been proved on this stream, towards the domain it writes to.
  if (proof === undefined) {
    return closeProtocol(state, 'invalid-from', 'this pair of domains has not been proved on this stream');
  }
  if (to === undefined) return [state, [{ do: 'reject', stanza, condition: 'jid-malformed', proof }]];
  return [state, [{ do: 'deliver', stanza, from, to, proof }]];
}

function proofOf(state: InboundState & { at: 'open' }, remoteDomain: string, localDomain: string): Proof | undefined {
  const { first } = state;
  if (first.remoteDomain === remoteDomain && first.localDomain === localDomain) return first;
  return state.proofs.get(`${remoteDomain} ${localDomain}`);
}

type Talking = InboundState & { at: 'negotiating' | 'open' };

function onNegotiation(state: Talking, element: XmlElement, context: InboundContext): Step {
  switch (element.ns) {
    case NS.dialback:
      if (element.name === 'result') return onDialbackResult(state, element, context);
      if (element.name === 'verify') return onDialbackVerify(state, element, context);
      return closeUnsupported(state);
    case NS.tls:
      return onStarttls(state, element, context);
    case NS.sasl:
      return onSasl(state, element, context);
    case NS.streams:
      if (element.name !== 'error') return closeUnsupported(state);
      return [CLOSED, [{ do: 'close', xml: STREAM_END, ending: peerError(element) }]];
    case NS.server: {
      // T1, X4: nothing is carried before a domain is proved.
      const tls = tlsMissing(state, context);
      if (tls !== undefined) return closeRefused(state, tls, state.remoteDomain);
      return closeProtocol(state, 'not-authorized', 'no stanza before the domain is proved');
    }
    default:
      // T11, D8: compression and bidirectional streams are not offered.
      return closeUnsupported(state);
  }
}

/** The refusal of a stream that should be encrypted by now and is not. */
function tlsMissing({ security, remoteDomain }: Stream, { index }: InboundContext): Refused | undefined {
  const entry = index.partnerOf(remoteDomain);
  if (security !== undefined || entry?.partner.tlsNegotiation !== 'Required') return undefined;
  return refuse('tls-required', `${entry.path}.tlsNegotiation`);
}

function onStarttls(state: Talking, element: XmlElement, context: InboundContext): Step {
  if (element.name !== 'starttls') return closeUnsupported(state);
  if (state.at === 'open' || offerOn(state, context, false).starttls === 'none') {
    const ending: StreamEnding = {
      why: 'protocol',
      condition: 'policy-violation',
      detail: 'STARTTLS was not offered',
    };
    return [CLOSED, [{ do: 'close', xml: TLS_FAILURE + STREAM_END, ending }]];
  }
  return [{ at: 'securing' }, [{ do: 'send', xml: PROCEED }, { do: 'start-tls' }]];
}

function onSasl(state: Talking, element: XmlElement, context: InboundContext): Step {
  if (state.at === 'open') return closeProtocol(state, 'policy-violation', 'already authenticated');
  if (element.name === 'abort') return failSasl(state, 'aborted');
  if (element.name !== 'auth') return closeUnsupported(state);
  const { security, remoteDomain, localDomain } = state;
  if (security === undefined) {
    const tls = tlsMissing(state, context);
    return tls === undefined ? failSasl(state, 'encryption-required') : closeRefused(state, tls, remoteDomain);
  }
  if (element.attr('mechanism') !== 'EXTERNAL') return failSasl(state, 'invalid-mechanism');
  // T9: EXTERNAL speaks for the sender in the stream header. An empty identity means it, another one is refused.
  if (remoteDomain === '') return failSasl(state, 'not-authorized');
  const authzid = readAuthzid(element.text());
  if (authzid === undefined) return failSasl(state, 'incorrect-encoding');
  if (authzid !== '' && normalizeDomain(authzid) !== remoteDomain) return failSasl(state, 'invalid-authzid');
  const { decision, detail } = judgeProof('inbound', state, 'sasl-over-tls', security, context.index);
  if (decision.verdict === 'refuse') return failSasl(state, 'not-authorized', refused(decision, detail));
  return [
    { at: 'awaiting-header', security, authenticated: { localDomain, remoteDomain } },
    [{ do: 'send', xml: SASL_SUCCESS }, { do: 'restart' }],
  ];
}

function failSasl(
  state: InboundState & { at: 'negotiating' },
  condition: Parameters<typeof formatSaslFailure>[0],
  refusal?: RefusedEnding,
): Step {
  const { remoteDomain } = state;
  const told: InboundEffect[] = refusal === undefined ? [] : [{ do: 'pair-refused', ending: refusal, remoteDomain }];
  const xml = formatSaslFailure(condition);
  const saslTries = state.saslTries + 1;
  if (saslTries < MAX_SASL_TRIES) return [{ ...state, saslTries }, [{ do: 'send', xml }, ...told]];
  const ending: StreamEnding = { why: 'protocol', condition: 'policy-violation', detail: 'too many SASL tries' };
  return [CLOSED, [...told, { do: 'close', xml: xml + formatStreamError('policy-violation', ''), ending }]];
}

function readAuthzid(text: string): string | undefined {
  const base64 = text.trim();
  if (base64 === '' || base64 === '=') return '';
  if (base64.length > LONGEST_AUTHZID || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  return Buffer.from(base64, 'base64').toString('utf8');
}

// -- dialback --------------------------------------------------------------------------------------------------------

function onDialbackResult(state: Talking, element: XmlElement, context: InboundContext): Step {
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

const NO_PROOFS: ReadonlyMap<string, Proof> = new Map();
const TOO_MANY_PAIRS = refuse('connection-limit', '');

function refusePair(state: Talking, pair: DomainPair, decision: Refused): Step {
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

function onDialbackAnswer(
  state: InboundState,
  event: InboundEvent & { type: 'dialback-answer' },
  context: InboundContext,
): Step {
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
function onDialbackVerify(state: Talking, element: XmlElement, context: InboundContext): Step {
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

function addressesOf({ localDomain, remoteDomain }: DomainPair): { readonly from: string; readonly to: string } {
  return { from: localDomain, to: remoteDomain };
}

function keyOf({ localDomain, remoteDomain }: DomainPair): string {
  return `${remoteDomain} ${localDomain}`;
}

function isSamePair(one: DomainPair, other: DomainPair): boolean {
  return one.localDomain === other.localDomain && one.remoteDomain === other.remoteDomain;
}

// -- admission -------------------------------------------------------------------------------------------------------

/** A domain has been proved: the last question to the policy, then the stream carries its stanzas. */
function admit(
  state: Talking,
  pair: DomainPair,
  method: AuthMethod,
  effects: readonly InboundEffect[],
  context: InboundContext,
): Step {
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

function onReconsider(state: InboundState, context: InboundContext): Step {
  if (state.at === 'negotiating' && state.remoteDomain !== '') {
    const decision = mayFederate(state.localDomain, state.remoteDomain, context.index);
    if (decision.verdict === 'refuse') return closeRefused(state, decision, state.remoteDomain);
  }
  if (state.at !== 'open') return [state, NOTHING];
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

// -- endings ---------------------------------------------------------------------------------------------------------

function closeRefused(state: InboundState, decision: Refused, detail: string): Step {
  return close(state, refusalOf(decision.reason).streamError, '', refused(decision, detail));
}

function closeProtocol(state: InboundState, condition: StreamErrorCondition, detail: string): Step {
  return close(state, condition, detail, { why: 'protocol', condition, detail });
}

function closeUnsupported(state: InboundState): Step {
  return closeProtocol(state, 'unsupported-stanza-type', '');
}

function close(state: InboundState, condition: StreamErrorCondition, text: string, ending: StreamEnding): Step {
  return [CLOSED, [{ do: 'close', xml: lastWords(state, formatStreamError(condition, text)), ending }]];
}

function lastWords(state: InboundState, error: string): string {
  if (hasStream(state)) return error;
  // Before our header an error needs one (RFC 6120 section 4.9.1.1); during a handshake there is no stream at all.
  return state.at === 'awaiting-header' ? formatStreamHeader({ from: '', to: '', id: '0' }) + error : '';
}

function hasStream(state: InboundState): boolean {
  return state.at === 'negotiating' || state.at === 'open';
}
