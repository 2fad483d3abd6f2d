import type { AuthMethod, RefusalReason } from '../../policy/index.ts';
import type { XmlElement } from './element.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import type { StreamHeader } from './stream-parser.ts';

/** What the stream sessions of both directions share: what they see, and how a stream ends. */

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

/** That a remote domain has been proved towards one of ours on a stream. */
export interface Proof {
  readonly localDomain: string;
  readonly remoteDomain: string;
  readonly method: AuthMethod;
  readonly certificateProves: boolean;
}

/** Why a stream ended, in words for logs and metrics. */
export type StreamEnding =
  | { readonly why: 'refused'; readonly reason: RefusalReason; readonly path: string; readonly detail: string }
  | { readonly why: 'protocol'; readonly condition: StreamErrorCondition; readonly detail: string }
  | { readonly why: 'peer-error'; readonly condition: string; readonly detail: string }
  | { readonly why: 'peer-closed' }
  | { readonly why: 'disconnected'; readonly detail: string }
  /** The domain has no reachable server; `code` is that of the failure below. */
  | { readonly why: 'unreachable'; readonly code: string; readonly detail: string }
  | { readonly why: 'timeout'; readonly what: 'establishment' | 'inactivity' }
  | { readonly why: 'shutdown' }
  | { readonly why: 'fault'; readonly detail: string };

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
  /** One domain was refused on a stream that stays open for others. */
  | {
      readonly do: 'pair-refused';
      readonly ending: Extract<StreamEnding, { why: 'refused' }>;
      readonly remoteDomain: string;
    }
  /** Write `xml` if any, flush, close the socket. */
  | { readonly do: 'close'; readonly xml: string; readonly ending: StreamEnding };
