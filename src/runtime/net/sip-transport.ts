// Over 300 lines: listeners, outgoing connections and UDP share the lists of peers, flows and sockets, and all of them
// must agree on who is trusted after a reload.

import { constants } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import {
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import type { SipConfiguration } from '../../config/sip.ts';
import type { SipFlow, SipTarget, SipTransport, SipTransportHandler, SipTransportName } from '../sip/flow.ts';
import { formatAuthority } from '../sip/format.ts';
import { DEFAULT_SIP_LIMITS, type SipLimits } from '../sip/message.ts';
import { dial } from './dial.ts';
import type { Resolver } from './dns-resolver.ts';
import { GatewayError } from './gateway-error.ts';
import { Admission } from './sip-admission.ts';
import { SipDatagrams } from './sip-datagram.ts';
import { secureOutbound } from './sip-secure.ts';
import { type FlowOwner, StreamFlow } from './sip-stream-flow.ts';
import { SystemResolver } from './sip-targets.ts';
import { addressList, judgeByNode, NO_PROOF, type PeerJudge, type PeerProof, plainAddress } from './sip-trust.ts';

/** Certificate, key and authorities as Node takes them. */
export type SipTlsOptions = SecureContextOptions;

export interface SipListener {
  readonly transport: SipTransportName;
  /** IP address. */
  readonly address: string;
  /** 0 for any free one. */
  readonly port: number;
}

export interface SipTransportLimits extends SipLimits {
  /** Connections peers may have open to us. */
  readonly maxConnections: number;
  /** Of those, how many may be in the handshake or not trusted; and how many of these from one address. */
  readonly maxStrangers: number;
  readonly maxStrangersPerAddress: number;
  readonly maxQueuedBytes: number;
  /** Milliseconds for the handshake of either side, and to connect. */
  readonly handshakeTimeoutMs: number;
  /** How long a message may stay incomplete. */
  readonly messageTimeoutMs: number;
  /** How long a connection that a peer opened may be silent. */
  readonly idleTimeoutMs: number;
  /** How long an untrusted connection may stay, whatever it does. */
  readonly strangerTimeoutMs: number;
}

export const DEFAULT_TRANSPORT_LIMITS: SipTransportLimits = {
  ...DEFAULT_SIP_LIMITS,
  maxConnections: 1_000,
  maxStrangers: 64,
  maxStrangersPerAddress: 16,
  maxQueuedBytes: 4 * 1024 * 1024,
  handshakeTimeoutMs: 10_000,
  messageTimeoutMs: 30_000,
  idleTimeoutMs: 600_000,
  strangerTimeoutMs: 10_000,
};

export type TrustedPeers = Pick<SipConfiguration, 'trustedAddresses' | 'trustedTlsNames'>;

export interface SipSocketOptions {
  readonly listen: readonly SipListener[];
  /** Host name or address that responses are sent to when a connection is gone. @default the listening address */
  readonly host?: string;
  readonly trusted: TrustedPeers;
  /** Our certificate and key, and the authorities of the peers. Without it there is no TLS, in neither direction. */
  readonly tls?: SecureContextOptions;
  /** @default Node's own verdict */
  readonly judgePeer?: PeerJudge;
  /** @default the resolver of the operating system */
  readonly resolver?: Resolver;
  readonly limits?: Partial<SipTransportLimits>;
  /** Monotonic milliseconds. @default performance.now */
  readonly now?: () => number;
}

const DEFAULT_PORT = { udp: 5060, tcp: 5060, tls: 5061 } as const;
const CLOSE_TIMEOUT_MS = 2_000;

/** SIP over the UDP sockets, TCP and TLS listeners and outgoing connections of this process. */
export class SipSockets implements SipTransport {
  readonly #options: SipSocketOptions;
  readonly #limits: SipTransportLimits;
  readonly #resolver: Resolver;
  readonly #judge: PeerJudge;
  readonly #owner: FlowOwner;
  readonly #admission: Admission;
  readonly #stopping = new AbortController();
  readonly #servers: Server[] = [];
  readonly #tlsServers: TlsServer[] = [];
  readonly #datagrams: SipDatagrams;
  readonly #bound = new Map<SipTransportName, { readonly address: string; readonly port: number }>();
  readonly #flows = new Set<StreamFlow>();
  readonly #accepted = new Set<Socket>();
  #handler: SipTransportHandler = { onMessage() {}, onOpen() {}, onClosed() {}, onRefused() {} };
  #trusted: TrustedPeers;
  #isTrustedAddress: (address: string) => boolean;
  #tls: SecureContextOptions | undefined;
  #secureContext: SecureContext | undefined;
  #dirty: StreamFlow[] = [];
  #isJudgingDue = false;

  constructor(options: SipSocketOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_TRANSPORT_LIMITS, ...options.limits };
    this.#resolver = options.resolver ?? new SystemResolver();
    this.#judge = options.judgePeer ?? judgeByNode;
    this.#admission = new Admission(this.#limits);
    this.#trusted = options.trusted;
    this.#isTrustedAddress = addressList(options.trusted.trustedAddresses);
    this.#setTls(options.tls);
    this.#datagrams = new SipDatagrams({
      limits: this.#limits,
      resolver: this.#resolver,
      isTrusted: (address) => this.#isTrustedAddress(address),
      handler: () => this.#handler,
    });
    this.#owner = {
      limits: this.#limits,
      maxQueuedBytes: this.#limits.maxQueuedBytes,
      now: options.now ?? (() => performance.now()),
      onMessage: (flow, message) => this.#handler.onMessage(flow, message),
      onClosed: (flow, wasOpen, reason) => {
        this.#flows.delete(flow);
        this.#handler.onClosed(flow, wasOpen, reason);
      },
      schedule: (flow) => {
        if (this.#dirty.length === 0) setImmediate(this.#flush);
        this.#dirty.push(flow);
      },
    };
  }

  async start(handler: SipTransportHandler): Promise<void> {
    this.#handler = handler;
    try {
      for (const listener of this.#options.listen) await this.#listen(listener);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const flow of this.#flows) flow.close('stopped');
    const closed = this.#servers.map((server) => once(server, 'close'));
    for (const server of this.#servers) server.close();
    const deadline = setTimeout(() => this.#destroyAll(), CLOSE_TIMEOUT_MS);
    await Promise.all([...closed, ...[...this.#flows].map((flow) => flow.closed)]);
    clearTimeout(deadline);
    await this.#datagrams.stop();
  }

  /**
   * From now on these peers and this certificate count. Connections of peers that are no longer trusted are cut; their
   * certificates are judged again at the next tick, when whatever the judge goes by is in force too. Throws when the
   * TLS options cannot be used; nothing is changed then.
   */
  reconfigure(trusted: TrustedPeers, tls: SecureContextOptions | undefined): void {
    const isSameAuthority = tls !== undefined && String(tls.ca) === String(this.#tls?.ca);
    const isTrustedAddress = addressList(trusted.trustedAddresses);
    this.#setTls(tls);
    this.#trusted = trusted;
    this.#isTrustedAddress = isTrustedAddress;
    this.#datagrams.checkTrust();
    // Node's own verdict stays with a socket for good, so other authorities mean other connections.
    if (this.#judge === judgeByNode && !isSameAuthority) {
      for (const flow of this.#flows)
        if (flow.transport === 'tls' && !flow.isOutbound) flow.destroy('authorities changed');
    }
    this.#isJudgingDue = true;
    this.#checkTrust();
  }

  connect(target: SipTarget): SipFlow {
    if (target.transport === 'udp') return this.#datagrams.connect(target);
    const reused = target.transport === 'tls' ? this.#reusable(target.fqdn) : undefined;
    if (reused !== undefined) return reused;
    const label = `${target.transport}:${target.host}:${target.port}`;
    const flow = new StreamFlow(this.#owner, target.transport, true, label);
    this.#flows.add(flow);
    this.#connectStream(flow, target).catch((error: unknown) => flow.fail(reasonOf(error)));
    return flow;
  }

  sentBy(transport: SipTransportName): string {
    const bound = this.#bound.get(transport);
    const host = this.#options.host ?? bound?.address ?? 'localhost';
    return formatAuthority(host, bound?.port ?? DEFAULT_PORT[transport]);
  }

  /** Port that a transport listens on; undefined when it does not. */
  port(transport: SipTransportName): number | undefined {
    return this.#bound.get(transport)?.port;
  }

  tick(nowMs: number): void {
    if (this.#isJudgingDue) {
      this.#isJudgingDue = false;
      for (const flow of this.#flows) if (flow.secured !== undefined) flow.proof = this.#prove(flow.secured);
      this.#checkTrust();
    }
    const { messageTimeoutMs, idleTimeoutMs, strangerTimeoutMs } = this.#limits;
    for (const flow of this.#flows) {
      if (flow.closingSinceMs >= 0) {
        if (nowMs - flow.closingSinceMs > CLOSE_TIMEOUT_MS) flow.destroy('close took too long');
      } else if (flow.partialSinceMs >= 0 && nowMs - flow.partialSinceMs > messageTimeoutMs) {
        flow.close('incomplete message');
      } else if (!flow.isOutbound && nowMs - flow.lastReadMs > idleTimeoutMs) {
        flow.close('idle');
      } else if (!flow.isOutbound && !flow.isTrusted && nowMs - flow.openedMs > strangerTimeoutMs) {
        flow.close('not trusted');
      }
    }
  }

  async #listen({ transport, address, port }: SipListener): Promise<void> {
    if (transport === 'udp') {
      this.#bind(transport, address, await this.#datagrams.bind(address, port));
      return;
    }
    const server = transport === 'tcp' ? this.#tcpServer() : this.#tlsServer();
    this.#servers.push(server);
    server.listen({ host: address, port, backlog: 511 });
    await once(server, 'listening');
    const bound = server.address();
    if (bound !== null && typeof bound === 'object') this.#bind(transport, address, bound.port);
  }

  #bind(transport: SipTransportName, address: string, port: number): void {
    if (!this.#bound.has(transport)) this.#bound.set(transport, { address, port });
  }

  #tcpServer(): Server {
    return createServer({ noDelay: true }, (socket) => {
      if (this.#admit('tcp', socket)) this.#adopt('tcp', socket, undefined);
    });
  }

  #tlsServer(): Server {
    if (this.#tls === undefined) throw new TypeError('tls: expected a certificate for the TLS listener, got none');
    const server = createTlsServer({
      ...this.#serverOptions(this.#tls),
      handshakeTimeout: this.#limits.handshakeTimeoutMs,
      requestCert: true,
      // A peer without a good certificate gets its 403 as SIP, and is judged by our own code.
      rejectUnauthorized: false,
      noDelay: true,
    });
    server.on('connection', (socket) => this.#admit('tls', socket));
    server.on('secureConnection', (socket) => {
      this.#adopt('tls', socket, socket);
    });
    server.on('tlsClientError', (error, socket) => {
      this.#handler.onRefused(peerLabel('tls', socket), `TLS: ${error.message}`);
      socket.destroy();
    });
    this.#tlsServers.push(server);
    return server;
  }

  /** Takes or refuses a connection before anything is read from it. */
  #admit(transport: 'tcp' | 'tls', socket: Socket): boolean {
    const address = plainAddress(socket.remoteAddress);
    const isKnown = transport === 'tcp' && this.#isTrustedAddress(address);
    const refusal = this.#admission.refusal(address, isKnown);
    if (refusal !== undefined || this.#stopping.signal.aborted) {
      this.#handler.onRefused(peerLabel(transport, socket), refusal ?? 'stopping');
      socket.destroy();
      return false;
    }
    this.#accepted.add(socket);
    const key = connectionKey(address, socket.remotePort);
    this.#admission.enter(key, address, isKnown);
    socket.once('close', () => {
      this.#accepted.delete(socket);
      this.#admission.leave(key);
    });
    return true;
  }

  #adopt(transport: 'tcp' | 'tls', socket: Socket, secured: TLSSocket | undefined): void {
    const flow = new StreamFlow(this.#owner, transport, false, peerLabel(transport, socket));
    flow.secured = secured;
    if (secured !== undefined) flow.proof = this.#prove(secured);
    flow.isTrusted = this.#isTrustedFlow(transport, plainAddress(socket.remoteAddress), flow.proof);
    this.#flows.add(flow);
    flow.attach(socket, flow.peer);
    if (flow.isTrusted) this.#admission.trust(connectionKey(flow.source.address, flow.source.port));
    this.#handler.onOpen(flow);
  }

  #prove(socket: TLSSocket): PeerProof {
    try {
      return this.#judge(socket);
    } catch (error) {
      this.#handler.onRefused(peerLabel('tls', socket), reasonOf(error));
      return NO_PROOF;
    }
  }

  /** Cuts the connections that peers may no longer have; ours only lose the right to carry requests to us. */
  #checkTrust(): void {
    for (const flow of this.#flows) {
      if (flow.state !== 'open') continue;
      const before = flow.isTrusted;
      flow.isTrusted = this.#isTrustedFlow(flow.transport, flow.source.address, flow.proof);
      if (flow.isOutbound) continue;
      if (flow.isTrusted) this.#admission.trust(connectionKey(flow.source.address, flow.source.port));
      else if (before) flow.destroy('no longer trusted');
    }
  }

  #isTrustedFlow(transport: 'tcp' | 'tls', address: string, proof: PeerProof): boolean {
    if (transport === 'tcp') return this.#isTrustedAddress(address);
    return this.#trusted.trustedTlsNames.some((name) => proof.provesHost(name));
  }

  async #connectStream(flow: StreamFlow, target: SipTarget): Promise<void> {
    const { socket, address } = await dial({
      targets: [{ name: target.host, port: target.port, mayBePrivate: true }],
      resolver: this.#resolver,
      timeoutMs: this.#limits.handshakeTimeoutMs,
      signal: this.#stopping.signal,
    });
    let end: Socket = socket;
    if (target.transport === 'tls') {
      flow.secured = await secureOutbound(socket, target.fqdn, {
        context: this.#secureContext,
        isChainRequired: this.#judge === judgeByNode,
        timeoutMs: this.#limits.handshakeTimeoutMs,
      });
      flow.proof = this.#prove(flow.secured);
      end = flow.secured;
      if (!flow.proof.provesHost(target.fqdn)) {
        end.destroy();
        throw new GatewayError('tls-failure', { message: `the certificate does not prove ${target.fqdn}` });
      }
    }
    if (flow.state !== 'connecting') {
      end.destroy();
      return;
    }
    flow.isTrusted = this.#isTrustedFlow(flow.transport, address, flow.proof);
    flow.attach(end, peerLabel(flow.transport, end, target.host === target.fqdn ? target.fqdn : undefined));
    this.#handler.onOpen(flow);
  }

  /** An open connection of a peer that proved this name and lets requests go back over it (RFC 5923). */
  #reusable(fqdn: string): StreamFlow | undefined {
    for (const flow of this.#flows) {
      if (flow.isOutbound || !flow.mayReuse || !flow.isTrusted || flow.transport !== 'tls') continue;
      if (flow.state === 'open' && flow.closingSinceMs < 0 && flow.proof.provesHost(fqdn)) return flow;
    }
    return undefined;
  }

  readonly #flush = (): void => {
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const flow of dirty) flow.flush();
  };

  #setTls(tls: SecureContextOptions | undefined): void {
    const context = tls === undefined ? undefined : createSecureContext(tls);
    if (tls !== undefined) for (const server of this.#tlsServers) server.setSecureContext(this.#serverOptions(tls));
    this.#tls = tls;
    this.#secureContext = context;
  }

  // No session tickets: a peer that comes back is judged by the certificate it has and the list there is then.
  #serverOptions(tls: SecureContextOptions): SecureContextOptions {
    return { ...tls, secureOptions: (tls.secureOptions ?? 0) | constants.SSL_OP_NO_TICKET };
  }

  #destroyAll(): void {
    for (const flow of this.#flows) flow.destroy('stopped');
    for (const socket of this.#accepted) socket.destroy();
  }
}

function connectionKey(address: string, port: number | undefined): string {
  return `${address} ${port}`;
}

function peerLabel(transport: SipTransportName, socket: Socket, name?: string): string {
  const at = formatAuthority(plainAddress(socket.remoteAddress) || 'unknown', socket.remotePort ?? 0);
  return name === undefined ? `${transport}:${at}` : `${transport}:${name} (${at})`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
