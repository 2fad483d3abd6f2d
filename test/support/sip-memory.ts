import type {
  SipFlow,
  SipTarget,
  SipTransport,
  SipTransportHandler,
  SipTransportName,
} from '../../src/runtime/sip/flow.ts';
import { type ParsedSip, parseDatagram } from '../../src/runtime/sip/message.ts';
import { StreamFramer } from '../../src/runtime/sip/stream-framer.ts';

/** Connects endpoints within one process. What is sent arrives when `deliver` is called, in order. */
export class MemoryNetwork {
  readonly #transports = new Map<string, MemoryTransport>();
  #queue: (() => void)[] = [];

  /** A host on this network. `trusted` decides what its peers may do. */
  transport(host: string, trusted = true): MemoryTransport {
    const transport = new MemoryTransport(this, host, trusted);
    this.#transports.set(host, transport);
    return transport;
  }

  find(host: string): MemoryTransport | undefined {
    return this.#transports.get(host);
  }

  push(step: () => void): void {
    this.#queue.push(step);
  }

  /** Runs everything that is on its way, and what that causes. */
  deliver(): void {
    while (this.#queue.length > 0) {
      const queue = this.#queue;
      this.#queue = [];
      for (const step of queue) step();
    }
  }
}

export class MemoryTransport implements SipTransport {
  readonly host: string;
  readonly network: MemoryNetwork;
  isTrusted: boolean;
  /** Everything this host sent, as text. */
  readonly sent: string[] = [];
  /** Names that cannot be connected to. */
  readonly unreachable = new Set<string>();
  /** Whether what this host sends is lost. */
  isMute = false;
  readonly flows: MemoryFlow[] = [];
  handler: SipTransportHandler = { onMessage() {}, onOpen() {}, onClosed() {}, onRefused() {} };

  constructor(network: MemoryNetwork, host: string, isTrusted: boolean) {
    this.network = network;
    this.host = host;
    this.isTrusted = isTrusted;
  }

  start(handler: SipTransportHandler): Promise<void> {
    this.handler = handler;
    return Promise.resolve();
  }

  stop(): Promise<void> {
    for (const flow of this.flows) flow.close('stopped');
    this.network.deliver();
    return Promise.resolve();
  }

  tick(): void {}

  sentBy(): string {
    return `${this.host}:5061`;
  }

  connect(target: SipTarget): MemoryFlow {
    const near = new MemoryFlow(this, target.transport, true, target.host);
    this.network.push(() => {
      const remote = this.network.find(target.host);
      if (remote === undefined || this.unreachable.has(target.host)) near.lost('connection refused');
      else if (near.state === 'connecting') near.join(remote.accept(this, target.transport, near));
    });
    return near;
  }

  accept(from: MemoryTransport, transport: SipTransportName, peer: MemoryFlow): MemoryFlow {
    const flow = new MemoryFlow(this, transport, false, from.host);
    flow.join(peer);
    return flow;
  }
}

export class MemoryFlow implements SipFlow {
  readonly transport: SipTransportName;
  readonly isOutbound: boolean;
  state: 'connecting' | 'open' | 'closed' = 'connecting';
  readonly source: { address: string; port: number };
  readonly peer: string;
  mayReuse = false;
  readonly #owner: MemoryTransport;
  readonly #framer: StreamFramer;
  #other: MemoryFlow | undefined;
  #waiting: string[] = [];

  constructor(owner: MemoryTransport, transport: SipTransportName, isOutbound: boolean, peer: string) {
    this.#owner = owner;
    this.transport = transport;
    this.isOutbound = isOutbound;
    this.peer = `${transport}:${peer}`;
    this.source = { address: peer, port: 5061 };
    owner.flows.push(this);
    this.#framer = new StreamFramer({
      onMessage: (message) => this.#hand(message),
      onPing: () => this.send('\r\n'),
      onBroken: (failure) => {
        this.#hand(failure);
        this.close(failure.message);
      },
    });
  }

  get isTrusted(): boolean {
    return this.#owner.isTrusted;
  }

  join(other: MemoryFlow): void {
    this.#other = other;
    this.state = 'open';
    this.#owner.handler.onOpen(this);
    for (const message of this.#waiting.splice(0)) this.send(message);
  }

  /** Sends bytes as they are. */
  sendBytes(bytes: Buffer): void {
    this.#owner.network.push(() => this.#other?.receive(bytes));
  }

  send(message: string): boolean {
    if (this.state === 'closed') return false;
    if (this.state === 'connecting') {
      this.#waiting.push(message);
      return true;
    }
    this.#owner.sent.push(message);
    if (!this.#owner.isMute) this.#owner.network.push(() => this.#other?.receive(Buffer.from(message)));
    return true;
  }

  /** Bytes from the other end, or from a test. */
  receive(bytes: Buffer): void {
    if (this.state === 'closed') return;
    if (this.transport === 'udp') this.#hand(parseDatagram(bytes));
    else this.#framer.write(bytes);
  }

  close(reason: string): void {
    if (this.state === 'closed') return;
    this.lost(reason);
    const other = this.#other;
    if (other !== undefined) this.#owner.network.push(() => other.lost('closed by the peer'));
  }

  lost(reason: string): void {
    if (this.state === 'closed') return;
    const wasOpen = this.state === 'open';
    this.state = 'closed';
    this.#owner.handler.onClosed(this, wasOpen, reason);
  }

  #hand(message: ParsedSip): void {
    this.#owner.handler.onMessage(this, message);
  }
}
