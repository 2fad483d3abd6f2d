// Over 300 lines: listeners, outgoing connections and UDP share the lists of peers, flows and sockets, and all of them
// must agree on who is trusted after a reload.

import { constants } from 'node:crypto';
import type { Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIP, isIPv6, type Server, type Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  createServer as createTlsServer,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type Server as TlsServer,
} from 'node:tls';
import type { SipConfiguration } from '../../config/sip.ts';
import type { SipFlow, SipTarget, SipTransport, SipTransportHandler, SipTransportName } from '../sip/flow.ts';
import { formatAuthority, type RequestSource } from '../sip/format.ts';
import { DEFAULT_SIP_LIMITS, parseDatagram, type SipLimits } from '../sip/message.ts';
import { dial } from './dial.ts';
import type { Resolver } from './dns-resolver.ts';
import { GatewayError } from './gateway-error.ts';
import { Admission } from './sip-admission.ts';
import { bindDatagram, DatagramFlow } from './sip-datagram.ts';
import { type FlowOwner, StreamFlow } from './sip-stream-flow.ts';
import { resolveAddresses, SystemResolver } from './sip-targets.ts';
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
const MAX_REMEMBERED_SENDERS = 1_000;

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
  readonly #datagramSockets: DatagramSocket[] = [];
  readonly #bound = new Map<SipTransportName, { readonly address: string; readonly port: number }>();
  readonly #flows = new Set<StreamFlow>();
  readonly #accepted = new Set<Socket>();
  readonly #nextHops = new Map<string, DatagramFlow>();
  readonly #senders = new Map<string, DatagramFlow>();
  #handler: SipTransportHandler = { onMessage() {}, onOpen() {}, onClosed() {}, onRefused() {} };
  #trusted: TrustedPeers;
  #isTrustedAddress: (address: string) => boolean;
  #tls: SecureContextOptions | undefined;
  #secureContext: SecureContext | undefined;
  #dirty: StreamFlow[] = [];

  constructor(options: SipSocketOptions) {
    this.#options = options;
    this.#limits = { ...DEFAULT_TRANSPORT_LIMITS, ...options.limits };
    this.#resolver = options.resolver ?? new SystemResolver();
    this.#judge = options.judgePeer ?? judgeByNode;
    this.#admission = new Admission(this.#limits);
    this.#trusted = options.trusted;
    this.#isTrustedAddress = addressList(options.trusted.trustedAddresses);
    this.#setTls(options.tls);
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
    for (const flow of [...this.#nextHops.values(), ...this.#flows]) flow.close('stopped');
    const closed = this.#servers.map((server) => once(server, 'close'));
    for (const server of this.#servers) server.close();
    const deadline = setTimeout(() => this.#destroyAll(), CLOSE_TIMEOUT_MS);
    await Promise.all([...closed, ...[...this.#flows].map((flow) => flow.closed)]);
    clearTimeout(deadline);
    for (const socket of this.#datagramSockets.splice(0)) await new Promise<void>((done) => socket.close(done));
  }

  /**
   * From now on these peers and this certificate count. Connections of peers that are no longer trusted are cut, and
   * with other authorities every TLS connection a peer opened. Throws when the TLS options cannot be used; nothing is
   * changed then.
   */
  reconfigure(trusted: TrustedPeers, tls: SecureContextOptions | undefined): void {
    const isSameAuthority = tls !== undefined && String(tls.ca) === String(this.#tls?.ca);
    const isTrustedAddress = addressList(trusted.trustedAddresses);
    this.#setTls(tls);
    this.#trusted = trusted;
    this.#isTrustedAddress = isTrustedAddress;
    this.#senders.clear();
    for (const flow of this.#nextHops.values()) flow.isTrusted = isTrustedAddress(flow.source.address);
    for (const flow of this.#flows) {
      if (flow.state !== 'open') continue;
      const before = flow.isTrusted;
      flow.isTrusted = this.#isTrustedFlow(flow.transport, flow.source.address, flow.proof);
      if (flow.isOutbound) continue;
      if (before && !flow.isTrusted) flow.destroy('no longer trusted');
      else if (flow.transport === 'tls' && !isSameAuthority) flow.destroy('authorities changed');
    }
  }

  connect(target: SipTarget): SipFlow {
    if (target.transport === 'udp') return this.#connectDatagram(target);
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
      const socket = await bindDatagram({ address, port }, this.#onPacket);
      this.#datagramSockets.push(socket);
      this.#bind(transport, address, socket.address().port);
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
      if (this.#admit('tcp', socket)) this.#adopt('tcp', socket, NO_PROOF);
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
      let proof = NO_PROOF;
      try {
        proof = this.#judge(socket);
      } catch (error) {
        this.#handler.onRefused(peerLabel('tls', socket), reasonOf(error));
      }
      this.#adopt('tls', socket, proof);
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
    const key = connectionKey(socket);
    this.#admission.enter(key, address, isKnown);
    socket.once('close', () => {
      this.#accepted.delete(socket);
      this.#admission.leave(key);
    });
    return true;
  }

  #adopt(transport: 'tcp' | 'tls', socket: Socket, proof: PeerProof): void {
    const flow = new StreamFlow(this.#owner, transport, false, peerLabel(transport, socket));
    flow.proof = proof;
    flow.isTrusted = this.#isTrustedFlow(transport, plainAddress(socket.remoteAddress), proof);
    if (flow.isTrusted) this.#admission.trust(connectionKey(socket));
    this.#flows.add(flow);
    flow.attach(socket, flow.peer);
    this.#handler.onOpen(flow);
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
    const secured = target.transport === 'tls' ? await this.#secure(socket, target.fqdn) : undefined;
    if (flow.state !== 'connecting') {
      socket.destroy();
      return;
    }
    if (secured !== undefined) flow.proof = secured.proof;
    flow.isTrusted = this.#isTrustedFlow(flow.transport, address, flow.proof);
    const end = secured?.socket ?? socket;
    flow.attach(end, peerLabel(flow.transport, end, target.host === target.fqdn ? target.fqdn : undefined));
    this.#handler.onOpen(flow);
  }

  /** TLS as a client, with our certificate, to a peer that must prove the name of the next hop. */
  #secure(plain: Socket, fqdn: string): Promise<{ readonly socket: TLSSocket; readonly proof: PeerProof }> {
    const secureContext = this.#secureContext;
    return new Promise((resolve, reject) => {
      const fail = (error: GatewayError): void => {
        clearTimeout(timer);
        plain.destroy();
        reject(error);
      };
      const timer = setTimeout(() => {
        fail(new GatewayError('tls-failure', { message: 'TLS handshake took too long' }));
      }, this.#limits.handshakeTimeoutMs);
      if (secureContext === undefined)
        return fail(new GatewayError('tls-failure', { message: 'no certificate of ours' }));
      const socket = connectTls({
        socket: plain,
        secureContext,
        ...(isIP(fqdn) === 0 ? { servername: fqdn } : {}),
        rejectUnauthorized: this.#judge === judgeByNode,
        // The name is judged below, once, without wildcards and common names.
        checkServerIdentity: () => undefined,
      });
      socket.once('error', (error) =>
        fail(new GatewayError('tls-failure', { message: `TLS: ${error.message}`, cause: error })),
      );
      socket.once('close', () => fail(new GatewayError('tls-failure', { message: 'closed during the TLS handshake' })));
      socket.once('secureConnect', () => {
        clearTimeout(timer);
        socket.removeAllListeners('close');
        const proof = this.#judge(socket);
        if (proof.provesHost(fqdn)) resolve({ socket, proof });
        else fail(new GatewayError('tls-failure', { message: `the certificate does not prove ${fqdn}` }));
      });
    });
  }

  /** An open connection of a peer that proved this name and lets requests go back over it (RFC 5923). */
  #reusable(fqdn: string): StreamFlow | undefined {
    for (const flow of this.#flows) {
      if (flow.isOutbound || !flow.mayReuse || !flow.isTrusted || flow.transport !== 'tls') continue;
      if (flow.state === 'open' && flow.closingSinceMs < 0 && flow.proof.provesHost(fqdn)) return flow;
    }
    return undefined;
  }

  #connectDatagram(target: SipTarget): DatagramFlow {
    const flow = new DatagramFlow(undefined, { address: '', port: target.port }, true, false, this.#onDatagramClosed);
    this.#openDatagram(flow, target).catch((error: unknown) => flow.close(reasonOf(error)));
    return flow;
  }

  async #openDatagram(flow: DatagramFlow, { host, port }: SipTarget): Promise<void> {
    const [address] = isIP(host) === 0 ? await resolveAddresses(host, this.#resolver) : [host];
    if (address === undefined || flow.state !== 'connecting') return;
    const socket = await this.#datagramSocket(isIPv6(address));
    if (flow.state !== 'connecting') return;
    flow.isTrusted = this.#isTrustedAddress(address);
    this.#nextHops.set(`${address} ${port}`, flow);
    flow.attach(socket, { address, port });
    this.#handler.onOpen(flow);
  }

  /** The first socket of that family; without one, a new one on any port. */
  async #datagramSocket(isSix: boolean): Promise<DatagramSocket> {
    const isFit = (socket: DatagramSocket) => isIPv6(socket.address().address) === isSix;
    const found = this.#datagramSockets.find(isFit);
    if (found !== undefined) return found;
    const socket = await bindDatagram({ address: isSix ? '::' : '0.0.0.0', port: 0 }, this.#onPacket);
    this.#datagramSockets.push(socket);
    return socket;
  }

  readonly #onPacket = (socket: DatagramSocket, bytes: Buffer, source: RequestSource): void => {
    // Keep-alives: line ends alone, or a few zero bytes.
    if (bytes.length <= 4) return;
    const key = `${source.address} ${source.port}`;
    let flow = this.#nextHops.get(key) ?? this.#senders.get(key);
    if (flow === undefined) {
      if (!this.#isTrustedAddress(source.address)) {
        // Not answered, not even parsed: the sender address may be forged, and the answer would go to its owner.
        this.#handler.onRefused(`udp:${formatAuthority(source.address, source.port)}`, 'address not trusted');
        return;
      }
      if (this.#senders.size >= MAX_REMEMBERED_SENDERS) this.#senders.clear();
      flow = new DatagramFlow(socket, source, false, true, this.#onDatagramClosed);
      this.#senders.set(key, flow);
    }
    this.#handler.onMessage(flow, parseDatagram(bytes, this.#limits));
  };

  readonly #onDatagramClosed = (flow: DatagramFlow, wasOpen: boolean, reason: string): void => {
    const key = `${flow.source.address} ${flow.source.port}`;
    if (this.#nextHops.get(key) === flow) this.#nextHops.delete(key);
    this.#handler.onClosed(flow, wasOpen, reason);
  };

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

function connectionKey(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

function peerLabel(transport: SipTransportName, socket: Socket, name?: string): string {
  const at = formatAuthority(plainAddress(socket.remoteAddress) || 'unknown', socket.remotePort ?? 0);
  return name === undefined ? `${transport}:${at}` : `${transport}:${name} (${at})`;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
