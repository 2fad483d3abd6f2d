// Long because: one state machine is easier to check in one place than in two files that call each other.
import { normalizeDomain } from '../../config/index.ts';
import {
  ALLOW,
  type AuthMethod,
  admitStream,
  type FederationIndex,
  mayFederate,
  offerFeatures,
  type RefusalReason,
  type Refused,
  refusalOf,
  refuse,
} from '../../policy/index.ts';
import { type DialbackAnswer, isDialbackKey } from './dialback.ts';
import type { XmlElement } from './element.ts';
import { type Jid, parseJid } from './jid.ts';
import { NS } from './namespaces.ts';
import type { ChannelEffect, ChannelSecurity, Proof, SessionEvent, StreamEnding } from './session.ts';
import type { StanzaErrorCondition } from './stanza-error.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import type { StreamHeader } from './stream-parser.ts';
import {
  formatDialbackAnswer,
  formatFeatures,
  formatSaslFailure,
  formatStreamError,
  formatStreamHeader,
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
  /** A limit that one more stream of this domain would break. */
  limitFor(remoteDomain: string): RefusalReason | undefined;
}

export type InboundEvent =
  | SessionEvent
  | { readonly type: 'opened'; readonly security: ChannelSecurity | undefined }
  | {
      readonly type: 'dialback-answer';
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
      readonly proved: Proof | undefined;
    }
  | { readonly at: 'securing' }
  | ({ readonly at: 'negotiating' } & Stream)
  | ({ readonly at: 'open'; readonly first: Proof; readonly proofs: ReadonlyMap<string, Proof> } & Stream)
  | { readonly at: 'closed' };

export const INBOUND_START: InboundState = { at: 'connecting' };

const MAX_SASL_TRIES = 3;
/** Outstanding and total look-ups an unproved stream may cause: each costs us a connection. */
const MAX_LOOK_UPS_UNPROVED = 4;
const MAX_PAIRS = 64;
const MAX_ELEMENTS_UNPROVED = 64;

type Step = readonly [InboundState, readonly InboundEffect[]];
const CLOSED: InboundState = { at: 'closed' };
const NOTHING: readonly InboundEffect[] = [];

export function stepInbound(state: InboundState, event: InboundEvent, context: InboundContext): Step {
  if (state.at === 'closed') return [state, NOTHING];
  switch (event.type) {
    case 'opened':
      return [{ at: 'awaiting-header', security: event.security, proved: undefined }, NOTHING];
    case 'header':
      return onHeader(state, event.header, context);
    case 'element':
      return onElement(state, event.element, context);
    case 'secured':
      if (state.at !== 'securing') return closeProtocol(state, 'internal-server-error', 'unexpected TLS');
      return [{ at: 'awaiting-header', security: event.security, proved: undefined }, NOTHING];
    case 'dialback-answer':
      return onDialbackAnswer(state, event, context);
    case 'reconsider':
      return onReconsider(state, context);
    case 'broken':
      return closeProtocol(state, event.condition, event.text);
    case 'stream-end':
      return [CLOSED, [{ do: 'close', xml: STREAM_END, ending: { why: 'peer-closed' } }]];
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
  const { security, proved } = state;
  const streamId = context.newStreamId();
  const to = header.to === undefined ? undefined : normalizeDomain(header.to);
  const from = header.from === undefined ? '' : (normalizeDomain(header.from) ?? undefined);
  const own = formatStreamHeader({ from: to ?? '', to: from ?? '', id: streamId });
  const end = (condition: StreamErrorCondition, ending: StreamEnding, text = ''): Step => [
    CLOSED,
    [{ do: 'close', xml: own + formatStreamError(condition, text) + STREAM_END, ending }],
  ];
  const protocol = (condition: StreamErrorCondition, detail: string): Step =>
    end(condition, { why: 'protocol', condition, detail }, detail);

  if (header.defaultNs !== NS.server)
    return protocol('invalid-namespace', 'the content namespace must be jabber:server');
  if (to === undefined) return protocol('improper-addressing', 'the stream header must name the domain it is for');
  if (from === undefined) return protocol('invalid-from', 'the stream header names no domain as its sender');
  if (context.index.servedDomain(to) === undefined) {
    return end('host-unknown', refused(refuse('domain-not-served', 'domains'), to));
  }
  if (proved !== undefined && (from !== proved.remoteDomain || to !== proved.localDomain)) {
    return protocol('invalid-from', 'the stream must keep its addresses after SASL');
  }
  if (from !== '') {
    const decision = mayFederate(to, from, context.index);
    if (decision.verdict === 'refuse') {
      return end(refusalOf(decision.reason).streamError, refused(decision, from));
    }
    const limit = context.limitFor(from);
    if (limit !== undefined) return end(refusalOf(limit).streamError, refused(refuse(limit, limitPath(limit)), from));
  }

  const stream: Stream = {
    streamId,
    localDomain: to,
    remoteDomain: from,
    security,
    saslTries: 0,
    elements: 0,
    lookUps: 0,
    pending: new Set(),
  };
  const offer = offerOn(stream, context, proved !== undefined);
  const hasFeatures = /^\s*[1-9]/.test(header.version ?? '');
  const greeting: InboundEffect = { do: 'send', xml: hasFeatures ? own + formatFeatures(offer, context.limits) : own };
  if (proved === undefined) return [{ at: 'negotiating', ...stream }, [greeting]];
  return admit({ at: 'negotiating', ...stream }, proved, [greeting], context);
}

/** What the stream may use now. Without a sender in the header there is no partner, hence no certificate to offer EXTERNAL for. */
function offerOn(stream: Stream, context: InboundContext, isProved: boolean): ReturnType<typeof offerFeatures> {
  const secured = stream.security !== undefined;
  const entry = context.index.partnerOf(stream.remoteDomain);
  if (entry === undefined) return { starttls: secured ? 'none' : 'optional', saslExternal: false, dialback: true };
  const certificateProves = stream.security?.judge(stream.remoteDomain).proves ?? false;
  const offer = offerFeatures(entry.partner, { secured, certificateProves });
  return isProved ? { ...offer, saslExternal: false } : offer;
}

// -- elements --------------------------------------------------------------------------------------------------------

function onElement(state: InboundState, element: XmlElement, context: InboundContext): Step {
  switch (state.at) {
    case 'open':
      return element.ns === NS.server ? onStanza(state, element) : onNegotiation(state, element, context);
    case 'negotiating':
      if (state.elements >= MAX_ELEMENTS_UNPROVED)
        return closeProtocol(state, 'policy-violation', 'too many elements before authentication');
      return onNegotiation({ ...state, elements: state.elements + 1 }, element, context);
    default:
      return closeProtocol(state, 'bad-format', 'unexpected element');
  }
}

function onStanza(state: InboundState & { at: 'open' }, stanza: XmlElement): Step {
  const { name } = stanza;
  if (name !== 'message' && name !== 'presence' && name !== 'iq')
    return closeProtocol(state, 'unsupported-stanza-type', '');
  const fromText = stanza.attr('from');
  const toText = stanza.attr('to');
  if (fromText === undefined || toText === undefined) return closeProtocol(state, 'improper-addressing', '');
  const from = parseJid(fromText);
  if (from === undefined) return closeProtocol(state, 'invalid-from', '');
  const to = parseJid(toText);
  if (to === undefined) {
    const proof = proofOf(state, from.domain, state.localDomain);
    if (proof === undefined) return closeProtocol(state, 'invalid-from', '');
    return [state, [{ do: 'reject', stanza, condition: 'jid-malformed', proof }]];
  }
  const proof = proofOf(state, from.domain, to.domain);
  // A1: a domain that has not been proved on this stream, towards the domain it writes to.
  if (proof === undefined)
    return closeProtocol(state, 'invalid-from', 'this pair of domains has not been proved on this stream');
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
      return closeProtocol(state, 'unsupported-stanza-type', '');
    case NS.tls:
      return onStarttls(state, element, context);
    case NS.sasl:
      return onSasl(state, element, context);
    case NS.streams:
      if (element.name !== 'error') return closeProtocol(state, 'unsupported-stanza-type', '');
      return [CLOSED, [{ do: 'close', xml: STREAM_END, ending: peerError(element) }]];
    case NS.server: {
      // T1, X4: nothing is carried before a domain is proved.
      const entry = context.index.partnerOf(state.remoteDomain);
      if (state.security === undefined && entry?.partner.tlsNegotiation === 'Required') {
        return closeRefused(state, refuse('tls-required', `${entry.path}.tlsNegotiation`), state.remoteDomain);
      }
      return closeProtocol(state, 'not-authorized', 'no stanza before the domain is proved');
    }
    default:
      return closeProtocol(state, 'unsupported-stanza-type', '');
  }
}

function onStarttls(state: Talking, element: XmlElement, context: InboundContext): Step {
  if (element.name !== 'starttls') return closeProtocol(state, 'unsupported-stanza-type', '');
  if (state.at === 'open' || state.security !== undefined || offerOn(state, context, false).starttls === 'none') {
    const ending: StreamEnding = { why: 'protocol', condition: 'policy-violation', detail: 'STARTTLS was not offered' };
    return [CLOSED, [{ do: 'close', xml: TLS_FAILURE + STREAM_END, ending }]];
  }
  return [{ at: 'securing' }, [{ do: 'send', xml: PROCEED }, { do: 'start-tls' }]];
}

function onSasl(state: Talking, element: XmlElement, context: InboundContext): Step {
  if (state.at === 'open') return closeProtocol(state, 'policy-violation', 'already authenticated');
  if (element.name === 'abort')
    return [state, [{ do: 'send', xml: `<failure xmlns='${NS.sasl}'><aborted/></failure>` }]];
  if (element.name !== 'auth') return closeProtocol(state, 'unsupported-stanza-type', '');
  const entry = context.index.partnerOf(state.remoteDomain);
  if (state.security === undefined) {
    if (entry?.partner.tlsNegotiation === 'Required') {
      return closeRefused(state, refuse('tls-required', `${entry.path}.tlsNegotiation`), state.remoteDomain);
    }
    return failSasl(state, 'encryption-required');
  }
  if (element.attr('mechanism') !== 'EXTERNAL' || entry === undefined) return failSasl(state, 'invalid-mechanism');
  // T9: an empty authorization identity means the stream's sender; another one is refused.
  const authzid = readAuthzid(element.text());
  if (authzid === undefined) return failSasl(state, 'incorrect-encoding');
  if (authzid !== '' && normalizeDomain(authzid) !== state.remoteDomain) return failSasl(state, 'invalid-authzid');
  const verdict = state.security.judge(state.remoteDomain);
  const proof = proofBy('sasl-over-tls', state.remoteDomain, state.localDomain, verdict.proves);
  const decision = admitStream({ direction: 'inbound', ...proof }, context.index);
  if (decision !== ALLOW) return failSasl(state, 'not-authorized');
  return [
    { at: 'awaiting-header', security: state.security, proved: proof },
    [{ do: 'send', xml: SASL_SUCCESS }, { do: 'restart' }],
  ];
}

function failSasl(
  state: InboundState & { at: 'negotiating' },
  condition: Parameters<typeof formatSaslFailure>[0],
): Step {
  const xml = formatSaslFailure(condition);
  if (state.saslTries + 1 >= MAX_SASL_TRIES) {
    const ending: StreamEnding = { why: 'protocol', condition: 'policy-violation', detail: 'too many SASL tries' };
    return [CLOSED, [{ do: 'close', xml: xml + formatStreamError('policy-violation', '') + STREAM_END, ending }]];
  }
  return [{ ...state, saslTries: state.saslTries + 1 }, [{ do: 'send', xml }]];
}

function readAuthzid(text: string): string | undefined {
  const base64 = text.trim();
  if (base64 === '' || base64 === '=') return '';
  if (base64.length > 4_096 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  return Buffer.from(base64, 'base64').toString('utf8');
}

// -- dialback --------------------------------------------------------------------------------------------------------

function onDialbackResult(state: Talking, element: XmlElement, context: InboundContext): Step {
  // D2: an answer to a question nobody asked on this stream.
  if (element.attr('type') !== undefined)
    return closeProtocol(state, 'policy-violation', 'unsolicited dialback answer');
  const remoteDomain = normalizeDomain(element.attr('from') ?? '');
  const localDomain = normalizeDomain(element.attr('to') ?? '');
  if (remoteDomain === undefined || localDomain === undefined) return closeProtocol(state, 'improper-addressing', '');
  const pair = `${remoteDomain} ${localDomain}`;
  const proof = proofBy(
    state.security === undefined ? 'tcp-dialback' : 'tls-dialback',
    remoteDomain,
    localDomain,
    state.security?.judge(remoteDomain).proves ?? false,
  );
  const decision = admitStream({ direction: 'inbound', ...proof }, context.index);
  if (decision.verdict === 'refuse') {
    // T1: a partner that must encrypt and does not gets no second chance on this stream.
    if (decision.reason === 'tls-required' && state.at === 'negotiating')
      return closeRefused(state, decision, remoteDomain);
    return refusePair(state, pair, decision);
  }
  const proofs = state.at === 'open' ? state.proofs.size : 0;
  const isFull = proofs === 0 ? state.lookUps >= MAX_LOOK_UPS_UNPROVED : proofs + state.pending.size >= MAX_PAIRS;
  const limit = isFull ? 'connection-limit' : context.limitFor(remoteDomain);
  if (limit !== undefined) return refusePair(state, pair, refuse(limit, limitPath(limit)));
  if (state.pending.has(pair)) return [state, NOTHING];
  return [
    { ...state, lookUps: state.lookUps + 1, pending: new Set([...state.pending, pair]) },
    [{ do: 'verify-dialback', remoteDomain, localDomain, streamId: state.streamId, key: element.text() }],
  ];
}

function refusePair(state: Talking, pair: string, decision: Refused): Step {
  const [remoteDomain = '', localDomain = ''] = pair.split(' ');
  const condition = refusalOf(decision.reason).dialbackError;
  const xml = formatDialbackAnswer({ from: localDomain, to: remoteDomain }, { condition });
  return [
    state,
    [
      { do: 'send', xml },
      { do: 'pair-refused', ending: refused(decision, remoteDomain), remoteDomain },
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
  const pair = `${remoteDomain} ${localDomain}`;
  // T10, D3: only what this stream asked for counts.
  if (!state.pending.has(pair)) return [state, NOTHING];
  const pending = new Set(state.pending);
  pending.delete(pair);
  const settled: Talking = { ...state, pending };
  const addresses = { from: localDomain, to: remoteDomain };
  switch (answer.type) {
    case 'valid': {
      const method = state.security === undefined ? 'tcp-dialback' : 'tls-dialback';
      const proof = proofBy(method, remoteDomain, localDomain, state.security?.judge(remoteDomain).proves ?? false);
      return admit(settled, proof, [{ do: 'send', xml: formatDialbackAnswer(addresses, 'valid') }], context);
    }
    case 'invalid': {
      const xml = formatDialbackAnswer(addresses, 'invalid');
      const ending = refused(refuse('dialback-failed', ''), remoteDomain);
      if (settled.at === 'open')
        return [
          settled,
          [
            { do: 'send', xml },
            { do: 'pair-refused', ending, remoteDomain },
          ],
        ];
      return [CLOSED, [{ do: 'close', xml: xml + formatStreamError('not-authorized', '') + STREAM_END, ending }]];
    }
    case 'error':
      return [
        settled,
        [
          { do: 'send', xml: formatDialbackAnswer(addresses, { condition: answer.condition }) },
          { do: 'pair-refused', ending: refused(refuse('dialback-failed', ''), answer.condition), remoteDomain },
        ],
      ];
  }
}

/** We are the authoritative server: is this the key we gave out? */
function onDialbackVerify(state: Talking, element: XmlElement, context: InboundContext): Step {
  // D1: an answer where only questions may come.
  if (element.attr('type') !== undefined)
    return closeProtocol(state, 'policy-violation', 'unsolicited dialback answer');
  const receiving = normalizeDomain(element.attr('from') ?? '');
  const originating = normalizeDomain(element.attr('to') ?? '');
  const id = element.attr('id');
  if (receiving === undefined || originating === undefined || id === undefined) {
    return closeProtocol(state, 'improper-addressing', '');
  }
  const addresses = { from: originating, to: receiving };
  const method = state.security === undefined ? 'tcp-dialback' : 'tls-dialback';
  const facts = {
    direction: 'inbound',
    localDomain: originating,
    remoteDomain: receiving,
    method,
    certificateProves: false,
  } as const;
  const decision = admitStream(facts, context.index);
  if (decision.verdict === 'refuse') {
    const { dialbackError: condition } = refusalOf(decision.reason);
    return [state, [{ do: 'send', xml: formatDialbackAnswer(addresses, { condition }, id) }]];
  }
  const isOurs = isDialbackKey(element.text(), context.dialbackSecret, receiving, originating, id);
  return [state, [{ do: 'send', xml: formatDialbackAnswer(addresses, isOurs ? 'valid' : 'invalid', id) }]];
}

// -- admission -------------------------------------------------------------------------------------------------------

/** A domain has been proved: the last question to the policy, then the stream carries its stanzas. */
function admit(state: Talking, proof: Proof, effects: readonly InboundEffect[], context: InboundContext): Step {
  const decision = admitStream({ direction: 'inbound', ...proof }, context.index);
  if (decision.verdict === 'refuse') {
    if (state.at === 'open') return refusePair(state, `${proof.remoteDomain} ${proof.localDomain}`, decision);
    return closeRefused(state, decision, proof.remoteDomain);
  }
  const proofs = new Map(state.at === 'open' ? state.proofs : []);
  proofs.set(`${proof.remoteDomain} ${proof.localDomain}`, proof);
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
  let refusal: Refused | undefined;
  for (const [pair, proof] of state.proofs) {
    const certificateProves = state.security?.judge(proof.remoteDomain).proves ?? false;
    const decision = admitStream({ direction: 'inbound', ...proof, certificateProves }, context.index);
    if (decision.verdict === 'allow') proofs.set(pair, proof);
    else refusal = decision;
  }
  if (refusal === undefined) return [state, NOTHING];
  const [first] = proofs.values();
  if (first === undefined) return closeRefused(state, refusal, state.remoteDomain);
  return [{ ...state, first, proofs }, NOTHING];
}

function proofBy(method: AuthMethod, remoteDomain: string, localDomain: string, certificateProves: boolean): Proof {
  return { localDomain, remoteDomain, method, certificateProves };
}

// -- endings ---------------------------------------------------------------------------------------------------------

function refused({ reason, path }: Refused, detail: string): Extract<StreamEnding, { why: 'refused' }> {
  return { why: 'refused', reason, path, detail };
}

function limitPath(reason: RefusalReason): string {
  return reason === 'partner-connection-limit'
    ? 'xmppGatewayConfiguration.partnerConnectionLimit'
    : 'xmppGatewayConfiguration.connectionLimit';
}

function closeRefused(state: InboundState, decision: Refused, detail: string): Step {
  return close(state, refusalOf(decision.reason).streamError, '', refused(decision, detail));
}

function closeProtocol(state: InboundState, condition: StreamErrorCondition, detail: string): Step {
  return close(state, condition, detail, { why: 'protocol', condition, detail });
}

function close(state: InboundState, condition: StreamErrorCondition, text: string, ending: StreamEnding): Step {
  // During a handshake there is no stream to write to; before our header an error needs one (RFC 6120 section 4.9.1).
  if (state.at === 'securing' || state.at === 'connecting') return [CLOSED, [{ do: 'close', xml: '', ending }]];
  const header = state.at === 'awaiting-header' ? formatStreamHeader({ from: '', to: '', id: '0' }) : '';
  return [CLOSED, [{ do: 'close', xml: header + formatStreamError(condition, text) + STREAM_END, ending }]];
}

/** A `<stream:error/>` of the peer as an ending. */
export function peerError(element: XmlElement): StreamEnding {
  const [condition] = element.elements().filter((child) => child.ns === NS.streamErrors && child.name !== 'text');
  const detail = element.child('text', NS.streamErrors)?.text() ?? '';
  return { why: 'peer-error', condition: condition?.name ?? 'undefined-condition', detail };
}
