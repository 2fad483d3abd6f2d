import { createSocket, type Socket } from 'node:dgram';
import { isIP, isIPv6 } from 'node:net';
import type { SipFlow, SipTarget, SipTransportHandler } from '../sip/flow.ts';
import { formatAuthority, type RequestSource } from '../sip/format.ts';
import { parseDatagram, type SipLimits } from '../sip/message.ts';
import type { Resolver } from './dns-resolver.ts';
import { resolveAddresses } from './sip-targets.ts';
import { plainAddress } from './sip-trust.ts';

/** The packets to and from one address and port. */
export class DatagramFlow implements SipFlow {
  readonly transport = 'udp';
  readonly isOutbound: boolean;
  isTrusted: boolean;
  state: 'connecting' | 'open' | 'closed';
  source: RequestSource;
  peer: string;
  mayReuse = false;
  #socket: Socket | undefined;
  #waiting: string[] = [];
  readonly #onClosed: (flow: DatagramFlow, wasOpen: boolean, reason: string) => void;

  constructor(
    socket: Socket | undefined,
    source: RequestSource,
    isOutbound: boolean,
    isTrusted: boolean,
    onClosed: (flow: DatagramFlow, wasOpen: boolean, reason: string) => void,
  ) {
    this.#socket = socket;
    this.source = source;
    this.isOutbound = isOutbound;
    this.isTrusted = isTrusted;
    this.state = socket === undefined ? 'connecting' : 'open';
    this.peer = `udp:${formatAuthority(source.address, source.port)}`;
    this.#onClosed = onClosed;
  }

  /** The address is known: what waited leaves now. */
  attach(socket: Socket, source: RequestSource): void {
    if (this.state !== 'connecting') return;
    this.#socket = socket;
    this.source = source;
    this.peer = `udp:${formatAuthority(source.address, source.port)}`;
    this.state = 'open';
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.send(message);
  }

  send(message: string, port = this.source.port): boolean {
    if (this.state === 'closed') return false;
    if (this.#socket === undefined) {
      if (this.#waiting.length >= MAX_WAITING) return false;
      this.#waiting.push(message);
      return true;
    }
    if (this.#socket.getSendQueueSize() > MAX_QUEUED_BYTES) return false;
    this.#socket.send(message, port, this.source.address);
    return true;
  }

  close(reason: string): void {
    if (this.state === 'closed') return;
    const wasOpen = this.state === 'open';
    this.state = 'closed';
    this.#waiting = [];
    this.#onClosed(this, wasOpen, reason);
  }
}

const MAX_WAITING = 1_000;
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const RECEIVE_BUFFER = 1024 * 1024;

const MAX_SENDERS = 1_000;

export interface DatagramOptions {
  readonly limits: SipLimits;
  readonly resolver: Resolver;
  isTrusted(address: string): boolean;
  /** Whoever hears what comes in. */
  handler(): SipTransportHandler;
}

/** The UDP sockets of this process, and the flows over them. */
export class SipDatagrams {
  readonly #options: DatagramOptions;
  readonly #sockets: Socket[] = [];
  readonly #nextHops = new Map<string, DatagramFlow>();
  readonly #senders = new Map<string, DatagramFlow>();

  constructor(options: DatagramOptions) {
    this.#options = options;
  }

  /** Binds one socket and gives its port. Rejects when the address is taken or not ours. */
  async bind(address: string, port: number): Promise<number> {
    return (await this.#bind(address, port)).address().port;
  }

  /** A flow to the target, whose address is looked up. Never throws. */
  connect(target: SipTarget): DatagramFlow {
    const flow = new DatagramFlow(undefined, { address: '', port: target.port }, true, false, this.#onClosed);
    this.#open(flow, target).catch((error: unknown) => {
      flow.close(error instanceof Error ? error.message : String(error));
    });
    return flow;
  }

  /** The list of trusted addresses has changed. */
  checkTrust(): void {
    this.#senders.clear();
    for (const flow of this.#nextHops.values()) flow.isTrusted = this.#options.isTrusted(flow.source.address);
  }

  async stop(): Promise<void> {
    for (const flow of this.#nextHops.values()) flow.close('stopped');
    await Promise.all(this.#sockets.splice(0).map((socket) => new Promise<void>((done) => socket.close(done))));
  }

  async #open(flow: DatagramFlow, { host, port }: SipTarget): Promise<void> {
    const { resolver, isTrusted, handler } = this.#options;
    const [address] = isIP(host) === 0 ? await resolveAddresses(host, resolver) : [host];
    if (address === undefined) return;
    const isSix = isIPv6(address);
    const fit = this.#sockets.find((socket) => isIPv6(socket.address().address) === isSix);
    const socket = fit ?? (await this.#bind(isSix ? '::' : '0.0.0.0', 0));
    if (flow.state !== 'connecting') return;
    flow.isTrusted = isTrusted(address);
    this.#nextHops.set(`${address} ${port}`, flow);
    flow.attach(socket, { address, port });
    handler().onOpen(flow);
  }

  async #bind(address: string, port: number): Promise<Socket> {
    const socket = createSocket({
      type: isIPv6(address) ? 'udp6' : 'udp4',
      // Every destination is an address already; the default would ask for it each time.
      lookup: (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.bind({ address, port }, () => {
        socket.off('error', reject);
        resolve();
      });
    });
    // One packet that could not be sent says nothing about the next.
    socket.on('error', () => {});
    try {
      socket.setRecvBufferSize(RECEIVE_BUFFER);
    } catch {
      // Over the limit of the system: its default stays.
    }
    socket.on('message', (bytes, { address: from, port: at }) => this.#onPacket(socket, bytes, plainAddress(from), at));
    this.#sockets.push(socket);
    return socket;
  }

  #onPacket(socket: Socket, bytes: Buffer, address: string, port: number): void {
    // Keep-alives: line ends alone, or a few zero bytes.
    if (bytes.length <= 4) return;
    const { isTrusted, handler, limits } = this.#options;
    const key = `${address} ${port}`;
    let flow = this.#nextHops.get(key) ?? this.#senders.get(key);
    if (flow === undefined) {
      if (!isTrusted(address)) {
        // Not answered, not even parsed: the sender address may be forged, and the answer would go to its owner.
        handler().onRefused(`udp:${formatAuthority(address, port)}`, 'address not trusted');
        return;
      }
      if (this.#senders.size >= MAX_SENDERS) this.#senders.clear();
      flow = new DatagramFlow(socket, { address, port }, false, true, this.#onClosed);
      this.#senders.set(key, flow);
    }
    handler().onMessage(flow, parseDatagram(bytes, limits));
  }

  readonly #onClosed = (flow: DatagramFlow, wasOpen: boolean, reason: string): void => {
    const key = `${flow.source.address} ${flow.source.port}`;
    if (this.#nextHops.get(key) === flow) this.#nextHops.delete(key);
    this.#options.handler().onClosed(flow, wasOpen, reason);
  };
}
