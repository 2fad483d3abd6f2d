// Over 300 lines because the header and what follows from it are one conversation.
import { normalizeDomain } from '../../config/index.ts';
import { mayFederate, offerFeatures, type Refused, refusalOf, refuse, type StreamOffer } from '../../policy/index.ts';
import type { XmlElement } from './element.ts';
import { admit, onReconsider } from './inbound-admission.ts';
import { onDialbackAnswer, onDialbackResult, onDialbackVerify } from './inbound-dialback.ts';
import {
  CLOSED,
  close,
  closeProtocol,
  closeRefused,
  closeUnsupported,
  hasStream,
  type InboundContext,
  type InboundEffect,
  type InboundEvent,
  type InboundState,
  type InboundStep,
  NOTHING,
  type Proved,
  type Stream,
  type Talking,
} from './inbound-state.ts';
import { parseJid } from './jid.ts';
import { NS } from './namespaces.ts';
import {
  type DomainPair,
  judgeProof,
  type Proof,
  peerError,
  type RefusedEnding,
  refused,
  type StreamEnding,
} from './session.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import type { StreamHeader } from './stream-parser.ts';
import {
  formatFeatures,
  formatSaslFailure,
  formatStreamError,
  formatStreamHeader,
  hasFeatures,
  PROCEED,
  SASL_SUCCESS,
  STREAM_END,
  TLS_FAILURE,
} from './stream-text.ts';

export {
  INBOUND_START,
  type InboundContext,
  type InboundEffect,
  type InboundEvent,
  type InboundState,
} from './inbound-state.ts';

/** The receiving side of a stream a partner opened (RFC 6120, XEP-0178, XEP-0220), as a pure state machine. */

const MAX_SASL_TRIES = 3;
const MAX_ELEMENTS_UNPROVED = 64;
/** Base64 of the longest domain name with room for padding. */
const LONGEST_AUTHZID = 2_048;

export function stepInbound(state: InboundState, event: InboundEvent, context: InboundContext): InboundStep {
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
    case 'stream-end': {
      const why = state.at === 'leaving' ? 'shutdown' : 'peer-closed';
      return [CLOSED, [{ do: 'close', xml: hasStream(state) ? STREAM_END : '', ending: { why } }]];
    }
    case 'timeout':
      return close(state, 'connection-timeout', '', { why: 'timeout', what: event.what });
    case 'shutdown':
      // No error where stanzas may be on their way: after one they would be lost, and nobody would tell their senders.
      if (state.at === 'open') return [{ ...state, at: 'leaving' }, [{ do: 'send', xml: STREAM_END }]];
      return close(state, 'system-shutdown', '', { why: 'shutdown' });
    case 'disconnected':
      return [CLOSED, [{ do: 'close', xml: '', ending: { why: 'disconnected', detail: event.detail } }]];
  }
}

// -- the header ------------------------------------------------------------------------------------------------------

function onHeader(state: InboundState, header: StreamHeader, context: InboundContext): InboundStep {
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
  const end = (condition: StreamErrorCondition, ending: StreamEnding, text = ''): InboundStep => [
    CLOSED,
    [{ do: 'close', xml: own + formatStreamError(condition, text), ending }],
  ];
  const protocol = (condition: StreamErrorCondition, detail: string): InboundStep =>
    end(condition, { why: 'protocol', condition, detail }, detail);
  const refusal = (decision: Refused, detail: string): InboundStep =>
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

function onElement(state: InboundState, element: XmlElement, context: InboundContext): InboundStep {
  switch (state.at) {
    case 'open':
      return element.ns === NS.server ? onStanza(state, element) : onNegotiation(state, element, context);
    case 'leaving':
      // Only stanzas: nothing else could be answered.
      return element.ns === NS.server ? onStanza(state, element) : [state, NOTHING];
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

function onStanza(state: InboundState & Proved, stanza: XmlElement): InboundStep {
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

function proofOf(state: Proved, remoteDomain: string, localDomain: string): Proof | undefined {
  const { first } = state;
  if (first.remoteDomain === remoteDomain && first.localDomain === localDomain) return first;
  return state.proofs.get(`${remoteDomain} ${localDomain}`);
}

function onNegotiation(state: Talking, element: XmlElement, context: InboundContext): InboundStep {
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

function onStarttls(state: Talking, element: XmlElement, context: InboundContext): InboundStep {
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

function onSasl(state: Talking, element: XmlElement, context: InboundContext): InboundStep {
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
): InboundStep {
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

function isSamePair(one: DomainPair, other: DomainPair): boolean {
  return one.localDomain === other.localDomain && one.remoteDomain === other.remoteDomain;
}
