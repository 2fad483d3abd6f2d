// Over 300 lines because one state machine is easier to check in one place than in two files that call each other.
import { normalizeDomain } from '../../config/index.ts';
import {
  ALLOW,
  type Decision,
  type FederationIndex,
  isMethodAllowed,
  mayFederate,
  type Refused,
  refusalOf,
  refuse,
} from '../../policy/index.ts';
import { type DialbackAnswer, dialbackCondition, dialbackKey } from './dialback.ts';
import type { XmlElement } from './element.ts';
import { NS } from './namespaces.ts';
import {
  type ChannelEffect,
  type ChannelSecurity,
  dialbackOver,
  type Judgement,
  judgeProof,
  type Proof,
  peerError,
  refused,
  type SessionEvent,
  type StreamEnding,
} from './session.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import type { StreamHeader } from './stream-parser.ts';
import {
  formatDialbackRequest,
  formatExternalAuth,
  formatStreamError,
  formatStreamHeader,
  formatVerifyRequest,
  hasFeatures,
  STARTTLS,
  STREAM_END,
} from './stream-text.ts';

/** The initiating side of a stream to a partner (RFC 6120, XEP-0178, XEP-0220), as a pure state machine. */

export interface OutboundContext {
  readonly index: FederationIndex;
  readonly dialbackSecret: string;
  readonly localDomain: string;
  readonly remoteDomain: string;
  /** `verify` streams only ask about dialback keys and never carry a stanza. */
  readonly purpose: 'stanzas' | 'verify';
}

export type OutboundEvent =
  | SessionEvent
  /** The socket is connected, encrypted already for direct TLS (XEP-0368). */
  | { readonly type: 'opened'; readonly security: ChannelSecurity | undefined }
  /** Ask the authoritative server about a key that came on the inbound stream `streamId`. */
  | { readonly type: 'verify'; readonly streamId: string; readonly key: string };

export type OutboundEffect =
  | ChannelEffect
  /** A `verify` stream may be asked from now on. */
  | { readonly do: 'ready' }
  | { readonly do: 'verified'; readonly streamId: string; readonly answer: DialbackAnswer };

interface Link {
  readonly security: ChannelSecurity | undefined;
  readonly streamId: string;
  /** The peer advertised dialback, or speaks a version without features. */
  readonly peerHasDialback: boolean;
  /** Bytes of the largest stanza the peer takes (XEP-0478), Infinity when it did not say. */
  readonly peerMaxBytes: number;
}

export type OutboundState =
  | { readonly at: 'connecting' }
  | {
      readonly at: 'awaiting-header';
      readonly security: ChannelSecurity | undefined;
      /** After SASL: the stream is admitted once its features have come. */
      readonly isAuthenticated: boolean;
    }
  | ({ readonly at: 'awaiting-features'; readonly isAuthenticated: boolean } & Link)
  | { readonly at: 'awaiting-proceed' }
  | { readonly at: 'securing' }
  | ({ readonly at: 'awaiting-sasl' } & Link)
  | ({ readonly at: 'awaiting-dialback' } & Link)
  | ({ readonly at: 'open'; readonly proof: Proof } & Link)
  /** `asked`: ids of the inbound streams whose keys were asked about. */
  | ({ readonly at: 'verifying'; readonly asked: ReadonlySet<string> } & Link)
  | { readonly at: 'closed' };

export const OUTBOUND_START: OutboundState = { at: 'connecting' };

const LONGEST_STREAM_ID = 1_024;

type Step = readonly [OutboundState, readonly OutboundEffect[]];
const CLOSED: OutboundState = { at: 'closed' };
const NOTHING: readonly OutboundEffect[] = [];

export function stepOutbound(state: OutboundState, event: OutboundEvent, context: OutboundContext): Step {
  if (state.at === 'closed') return [state, NOTHING];
  switch (event.type) {
    case 'opened':
      if (state.at !== 'connecting') return closeProtocol(state, 'internal-server-error', 'opened twice');
      return onOpened(event.security, context);
    case 'secured':
      if (state.at !== 'securing') return closeProtocol(state, 'internal-server-error', 'unexpected TLS');
      return onOpened(event.security, context);
    case 'header':
      return onHeader(state, event.header, context);
    case 'element':
      return onElement(state, event.element, context);
    case 'verify':
      return onVerify(state, event, context);
    case 'reconsider':
      return onReconsider(state, context);
    case 'broken':
      return closeProtocol(state, event.condition, event.text);
    case 'stream-end':
      return [CLOSED, [{ do: 'close', xml: endOf(state), ending: { why: 'peer-closed' } }]];
    case 'timeout': {
      const ending: StreamEnding = { why: 'timeout', what: event.what };
      // To close a stream that is not needed is no error.
      if (event.what === 'inactivity') return [CLOSED, [{ do: 'close', xml: endOf(state), ending }]];
      return close(state, 'connection-timeout', ending);
    }
    case 'shutdown':
      return [CLOSED, [{ do: 'close', xml: endOf(state), ending: { why: 'shutdown' } }]];
    case 'disconnected':
      return [CLOSED, [{ do: 'close', xml: '', ending: { why: 'disconnected', detail: event.detail } }]];
  }
}

function onOpened(security: ChannelSecurity | undefined, context: OutboundContext): Step {
  const decision = mayFederate(context.localDomain, context.remoteDomain, context.index);
  // Refused before a byte is said.
  if (decision.verdict === 'refuse') return [CLOSED, [{ do: 'close', xml: '', ending: refused(decision, '') }]];
  return [{ at: 'awaiting-header', security, isAuthenticated: false }, [{ do: 'send', xml: headerFor(context) }]];
}

function headerFor({ localDomain, remoteDomain }: OutboundContext): string {
  return formatStreamHeader({ from: localDomain, to: remoteDomain });
}

function onHeader(state: OutboundState, header: StreamHeader, context: OutboundContext): Step {
  if (state.at !== 'awaiting-header') return closeProtocol(state, 'bad-format', 'unexpected stream header');
  if (header.defaultNs !== NS.server) {
    return closeProtocol(state, 'invalid-namespace', 'the content namespace must be jabber:server');
  }
  if (header.from !== undefined && normalizeDomain(header.from) !== context.remoteDomain) {
    return closeProtocol(state, 'invalid-from', 'another domain answered');
  }
  const streamId = header.id ?? '';
  // A dialback key and a verify answer are bound to the id.
  if (streamId === '' || streamId.length > LONGEST_STREAM_ID) {
    return closeProtocol(state, 'bad-format', 'a stream needs an id');
  }
  const { security, isAuthenticated } = state;
  const link: Link = { security, streamId, peerHasDialback: false, peerMaxBytes: Number.POSITIVE_INFINITY };
  if (hasFeatures(header.version)) return [{ ...link, at: 'awaiting-features', isAuthenticated }, NOTHING];
  if (isAuthenticated) return admit(link, 'sasl-over-tls', context);
  // Before XMPP 1.0 there were no features: dialback is all such a peer can do.
  const peerHasDialback = [...header.namespaces.values()].includes(NS.dialback);
  return authenticate({ ...link, peerHasDialback }, NO_OFFER, context);
}

function onElement(state: OutboundState, element: XmlElement, context: OutboundContext): Step {
  if (element.ns === NS.streams && element.name === 'error') {
    return [CLOSED, [{ do: 'close', xml: endOf(state), ending: peerError(element) }]];
  }
  switch (state.at) {
    case 'awaiting-features':
      if (element.ns !== NS.streams || element.name !== 'features') return unexpected(state, element);
      return onFeatures(state, element, context);
    case 'awaiting-proceed':
      if (element.ns === NS.tls && element.name === 'proceed') return [{ at: 'securing' }, [{ do: 'start-tls' }]];
      return closeProtocol(state, 'policy-violation', 'the peer offered STARTTLS and does not go on with it');
    case 'awaiting-sasl':
      return onSaslAnswer(state, element, context);
    case 'awaiting-dialback':
      return onDialbackResult(state, element, context);
    case 'verifying':
      return onVerifyAnswer(state, element, context);
    case 'open':
      // Some servers announce features again; all else has no business on a stream that we opened (D1, D2, D8).
      if (element.ns === NS.streams && element.name === 'features') return [state, NOTHING];
      return unexpected(state, element);
    case 'connecting':
    case 'awaiting-header':
    case 'securing':
    case 'closed':
      return unexpected(state, element);
  }
}

function unexpected(state: OutboundState, element: XmlElement): Step {
  return closeProtocol(state, 'unsupported-stanza-type', `unexpected <${element.name}/>`);
}

// -- features: what to do next ---------------------------------------------------------------------------------------

/** What of the peer's features decides. */
interface PeerOffer {
  readonly starttls: 'none' | 'optional' | 'required';
  readonly hasExternal: boolean;
}

const NO_OFFER: PeerOffer = { starttls: 'none', hasExternal: false };

function onFeatures(
  state: OutboundState & { at: 'awaiting-features' },
  features: XmlElement,
  context: OutboundContext,
): Step {
  const { security, streamId, isAuthenticated } = state;
  const mechanisms = features.child('mechanisms', NS.sasl)?.elements() ?? [];
  const starttls = features.child('starttls', NS.tls);
  // A server of 1.0 that offers no SASL may still do dialback without saying so: the feature is a later invention.
  const peerHasDialback = features.child('dialback', NS.dialbackFeature) !== undefined || mechanisms.length === 0;
  const link: Link = { security, streamId, peerHasDialback, peerMaxBytes: readMaxBytes(features) };
  if (isAuthenticated) return admit(link, 'sasl-over-tls', context);
  const offer: PeerOffer = {
    starttls: starttls === undefined ? 'none' : starttls.child('required') === undefined ? 'optional' : 'required',
    hasExternal: mechanisms.some(isExternal),
  };
  return authenticate(link, offer, context);
}

function isExternal(mechanism: XmlElement): boolean {
  return mechanism.name === 'mechanism' && mechanism.ns === NS.sasl && mechanism.text().trim() === 'EXTERNAL';
}

function readMaxBytes(features: XmlElement): number {
  const text = features.child('limits', NS.streamLimits)?.child('max-bytes')?.text().trim() ?? '';
  return /^[1-9][0-9]{0,14}$/.test(text) ? Number(text) : Number.POSITIVE_INFINITY;
}

/** Encrypt, then prove ourselves by the strongest method both sides allow. */
function authenticate(link: Link, offer: PeerOffer, context: OutboundContext): Step {
  const state: OutboundState = { ...link, at: 'awaiting-features', isAuthenticated: false };
  const entry = context.index.partnerOf(context.remoteDomain);
  if (entry === undefined) return closeRefused(state, refuse('partner-not-allowed', 'xmppAllowedPartners'), '');
  const { tlsNegotiation } = entry.partner;
  if (link.security === undefined) {
    if (offer.starttls !== 'none' && tlsNegotiation !== 'NotSupported') {
      return [{ at: 'awaiting-proceed' }, [{ do: 'send', xml: STARTTLS }]];
    }
    // T2: the peer, or somebody between us, does not offer what the partner's row demands.
    if (tlsNegotiation === 'Required') {
      return closeRefused(state, refuse('tls-required', `${entry.path}.tlsNegotiation`), NO_STARTTLS);
    }
    if (offer.starttls === 'required') {
      const detail = 'the peer insists on TLS';
      return closeRefused(state, refuse('tls-not-supported', `${entry.path}.tlsNegotiation`), detail);
    }
  }
  if (context.purpose === 'verify') return [{ ...link, at: 'verifying', asked: new Set() }, [{ do: 'ready' }]];
  if (link.security !== undefined && offer.hasExternal) {
    // EXTERNAL works both ways or not at all: the peer's certificate must prove its domain to us too.
    const external = judge('sasl-over-tls', link, context);
    if (external.decision === ALLOW) {
      return [{ ...link, at: 'awaiting-sasl' }, [{ do: 'send', xml: formatExternalAuth(context.localDomain) }]];
    }
  }
  const { decision } = judge(dialbackOver(link.security), link, context);
  if (decision.verdict === 'refuse') return closeUnproved(state, link, decision, context);
  if (link.peerHasDialback) return requestDialback(link, context);
  return closeRefused(state, refuse('method-not-allowed', `${entry.path}.saslNegotiation`), NO_METHOD);
}

const NO_STARTTLS = 'the peer offers no STARTTLS';
const NO_METHOD = "the peer offers no method that the partner's settings allow";

/** The refusal says why the strongest method failed: more than that a weaker one is not allowed. */
function closeUnproved(state: OutboundState, link: Link, dialback: Refused, context: OutboundContext): Step {
  const entry = context.index.partnerOf(context.remoteDomain);
  if (entry === undefined || !isMethodAllowed(entry.partner, 'sasl-over-tls')) return closeRefused(state, dialback, '');
  if (link.security === undefined) {
    return closeRefused(state, refuse('tls-required', `${entry.path}.saslNegotiation`), NO_STARTTLS);
  }
  const { decision, detail } = judge('sasl-over-tls', link, context);
  if (decision.verdict === 'refuse') return closeRefused(state, decision, detail);
  const cause = refuse('method-not-allowed', `${entry.path}.saslNegotiation`);
  return closeRefused(state, cause, 'the peer does not offer EXTERNAL: it may not accept our certificate');
}

function requestDialback(link: Link, { dialbackSecret, localDomain, remoteDomain }: OutboundContext): Step {
  const key = dialbackKey(dialbackSecret, remoteDomain, localDomain, link.streamId);
  const xml = formatDialbackRequest({ from: localDomain, to: remoteDomain }, key);
  return [{ ...link, at: 'awaiting-dialback' }, [{ do: 'send', xml }]];
}

function judge(method: Proof['method'], { security }: Link, context: OutboundContext): Judgement {
  return judgeProof('outbound', context, method, security, context.index);
}

// -- answers ---------------------------------------------------------------------------------------------------------

function onSaslAnswer(
  state: OutboundState & { at: 'awaiting-sasl' },
  element: XmlElement,
  context: OutboundContext,
): Step {
  if (element.ns !== NS.sasl) return unexpected(state, element);
  if (element.name === 'success') {
    return [
      { at: 'awaiting-header', security: state.security, isAuthenticated: true },
      [{ do: 'restart' }, { do: 'send', xml: headerFor(context) }],
    ];
  }
  if (element.name !== 'failure') return closeProtocol(state, 'policy-violation', 'EXTERNAL has no challenges here');
  // XEP-0178 section 3: dialback may follow a refused certificate, where the partner's row allows it.
  if (judge(dialbackOver(state.security), state, context).decision === ALLOW) return requestDialback(state, context);
  const [condition] = element.elements();
  const ending: StreamEnding = {
    why: 'peer-error',
    condition: condition?.name ?? 'not-authorized',
    detail: 'the peer does not accept our certificate (SASL EXTERNAL)',
  };
  return [CLOSED, [{ do: 'close', xml: STREAM_END, ending }]];
}

function onDialbackResult(
  state: OutboundState & { at: 'awaiting-dialback' },
  element: XmlElement,
  context: OutboundContext,
): Step {
  const answer = readAnswer(element, 'result', context);
  if (answer === undefined) return unexpected(state, element);
  if (answer.type === 'valid') return admit(state, dialbackOver(state.security), context);
  const detail = answer.type === 'error' ? answer.condition : 'the peer says the key is invalid';
  return closeRefused(state, refuse('dialback-failed', ''), detail);
}

function onVerify(state: OutboundState, event: OutboundEvent & { type: 'verify' }, context: OutboundContext): Step {
  const { streamId, key } = event;
  if (state.at !== 'verifying') {
    return [state, [{ do: 'verified', streamId, answer: { type: 'error', condition: 'remote-connection-failed' } }]];
  }
  const addresses = { from: context.localDomain, to: context.remoteDomain };
  return [
    { ...state, asked: new Set([...state.asked, streamId]) },
    [{ do: 'send', xml: formatVerifyRequest(addresses, streamId, key) }],
  ];
}

function onVerifyAnswer(
  state: OutboundState & { at: 'verifying' },
  element: XmlElement,
  context: OutboundContext,
): Step {
  const answer = readAnswer(element, 'verify', context);
  const streamId = element.attr('id') ?? '';
  if (answer === undefined) return unexpected(state, element);
  // D1, D3: from, to, id and the stream must all be those of a question.
  if (!state.asked.has(streamId)) return closeProtocol(state, 'policy-violation', 'an answer to no question');
  const asked = new Set(state.asked);
  asked.delete(streamId);
  return [{ ...state, asked }, [{ do: 'verified', streamId, answer }]];
}

/** A dialback answer for exactly our pair, or undefined. */
function readAnswer(
  element: XmlElement,
  name: 'result' | 'verify',
  { localDomain, remoteDomain }: OutboundContext,
): DialbackAnswer | undefined {
  if (element.ns !== NS.dialback || element.name !== name) return undefined;
  if (normalizeDomain(element.attr('from') ?? '') !== remoteDomain) return undefined;
  if (normalizeDomain(element.attr('to') ?? '') !== localDomain) return undefined;
  switch (element.attr('type')) {
    case 'valid':
      return { type: 'valid' };
    case 'invalid':
      return { type: 'invalid' };
    case 'error': {
      const error = element.child('error', NS.server) ?? element.child('error');
      const condition = error?.elements().find((child) => child.ns === NS.stanzas && child.name !== 'text');
      return { type: 'error', condition: dialbackCondition(condition?.name) };
    }
    default:
      return undefined;
  }
}

function admit(link: Link, method: Proof['method'], context: OutboundContext): Step {
  const { security, streamId, peerHasDialback, peerMaxBytes } = link;
  const { proof, decision, detail } = judge(method, link, context);
  const state: OutboundState = { at: 'open', proof, security, streamId, peerHasDialback, peerMaxBytes };
  if (decision.verdict === 'refuse') return closeRefused(state, decision, detail);
  return [state, [{ do: 'admitted', proof }]];
}

function onReconsider(state: OutboundState, context: OutboundContext): Step {
  const { decision, detail } = reconsidered(state, context);
  return decision.verdict === 'refuse' ? closeRefused(state, decision, detail) : [state, NOTHING];
}

function reconsidered(
  state: OutboundState,
  context: OutboundContext,
): { readonly decision: Decision; readonly detail: string } {
  const { localDomain, remoteDomain, index } = context;
  if (state.at === 'open') return judge(state.proof.method, state, context);
  const decision = mayFederate(localDomain, remoteDomain, index);
  const entry = index.partnerOf(remoteDomain);
  const isClear = 'security' in state && state.security === undefined;
  // Answers about keys must not come in clear any more either.
  if (decision === ALLOW && state.at === 'verifying' && isClear && entry?.partner.tlsNegotiation === 'Required') {
    return { decision: refuse('tls-required', `${entry.path}.tlsNegotiation`), detail: '' };
  }
  return { decision, detail: '' };
}

// -- endings ---------------------------------------------------------------------------------------------------------

function closeRefused(state: OutboundState, decision: Refused, detail: string): Step {
  return close(state, refusalOf(decision.reason).streamError, refused(decision, detail));
}

function closeProtocol(state: OutboundState, condition: StreamErrorCondition, detail: string): Step {
  return close(state, condition, { why: 'protocol', condition, detail });
}

function close(state: OutboundState, condition: StreamErrorCondition, ending: StreamEnding): Step {
  const xml = hasStream(state) ? formatStreamError(condition, '') : '';
  return [CLOSED, [{ do: 'close', xml, ending }]];
}

function endOf(state: OutboundState): string {
  return hasStream(state) ? STREAM_END : '';
}

function hasStream(state: OutboundState): boolean {
  return state.at !== 'connecting' && state.at !== 'securing';
}
