import { type FederationIndex, type Refused, refusalOf } from '../../policy/index.ts';
import type { DialbackAnswer } from './dialback.ts';
import type { XmlElement } from './element.ts';
import type { Jid } from './jid.ts';
import {
  type ChannelEffect,
  type ChannelSecurity,
  type DomainPair,
  type Proof,
  refused,
  type SessionEvent,
  type StreamEnding,
} from './session.ts';
import type { StanzaErrorCondition } from './stanza-error.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import { formatStreamError, formatStreamHeader, type StreamLimits } from './stream-text.ts';

/** The receiving side of a stream: what it sees, where it can be, what it does, and how it ends. */

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

/** What is known of a stream once its header has come. */
export interface Stream {
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

export interface Proved extends Stream {
  /** One of `proofs`, where most stanzas find theirs. */
  readonly first: Proof;
  readonly proofs: ReadonlyMap<string, Proof>;
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
  | ({ readonly at: 'open' } & Proved)
  /** We have closed our side; what the peer sent before it noticed still counts, until it closes too (RFC 6120 4.4). */
  | ({ readonly at: 'leaving' } & Proved)
  | { readonly at: 'closed' };

export const INBOUND_START: InboundState = { at: 'connecting' };

export type InboundStep = readonly [InboundState, readonly InboundEffect[]];
export const CLOSED: InboundState = { at: 'closed' };
export const NOTHING: readonly InboundEffect[] = [];

/** A stream on which both sides speak. */
export type Talking = InboundState & { at: 'negotiating' | 'open' };

/** Our policy says no: the stream error of the reason, the rest for the operator only. */
export function closeRefused(state: InboundState, decision: Refused, detail: string): InboundStep {
  return close(state, refusalOf(decision.reason).streamError, '', refused(decision, detail));
}

/** The peer broke the protocol, and is told how. */
export function closeProtocol(state: InboundState, condition: StreamErrorCondition, detail: string): InboundStep {
  return close(state, condition, detail, { why: 'protocol', condition, detail });
}

export function closeUnsupported(state: InboundState): InboundStep {
  return closeProtocol(state, 'unsupported-stanza-type', '');
}

export function close(
  state: InboundState,
  condition: StreamErrorCondition,
  text: string,
  ending: StreamEnding,
): InboundStep {
  return [CLOSED, [{ do: 'close', xml: lastWords(state, formatStreamError(condition, text)), ending }]];
}

function lastWords(state: InboundState, error: string): string {
  if (hasStream(state)) return error;
  // Before our header an error needs one (RFC 6120 section 4.9.1.1); during a handshake there is no stream at all.
  return state.at === 'awaiting-header' ? formatStreamHeader({ from: '', to: '', id: '0' }) + error : '';
}

/** Both headers are out and neither side has closed: there is a stream to write to. */
export function hasStream(state: InboundState): boolean {
  return state.at === 'negotiating' || state.at === 'open';
}
