import {
  type AuthMethod,
  admitStream,
  type Decision,
  type FederationIndex,
  type RefusalReason,
  type Refused,
  refuse,
} from '../../policy/index.ts';
import type { XmlElement } from './element.ts';
import { NS } from './namespaces.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import type { StreamHeader } from './stream-parser.ts';

/** What the stream sessions of both directions share: what they see, what they ask, and how a stream ends. */

/** What a peer's certificate says for one domain, judged with the trust anchors of the partner that has it. */
export interface CertificateVerdict {
  /** Valid, trusted for this partner, and names the domain. */
  readonly proves: boolean;
  /** Why not, for the operator; empty when it proves the domain. */
  readonly detail: string;
  readonly refusal: Extract<RefusalReason, 'certificate-not-valid' | 'certificate-name-mismatch'>;
}

/** An encrypted channel below a stream. */
export interface ChannelSecurity {
  readonly protocol: string;
  readonly cipher: string;
  judge(remoteDomain: string): CertificateVerdict;
}

/** A domain of ours and one of a partner, in normal form. */
export interface DomainPair {
  readonly localDomain: string;
  readonly remoteDomain: string;
}

/** That a remote domain has been proved towards one of ours on a stream. */
export interface Proof extends DomainPair {
  readonly method: AuthMethod;
  readonly certificateProves: boolean;
}

/** A way of proving a pair of domains with what the channel shows now, and what the policy says to it. */
export interface Judgement {
  readonly proof: Proof;
  readonly decision: Decision;
  /** What is wrong with the certificate, where that decided; else empty. */
  readonly detail: string;
}

/** Asks the policy about a method of proof. A refused certificate is told apart: not valid, or not for this domain. */
export function judgeProof(
  direction: 'inbound' | 'outbound',
  { localDomain, remoteDomain }: DomainPair,
  method: AuthMethod,
  security: ChannelSecurity | undefined,
  index: FederationIndex,
): Judgement {
  const verdict = security?.judge(remoteDomain);
  const proof: Proof = { localDomain, remoteDomain, method, certificateProves: verdict?.proves ?? false };
  const decision = admitStream({ direction, ...proof }, index);
  if (decision.verdict === 'allow' || decision.reason !== 'certificate-not-valid' || verdict === undefined) {
    return { proof, decision, detail: '' };
  }
  return { proof, decision: refuse(verdict.refusal, decision.path), detail: verdict.detail };
}

/** The form of dialback that a channel allows. */
export function dialbackOver(security: ChannelSecurity | undefined): 'tls-dialback' | 'tcp-dialback' {
  return security === undefined ? 'tcp-dialback' : 'tls-dialback';
}

/** Why a stream ended, in words for logs and metrics. */
export type StreamEnding =
  | RefusedEnding
  | { readonly why: 'protocol'; readonly condition: StreamErrorCondition; readonly detail: string }
  | { readonly why: 'peer-error'; readonly condition: string; readonly detail: string }
  | { readonly why: 'peer-closed' }
  | { readonly why: 'disconnected'; readonly detail: string }
  /** The domain has no reachable server; `code` is that of the failure below. */
  | { readonly why: 'unreachable'; readonly code: string; readonly detail: string }
  | { readonly why: 'timeout'; readonly what: 'establishment' | 'inactivity' }
  | { readonly why: 'shutdown' }
  | { readonly why: 'fault'; readonly detail: string };

/** The end of a stream, or of one pair of domains on it, by our policy. */
export interface RefusedEnding {
  readonly why: 'refused';
  readonly reason: RefusalReason;
  readonly path: string;
  readonly detail: string;
}

export function refused({ reason, path }: Refused, detail: string): RefusedEnding {
  return { why: 'refused', reason, path, detail };
}

const MAX_PEER_TEXT = 256;

/** A `<stream:error/>` of the peer as an ending. */
export function peerError(element: XmlElement): StreamEnding {
  const condition = element.elements().find((child) => child.ns === NS.streamErrors && child.name !== 'text');
  const detail = element.child('text', NS.streamErrors)?.text().slice(0, MAX_PEER_TEXT) ?? '';
  return { why: 'peer-error', condition: condition?.name ?? 'undefined-condition', detail };
}

/** What can happen to a stream of either direction. */
export type SessionEvent =
  | { readonly type: 'header'; readonly header: StreamHeader }
  | { readonly type: 'element'; readonly element: XmlElement }
  | { readonly type: 'secured'; readonly security: ChannelSecurity }
  | { readonly type: 'stream-end' }
  | { readonly type: 'broken'; readonly condition: StreamErrorCondition; readonly text: string }
  | { readonly type: 'timeout'; readonly what: 'establishment' | 'inactivity' }
  /** The configuration changed: ask the policy again. */
  | { readonly type: 'reconsider' }
  | { readonly type: 'shutdown' }
  | { readonly type: 'disconnected'; readonly detail: string };

/** What to do with the socket; the gateway carries these out. */
export type ChannelEffect =
  | { readonly do: 'send'; readonly xml: string }
  /** Discard unread bytes, run the handshake, come back with `secured`. */
  | { readonly do: 'start-tls' }
  /** A new stream starts on the same channel: discard unread bytes, use a new parser. */
  | { readonly do: 'restart' }
  /** The stream may carry stanzas from now on: its limits widen, the establishment timer ends. */
  | { readonly do: 'admitted'; readonly proof: Proof }
  /** One domain, or one way of proving it, was refused on a stream that stays open. */
  | { readonly do: 'pair-refused'; readonly ending: RefusedEnding; readonly remoteDomain: string }
  /** Write `xml` if any, flush, close the socket. */
  | { readonly do: 'close'; readonly xml: string; readonly ending: StreamEnding };
