// Long because: one state machine is easier to check in one place than in two files that call each other.
import { normalizeDomain } from '../../config/index.ts';
import {
  ALLOW,
  type AuthMethod,
  admitStream,
  type Decision,
  type FederationIndex,
  isMethodAllowed,
  mayFederate,
  type Refused,
  refusalOf,
  refuse,
} from '../../policy/index.ts';
import { type DialbackAnswer, dialbackKey } from './dialback.ts';
import type { XmlElement } from './element.ts';
import { peerError } from './inbound-session.ts';
import { NS } from './namespaces.ts';
import type { ChannelEffect, ChannelSecurity, Proof, SessionEvent, StreamEnding } from './session.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import type { StreamHeader } from './stream-parser.ts';
import {
  formatDialbackRequest,
  formatExternalAuth,
  formatStreamError,
  formatStreamHeader,
  formatVerifyRequest,
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
}

export type OutboundState =
  | { readonly at: 'connecting' }
  | {
      readonly at: 'awaiting-header';
      readonly security: ChannelSecurity | undefined;
      /** Set after SASL: the stream is proved once its features have come. */
      readonly proved: Proof | undefined;
    }
  | ({ readonly at: 'awaiting-features'; readonly proved: Proof | undefined } & Link)
  | { readonly at: 'awaiting-proceed' }
  | { readonly at: 'securing' }
  | ({ readonly at: 'awaiting-sasl' } & Link)
  | ({ readonly at: 'awaiting-dialback' } & Link)
  | ({ readonly at: 'open'; readonly proof: Proof } & Link)
  | ({ readonly at: 'verifying'; readonly asked: ReadonlySet<string> } & Link)
  | { readonly at: 'closed' };

export const OUTBOUND_START: OutboundState = { at: 'connecting' };

type Step = readonly [OutboundState, readonly OutboundEffect[]];
const CLOSED: OutboundState = { at: 'closed' };
const NOTHING: readonly OutboundEffect[] = [];

export function stepOutbound(state: OutboundState, event: OutboundEvent, context: OutboundContext): Step {
  if (state.at === 'closed') return [state, NOTHING];
  switch (event.type) {
    case 'opened':
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
      return [CLOSED, [{ do: 'close', xml: STREAM_END, ending: { why: 'peer-closed' } }]];
    case 'timeout':
      return close(state, 'connection-timeout', { why: 'timeout', what: event.what });
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
  return [{ at: 'awaiting-header', security, proved: undefined }, [{ do: 'send', xml: headerFor(context) }]];
}

function headerFor({ localDomain, remoteDomain }: OutboundContext): string {
  return formatStreamHeader({ from: localDomain, to: remoteDomain });
}

function onHeader(state: OutboundState, header: StreamHeader, context: OutboundContext): Step {
  if (state.at !== 'awaiting-header') return closeProtocol(state, 'bad-format', 'unexpected stream header');
  if (header.defaultNs !== NS.server)
    return closeProtocol(state, 'invalid-namespace', 'the content namespace must be jabber:server');
  if (header.from !== undefined && normalizeDomain(header.from) !== context.remoteDomain) {
    return closeProtocol(state, 'invalid-from', 'another domain answered');
  }
  const { security, proved } = state;
  const streamId = header.id ?? '';
  // A dialback key and a verify answer are bound to the id.
  if (streamId === '' || streamId.length > 1_024)
    return closeProtocol(state, 'improper-addressing', 'a stream needs an id');
  if (/^\s*[1-9]/.test(header.version ?? '')) {
    return [{ at: 'awaiting-features', security, streamId, proved, peerHasDialback: false }, NOTHING];
  }
  // Before XMPP 1.0 there were no features: dialback in clear is all such a peer can do.
  const hasDialback = [...header.namespaces.values()].includes(NS.dialback);
  return authenticate(
    { security, streamId, peerHasDialback: hasDialback },
    { isRequired: false, isOffered: false },
    false,
    context,
  );
}

function onElement(state: OutboundState, element: XmlElement, context: OutboundContext): Step {
  if (element.ns === NS.streams && element.name === 'error') {
    return [CLOSED, [{ do: 'close', xml: STREAM_END, ending: peerError(element) }]];
  }
  switch (state.at) {
    case 'awaiting-features':
      if (element.ns !== NS.streams || element.name !== 'features') return unexpected(state, element);
      return onFeatures(state, element, context);
    case 'awaiting-proceed':
      if (element.ns !== NS.tls || element.name !== 'proceed') {
        return closeRefused(state, refuse('tls-required', ''), 'the peer did not go on with TLS');
      }
      return [{ at: 'securing' }, [{ do: 'start-tls' }]];
    case 'awaiting-sasl':
      return onSaslAnswer(state, element, context);
    case 'awaiting-dialback':
      return onDialbackResult(state, element, context);
    case 'verifying':
      return onVerifyAnswer(state, element, context);
    case 'open':
      // Features may be announced again by some servers; everything else has no business on a stream we opened (D1, D2).
      if (element.ns === NS.streams && element.name === 'features') return [state, NOTHING];
      return unexpected(state, element);
    default:
      return unexpected(state, element);
  }
}

function unexpected(state: OutboundState, element: XmlElement): Step {
  return closeProtocol(state, 'unsupported-stanza-type', `unexpected <${element.name}/>`);
}

// -- features: what to do next ---------------------------------------------------------------------------------------

interface TlsOffer {
  readonly isOffered: boolean;
  readonly isRequired: boolean;
}

function onFeatures(
  state: OutboundState & { at: 'awaiting-features' },
  features: XmlElement,
  context: OutboundContext,
): Step {
  const { security, streamId, proved } = state;
  if (proved !== undefined) return admit({ security, streamId, peerHasDialback: true }, proved, context);
  const starttls = features.child('starttls', NS.tls);
  const tls = { isOffered: starttls !== undefined, isRequired: starttls?.child('required') !== undefined };
  const mechanisms = features.child('mechanisms', NS.sasl)?.elements() ?? [];
  const hasExternal = mechanisms.some(
    (mechanism) => mechanism.name === 'mechanism' && mechanism.text().trim() === 'EXTERNAL',
  );
  // A server of 1.0 that offers no SASL may still do dialback without saying so: the feature is a later invention.
  const peerHasDialback = features.child('dialback', NS.dialbackFeature) !== undefined || mechanisms.length === 0;
  return authenticate({ security, streamId, peerHasDialback }, tls, hasExternal, context);
}

/** Encrypt, then prove ourselves by the strongest method both sides allow. */
function authenticate(link: Link, tls: TlsOffer, hasExternal: boolean, context: OutboundContext): Step {
  const state: OutboundState = { at: 'awaiting-features', proved: undefined, ...link };
  const entry = context.index.partnerOf(context.remoteDomain);
  if (entry === undefined) return closeRefused(state, refuse('partner-not-allowed', 'xmppAllowedPartners'), '');
  const { tlsNegotiation } = entry.partner;
  if (link.security === undefined) {
    if (tls.isOffered && tlsNegotiation !== 'NotSupported')
      return [{ at: 'awaiting-proceed' }, [{ do: 'send', xml: STARTTLS }]];
    // T2: the peer, or somebody between us, does not offer what the partner's row demands.
    if (tlsNegotiation === 'Required') {
      return closeRefused(state, refuse('tls-required', `${entry.path}.tlsNegotiation`), 'the peer offers no STARTTLS');
    }
    if (tls.isRequired) {
      return closeRefused(
        state,
        refuse('tls-not-supported', `${entry.path}.tlsNegotiation`),
        'the peer insists on TLS',
      );
    }
  }
  if (context.purpose === 'verify') return [{ at: 'verifying', asked: new Set(), ...link }, [{ do: 'ready' }]];
  // EXTERNAL works both ways or not at all: the peer's certificate must prove its domain to us too.
  const external = decide('sasl-over-tls', link, context);
  if (hasExternal && link.security !== undefined && external === ALLOW) {
    return [{ at: 'awaiting-sasl', ...link }, [{ do: 'send', xml: formatExternalAuth(context.localDomain) }]];
  }
  return dialback(link, hasExternal ? external : undefined, context);
}

function dialback(link: Link, sasl: Decision | undefined, context: OutboundContext): Step {
  const state: OutboundState = { at: 'awaiting-features', proved: undefined, ...link };
  const method = link.security === undefined ? 'tcp-dialback' : 'tls-dialback';
  const decision = decide(method, link, context);
  if (decision.verdict === 'refuse') {
    // The stronger method's reason says more than "dialback is not allowed either".
    const cause = sasl?.verdict === 'refuse' ? sasl : saslMissing(decision, context);
    return closeRefused(state, cause, certificateDetail(link, context));
  }
  if (!link.peerHasDialback) {
    return closeRefused(
      state,
      refuse('method-not-allowed', ''),
      'the peer offers no method that the partner settings allow',
    );
  }
  const { dialbackSecret, localDomain, remoteDomain } = context;
  const key = dialbackKey(dialbackSecret, remoteDomain, localDomain, link.streamId);
  const xml = formatDialbackRequest({ from: localDomain, to: remoteDomain }, key);
  return [{ at: 'awaiting-dialback', ...link }, [{ do: 'send', xml }]];
}

function saslMissing(decision: Refused, context: OutboundContext): Refused {
  const entry = context.index.partnerOf(context.remoteDomain);
  if (entry === undefined || !isMethodAllowed(entry.partner, 'sasl-over-tls')) return decision;
  return { verdict: 'refuse', reason: 'method-not-allowed', path: `${entry.path}.saslNegotiation` };
}

function certificateDetail(link: Link, context: OutboundContext): string {
  return link.security?.judge(context.remoteDomain).detail ?? '';
}

function decide(method: AuthMethod, link: Link, context: OutboundContext): Decision {
  const proof = proofBy(method, link, context);
  const decision = admitStream({ direction: 'outbound', ...proof }, context.index);
  if (decision.verdict === 'refuse' && decision.reason === 'certificate-not-valid') {
    const refusal = link.security?.judge(context.remoteDomain).refusal ?? 'certificate-not-valid';
    return refuse(refusal, decision.path);
  }
  return decision;
}

function proofBy(method: AuthMethod, link: Link, { localDomain, remoteDomain }: OutboundContext): Proof {
  return { localDomain, remoteDomain, method, certificateProves: link.security?.judge(remoteDomain).proves ?? false };
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
      { at: 'awaiting-header', security: state.security, proved: proofBy('sasl-over-tls', state, context) },
      [{ do: 'restart' }, { do: 'send', xml: headerFor(context) }],
    ];
  }
  if (element.name !== 'failure') return closeProtocol(state, 'policy-violation', 'EXTERNAL has no challenges here');
  // XEP-0178 section 3: dialback may follow a refused certificate, where the partner's row allows it.
  const [condition] = element.elements();
  const failed: Decision = refuse('method-not-allowed', '');
  const { security, streamId } = state;
  const next = dialback({ security, streamId, peerHasDialback: true }, failed, context);
  return withDetail(next, `SASL: ${condition?.name ?? 'failure'}`);
}

function withDetail([state, effects]: Step, detail: string): Step {
  return [
    state,
    effects.map((effect) =>
      effect.do === 'close' && effect.ending.why === 'refused'
        ? { ...effect, ending: { ...effect.ending, detail } }
        : effect,
    ),
  ];
}

function onDialbackResult(
  state: OutboundState & { at: 'awaiting-dialback' },
  element: XmlElement,
  context: OutboundContext,
): Step {
  const answer = readAnswer(element, 'result', context);
  if (answer === undefined) return unexpected(state, element);
  if (answer.type === 'valid') {
    return admit(
      state,
      proofBy(state.security === undefined ? 'tcp-dialback' : 'tls-dialback', state, context),
      context,
    );
  }
  const detail = answer.type === 'error' ? answer.condition : 'the peer says the key is invalid';
  return closeRefused(state, refuse('dialback-failed', ''), detail);
}

function onVerify(state: OutboundState, event: OutboundEvent & { type: 'verify' }, context: OutboundContext): Step {
  if (state.at !== 'verifying') {
    return [
      state,
      [{ do: 'verified', streamId: event.streamId, answer: { type: 'error', condition: 'remote-connection-failed' } }],
    ];
  }
  const addresses = { from: context.localDomain, to: context.remoteDomain };
  return [
    { ...state, asked: new Set([...state.asked, event.streamId]) },
    [{ do: 'send', xml: formatVerifyRequest(addresses, event.streamId, event.key) }],
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
  context: OutboundContext,
): DialbackAnswer | undefined {
  if (element.ns !== NS.dialback || element.name !== name) return undefined;
  if (normalizeDomain(element.attr('from') ?? '') !== context.remoteDomain) return undefined;
  if (normalizeDomain(element.attr('to') ?? '') !== context.localDomain) return undefined;
  switch (element.attr('type')) {
    case 'valid':
      return { type: 'valid' };
    case 'invalid':
      return { type: 'invalid' };
    case 'error': {
      const conditions = element.child('error', NS.server)?.elements() ?? element.child('error')?.elements() ?? [];
      return {
        type: 'error',
        condition: conditions.find((child) => child.ns === NS.stanzas)?.name ?? 'undefined-condition',
      };
    }
    default:
      return undefined;
  }
}

function admit(link: Link, proof: Proof, context: OutboundContext): Step {
  const { security, streamId, peerHasDialback } = link;
  const decision = admitStream({ direction: 'outbound', ...proof }, context.index);
  if (decision.verdict === 'refuse') {
    return closeRefused({ at: 'awaiting-dialback', security, streamId, peerHasDialback }, decision, '');
  }
  return [{ at: 'open', proof, security, streamId, peerHasDialback }, [{ do: 'admitted', proof }]];
}

function onReconsider(state: OutboundState, context: OutboundContext): Step {
  const { localDomain, remoteDomain, index } = context;
  if (state.at !== 'open') {
    const decision = mayFederate(localDomain, remoteDomain, index);
    return decision.verdict === 'refuse' ? closeRefused(state, decision, '') : [state, NOTHING];
  }
  const decision = decide(state.proof.method, state, context);
  return decision.verdict === 'refuse' ? closeRefused(state, decision, '') : [state, NOTHING];
}

// -- endings ---------------------------------------------------------------------------------------------------------

function refused({ reason, path }: Refused, detail: string): StreamEnding {
  return { why: 'refused', reason, path, detail };
}

function closeRefused(state: OutboundState, decision: Refused, detail: string): Step {
  return close(state, refusalOf(decision.reason).streamError, refused(decision, detail));
}

function closeProtocol(state: OutboundState, condition: StreamErrorCondition, detail: string): Step {
  return close(state, condition, { why: 'protocol', condition, detail });
}

function close(state: OutboundState, condition: StreamErrorCondition, ending: StreamEnding): Step {
  const xml = hasStream(state) ? formatStreamError(condition, '') + STREAM_END : '';
  return [CLOSED, [{ do: 'close', xml, ending }]];
}

function endOf(state: OutboundState): string {
  return hasStream(state) ? STREAM_END : '';
}

function hasStream(state: OutboundState): boolean {
  return state.at !== 'connecting' && state.at !== 'securing';
}
