import type { RequestSource } from './format.ts';
import type { ParsedSip } from './message.ts';

export type SipTransportName = 'udp' | 'tcp' | 'tls';

/** A connection, or over UDP the packets to and from one address and port. */
export interface SipFlow {
  readonly transport: SipTransportName;
  /** Whether we opened it. */
  readonly isOutbound: boolean;
  /** Whether the peer may send requests to us: its address or its verified certificate is on the list. */
  readonly isTrusted: boolean;
  readonly state: 'connecting' | 'open' | 'closed';
  /** The remote end. */
  readonly source: RequestSource;
  /** For people: transport, address and port, and the verified name where there is one. */
  readonly peer: string;
  /** Set when the peer lets requests go back over this connection (RFC 5923). */
  mayReuse: boolean;
  /**
   * Queues one message; it leaves with the others of this event-loop turn. False when it was not taken.
   *
   * @param port over UDP: instead of the port of `source`
   */
  send(message: string, port?: number): boolean;
  /** Closes after what was queued is written. */
  close(reason: string): void;
}

/** Where requests go. */
export interface SipTarget {
  /** Name in the configuration, and the one a TLS certificate must carry (RFC 5922 section 7.2). */
  readonly fqdn: string;
  /** Name or address to connect to: `fqdn` itself, or what its SRV record says. */
  readonly host: string;
  readonly port: number;
  readonly transport: SipTransportName;
  readonly priority: number;
  readonly weight: number;
}

export interface SipTransportHandler {
  onMessage(flow: SipFlow, message: ParsedSip): void;
  onOpen(flow: SipFlow): void;
  /** @param wasOpen false when no connection came about, so that nothing queued was written */
  onClosed(flow: SipFlow, wasOpen: boolean, reason: string): void;
  /** A peer was turned away before it could say anything. */
  onRefused(peer: string, reason: string): void;
}

/** Carries SIP messages; the endpoint is all above it. */
export interface SipTransport {
  start(handler: SipTransportHandler): Promise<void>;
  /** Closes everything; resolves when it is closed. */
  stop(): Promise<void>;
  /** A flow to the target, perhaps still connecting: what is sent before it is open waits. Never throws. */
  connect(target: SipTarget): SipFlow;
  /** Host and port that requests over this transport name in their Via. */
  sentBy(transport: SipTransportName): string;
  /** Deadlines; called about ten times a second. */
  tick(nowMs: number): void;
}
