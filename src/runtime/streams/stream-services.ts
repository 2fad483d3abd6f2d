import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { FederationIndex, PartnerEntry } from '../../policy/index.ts';
import { sentChain } from '../net/tls-secure.ts';
import type { XmlElement } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { CertificateVerdict, ChannelSecurity, Proof, StreamEnding } from '../xmpp/session.ts';
import type { StanzaErrorCondition } from '../xmpp/stanza-error.ts';
import type { ParserLimits } from '../xmpp/stream-parser.ts';
import type { StreamLedger } from './stream-ledger.ts';

/** What the drivers of streams need from the world around them. */
export interface StreamServices {
  /** The configuration in force; a reload replaces it. */
  index: FederationIndex;
  readonly ledger: StreamLedger;
  dialbackSecret: string;
  /** Milliseconds since 1970. */
  now(): number;
  /** Unpredictable: stream ids, jitter. */
  newId(): string;
  /** From 0 up to 1. */
  random(): number;
  /** Wraps a socket we accepted, as the served domain when it is known already (STARTTLS), else by SNI. */
  secureServer(socket: Socket, localDomain: string | undefined): TLSSocket;
  /** Wraps a socket we opened. */
  secureClient(socket: Socket, localDomain: string, remoteDomain: string, isDirect: boolean): TLSSocket;
  /** Judges the certificates a peer sent, DER, its own first. */
  judge(chain: readonly Buffer[], remoteDomain: string): CertificateVerdict;
  /** Opens a socket to a server of the domain; rejects with a `GatewayError`. */
  connect(remoteDomain: string, partner: PartnerEntry, signal: AbortSignal): Promise<Dialled>;
  observe(event: StreamObservation): void;
  onStanza(stanza: ReceivedStanza): void;
  onRejected(stanza: XmlElement, condition: StanzaErrorCondition, proof: Proof): void;
}

export interface Dialled {
  readonly socket: Socket;
  readonly isDirectTls: boolean;
}

/** A stanza from a proved pair of domains. */
export interface ReceivedStanza {
  readonly stanza: XmlElement;
  readonly from: Jid;
  readonly to: Jid;
  readonly proof: Proof;
  readonly streamId: string;
}

export type StreamDirection = 'inbound' | 'outbound';

/** What operators may want to know of streams: becomes audit lines and metrics. */
export type StreamObservation =
  | {
      readonly type: 'stream-admitted';
      readonly direction: StreamDirection;
      readonly streamId: string;
      readonly peerAddress: string;
      readonly proof: Proof;
      readonly tls: string;
    }
  | {
      readonly type: 'pair-refused';
      readonly direction: StreamDirection;
      readonly streamId: string;
      readonly peerAddress: string;
      readonly localDomain: string;
      readonly remoteDomain: string;
      readonly ending: Extract<StreamEnding, { why: 'refused' }>;
    }
  | {
      readonly type: 'stream-ended';
      readonly direction: StreamDirection;
      readonly streamId: string;
      readonly peerAddress: string;
      readonly localDomain: string;
      readonly remoteDomain: string;
      readonly wasAdmitted: boolean;
      readonly ending: StreamEnding;
    }
  | { readonly type: 'connection-refused'; readonly peerAddress: string; readonly reason: string };

/** One open stream, for the admin listener. */
export interface StreamSnapshot {
  readonly direction: StreamDirection;
  readonly streamId: string;
  readonly peerAddress: string;
  readonly state: string;
  readonly proofs: readonly Proof[];
  readonly tls: string;
  readonly openedAt: string;
}

/** What a stream may cost before a domain is proved: enough for the longest certificate chain in base64. */
export const UNPROVED_LIMITS: ParserLimits = {
  maxElementBytes: 10_000,
  maxHeaderBytes: 4_096,
  maxDepth: 8,
  maxAttributes: 16,
  maxChildren: 128,
  maxNameBytes: 256,
};

/** What a stanza may cost on a proved stream; `maxBytes` is `maximumStanzaSize`. */
export function provedLimits(maxBytes: number): ParserLimits {
  return {
    maxElementBytes: maxBytes,
    maxHeaderBytes: 4_096,
    maxDepth: 64,
    maxAttributes: 64,
    maxChildren: 4_096,
    maxNameBytes: 1_024,
  };
}

export function channelSecurity(socket: TLSSocket, services: StreamServices): ChannelSecurity {
  // Read once: what the peer showed in the handshake is what it is judged by as long as the stream lives.
  const chain = sentChain(socket);
  return {
    protocol: socket.getProtocol() ?? '',
    cipher: socket.getCipher().name,
    judge: (remoteDomain) => services.judge(chain, remoteDomain),
  };
}

export function describeSecurity(security: ChannelSecurity | undefined): string {
  return security === undefined ? 'none' : `${security.protocol} ${security.cipher}`;
}
