import { randomBytes } from 'node:crypto';
import type { SipConfiguration } from '../config/sip.ts';
import type { Resolver } from './net/dns-resolver.ts';
import { directTarget, resolveTargets, SystemResolver } from './net/sip-targets.ts';
import {
  type SipListener,
  type SipSocketOptions,
  SipSockets,
  type SipTlsOptions,
  type SipTransportLimits,
} from './net/sip-transport.ts';
import type { SipFlow, SipTarget, SipTransport, SipTransportHandler, SipTransportName } from './sip/flow.ts';
import type { ParsedSip } from './sip/message.ts';
import type { SipPageMessage } from './sip/page-message.ts';
import { type OutcomeCallback, SipClient, type SipOutcome } from './sip-client.ts';
import type { SipObserver } from './sip-event.ts';
import type { NextHopHealth } from './sip-next-hops.ts';
import { type SipAnswer, type SipMessageHandler, SipServer } from './sip-server.ts';

export type { PeerJudge, PeerProof } from './net/sip-trust.ts';
export type { SipFlow, SipTarget, SipTransport, SipTransportHandler } from './sip/flow.ts';
export type { SipPageMessage, SipReceivedMessage } from './sip/page-message.ts';
export type { SipEvent, SipObserver } from './sip-event.ts';
export type {
  NextHopHealth,
  OutcomeCallback,
  SipAnswer,
  SipListener,
  SipMessageHandler,
  SipOutcome,
  SipTlsOptions,
  SipTransportLimits,
};

export interface SipEndpointOptions {
  readonly sip: SipConfiguration;
  /** Takes each MESSAGE of a trusted peer. */
  readonly onMessage: SipMessageHandler;
  readonly observe?: SipObserver;
  /** Where to listen. Without any there is still the way out, and what comes back over those connections. */
  readonly listen: readonly SipListener[];
  /** Host name or address of this gateway for Via. @default the listening address */
  readonly host?: string;
  /** Certificate, key and authorities for TLS, in both directions. */
  readonly tls?: SipTlsOptions;
  readonly judgePeer?: SipSocketOptions['judgePeer'];
  /** @default the resolver of the operating system */
  readonly resolver?: Resolver;
  readonly limits?: Partial<SipTransportLimits>;
  /** Requests to the SIP side that may wait for their answer. @default 20000 */
  readonly maxPending?: number;
  /** Transactions from the SIP side kept at a time. @default 20000 */
  readonly maxServerTransactions?: number;
  /** A request over UDP above this is refused with 513 (RFC 3428 section 8). @default 1300 */
  readonly maxDatagramBytes?: number;
  /** Seconds between two OPTIONS to each next hop. @default 30 */
  readonly healthInterval?: number;
  /** Seconds between two look-ups of SRV records. @default 60 */
  readonly srvInterval?: number;
  /** Seconds that `stop` waits for answers. @default 5 */
  readonly drainTimeout?: number;
  /** Media types named in Accept. @default text/plain and text/html */
  readonly acceptTypes?: readonly string[];
  /** Event packages named in Allow-Events. @default none */
  readonly eventPackages?: readonly string[];
  /** Instead of sockets, for tests. Then `reconfigure` does not change whom it trusts. */
  readonly transport?: SipTransport;
  /** Monotonic milliseconds. @default performance.now */
  readonly now?: () => number;
  /** Milliseconds since 1970. @default Date.now */
  readonly wallClock?: () => number;
  /** For jitter and weights. @default Math.random */
  readonly random?: () => number;
  /** Unpredictable letters and digits, unique to this process. @default 64 random bits */
  readonly token?: string;
}

const TICK_MS = 100;
const RETRY_RESOLUTION_MS = 5_000;
/** CSeq numbers are seconds since 2024, which stay below 2^31 until 2092. */
const CSEQ_EPOCH_SECONDS = 1_704_067_200;

/** The SIP side of the gateway: requests to the next hops, requests from trusted peers. */
export class SipEndpoint {
  readonly #options: SipEndpointOptions;
  readonly #sockets: SipSockets | undefined;
  readonly #transport: SipTransport;
  readonly #client: SipClient;
  readonly #server: SipServer;
  readonly #observe: SipObserver;
  readonly #resolver: Resolver;
  readonly #now: () => number;
  readonly #wallClock: () => number;
  #sip: SipConfiguration;
  #tls: SipTlsOptions | undefined;
  #timer: NodeJS.Timeout | undefined;
  #nextResolutionMs = 0;
  #resolution = 0;
  #onDrained: (() => void) | undefined;
  #drainDeadlineMs = 0;
  readonly #known = new Map<string, readonly SipTarget[]>();

  constructor(options: SipEndpointOptions) {
    this.#options = options;
    this.#sip = options.sip;
    this.#tls = options.tls;
    this.#observe = options.observe ?? (() => {});
    this.#now = options.now ?? (() => performance.now());
    this.#wallClock = options.wallClock ?? Date.now;
    this.#resolver = options.resolver ?? new SystemResolver();
    if (options.transport === undefined) {
      this.#sockets = new SipSockets({
        listen: options.listen,
        trusted: options.sip,
        resolver: this.#resolver,
        now: this.#now,
        ...(options.host === undefined ? {} : { host: options.host }),
        ...(options.tls === undefined ? {} : { tls: options.tls }),
        ...(options.judgePeer === undefined ? {} : { judgePeer: options.judgePeer }),
        ...(options.limits === undefined ? {} : { limits: options.limits }),
      });
    }
    const transport = options.transport ?? this.#sockets;
    if (transport === undefined) throw new TypeError('transport: expected one');
    this.#transport = transport;
    const token = options.token ?? randomBytes(8).toString('hex');
    const nowMs = this.#now();
    this.#client = new SipClient({
      transport,
      observe: this.#observe,
      random: options.random ?? Math.random,
      token,
      maxPending: options.maxPending ?? 20_000,
      maxDatagramBytes: options.maxDatagramBytes ?? 1_300,
      healthIntervalMs: (options.healthInterval ?? 30) * 1_000,
      nowMs,
      cseqSeconds: this.#cseqSeconds(),
    });
    this.#server = new SipServer({
      onMessage: options.onMessage,
      observe: this.#observe,
      token,
      maxTransactions: options.maxServerTransactions ?? 20_000,
      acceptTypes: options.acceptTypes ?? ['text/plain', 'text/html'],
      eventPackages: options.eventPackages ?? [],
      nowMs,
    });
  }

  /** Listens and begins to ask the next hops how they are. Rejects when an address cannot be listened on. */
  async start(): Promise<void> {
    await this.#transport.start(this.#handler);
    this.#applyTargets();
    this.tick();
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Takes no new requests, waits for the answers that are due, then closes. */
  async stop(): Promise<void> {
    this.#client.beginStop();
    this.#drainDeadlineMs = this.#now() + (this.#options.drainTimeout ?? 5) * 1_000;
    if (this.#timer !== undefined && !this.#isDrained()) {
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
      });
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#client.abandon();
    await this.#transport.stop();
  }

  /**
   * Other next hops, other peers, another certificate; requests under way are not disturbed. Throws when the TLS
   * options cannot be used, and changes nothing then.
   *
   * @param tls the certificate from now on; left out, it stays
   */
  reconfigure(sip: SipConfiguration, tls?: SipTlsOptions): void {
    this.#sockets?.reconfigure(sip, tls ?? this.#tls);
    this.#tls = tls ?? this.#tls;
    this.#sip = sip;
    if (tls !== undefined) this.#client.renewConnections();
    this.#applyTargets();
  }

  /** Sends one page message; `done` is called exactly once, possibly before this returns. */
  sendMessage(message: SipPageMessage, done: OutcomeCallback): void {
    this.#client.sendMessage(message, done);
  }

  health(): readonly NextHopHealth[] {
    return this.#client.health();
  }

  /** Port that a transport listens on, for a listener on port 0; undefined when it does not. */
  port(transport: SipTransportName): number | undefined {
    return this.#sockets?.port(transport);
  }

  /** What is due by now. Called by a timer; a test with its own clock calls it. */
  tick(): void {
    const nowMs = this.#now();
    this.#client.tick(nowMs, this.#cseqSeconds());
    this.#server.tick(nowMs);
    this.#transport.tick(nowMs);
    if (nowMs >= this.#nextResolutionMs && this.#sip.nextHops.some(({ useSrv }) => useSrv)) void this.#resolve();
    if (this.#onDrained !== undefined && (this.#isDrained() || nowMs >= this.#drainDeadlineMs)) this.#onDrained();
  }

  /** Hands over what is known of the next hops, and asks again for what SRV records decide. */
  #applyTargets(): void {
    const { nextHops } = this.#sip;
    const names = new Set(nextHops.map(hopName));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    this.#client.setTargets(
      nextHops.flatMap((hop) => (hop.useSrv ? (this.#known.get(hopName(hop)) ?? []) : [directTarget(hop)])),
    );
    // Whatever is being looked up now was asked for another configuration.
    this.#resolution++;
    this.#nextResolutionMs = 0;
  }

  /** Never rejects: a next hop that cannot be looked up keeps the targets it had. */
  async #resolve(): Promise<void> {
    const nowMs = this.#now();
    this.#nextResolutionMs = nowMs + (this.#options.srvInterval ?? 60) * 1_000;
    const run = ++this.#resolution;
    const { nextHops } = this.#sip;
    const found = await Promise.all(
      nextHops.map(async (hop) => {
        try {
          return await resolveTargets(hop, this.#resolver);
        } catch (error) {
          const reason = error instanceof Error ? error.message : String(error);
          this.#observe({ event: 'resolution-failed', nextHop: hop.fqdn, reason });
          // Sooner than usual, since there may be nothing to fall back on.
          if (run === this.#resolution) this.#nextResolutionMs = nowMs + RETRY_RESOLUTION_MS;
          return this.#known.get(hopName(hop)) ?? [];
        }
      }),
    );
    if (run !== this.#resolution) return;
    for (const [index, hop] of nextHops.entries()) this.#known.set(hopName(hop), found[index] ?? []);
    this.#client.setTargets(found.flat());
  }

  #isDrained(): boolean {
    return this.#client.active === 0 && this.#server.active === 0;
  }

  #cseqSeconds(): number {
    return Math.max(1, Math.floor(this.#wallClock() / 1_000) - CSEQ_EPOCH_SECONDS);
  }

  readonly #handler: SipTransportHandler = {
    onMessage: (flow: SipFlow, message: ParsedSip) => {
      switch (message.kind) {
        case 'response':
          return this.#client.onResponse(flow, message);
        case 'request':
          return this.#server.onRequest(flow, message);
        case 'failure':
          return this.#server.onFailure(flow, message);
      }
    },
    onOpen: (flow) => {
      this.#client.onOpen(flow);
      this.#observe({ event: 'connection-opened', peer: flow.peer, inbound: !flow.isOutbound });
    },
    onClosed: (flow, wasOpen, reason) => {
      this.#client.onClosed(flow, wasOpen, reason);
      this.#server.onClosed(flow);
      if (wasOpen) this.#observe({ event: 'connection-closed', peer: flow.peer, reason });
    },
    onRefused: (peer, reason) => this.#observe({ event: 'peer-refused', peer, reason }),
  };
}

function hopName({ fqdn, transport, port, useSrv }: SipConfiguration['nextHops'][number]): string {
  return `${transport} ${fqdn} ${port} ${useSrv}`;
}
