import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { SipFlow } from '../sip/flow.ts';
import type { RequestSource } from '../sip/format.ts';
import type { ParsedSip, SipLimits } from '../sip/message.ts';
import { StreamFramer } from '../sip/stream-framer.ts';
import { NO_PROOF, type PeerProof, plainAddress } from './sip-trust.ts';

/** What a connection tells the transport that holds it. */
export interface FlowOwner {
  readonly limits: SipLimits;
  /** Bytes a peer may leave unread before nothing more is taken for it. */
  readonly maxQueuedBytes: number;
  now(): number;
  /** After a failure that breaks the framing the flow closes itself, once what this sends is written. */
  onMessage(flow: StreamFlow, message: ParsedSip): void;
  onClosed(flow: StreamFlow, wasOpen: boolean, reason: string): void;
  /** Asks for `flush` at the end of this event-loop turn. */
  schedule(flow: StreamFlow): void;
}

const PONG = '\r\n';

/** A TCP or TLS connection that carries SIP. */
export class StreamFlow implements SipFlow {
  readonly transport: 'tcp' | 'tls';
  readonly isOutbound: boolean;
  isTrusted = false;
  state: 'connecting' | 'open' | 'closed' = 'connecting';
  source: RequestSource = { address: '', port: 0 };
  peer: string;
  mayReuse = false;
  /** What its certificate proves, and the connection to judge it by again. */
  proof: PeerProof = NO_PROOF;
  secured: TLSSocket | undefined = undefined;
  readonly openedMs: number;
  lastReadMs: number;
  /** Since when a message is incomplete; -1 between messages. */
  partialSinceMs = -1;
  /** Since when our end is closed; -1 before. */
  closingSinceMs = -1;
  readonly #owner: FlowOwner;
  readonly #framer: StreamFramer;
  #socket: Socket | undefined;
  #queue: string[] = [];
  #queued = 0;
  #isScheduled = false;
  #reason = '';
  #resolveClosed: () => void = () => {};
  /** Settles when the flow is gone. */
  readonly closed = new Promise<void>((resolve) => {
    this.#resolveClosed = resolve;
  });

  constructor(owner: FlowOwner, transport: 'tcp' | 'tls', isOutbound: boolean, peer: string) {
    this.#owner = owner;
    this.transport = transport;
    this.isOutbound = isOutbound;
    this.peer = peer;
    this.openedMs = owner.now();
    this.lastReadMs = this.openedMs;
    this.#framer = new StreamFramer(
      {
        onMessage: (message) => {
          this.partialSinceMs = -1;
          owner.onMessage(this, message);
        },
        onPing: () => {
          this.send(PONG);
        },
        onBroken: (failure) => {
          owner.onMessage(this, failure);
          this.close(failure.message);
        },
      },
      owner.limits,
    );
  }

  /** The connection is there, over TLS also secured and judged: what waited leaves now. */
  attach(socket: Socket, peer: string): void {
    this.#socket = socket;
    this.source = { address: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 };
    this.peer = peer;
    this.state = 'open';
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('error', (error) => {
      this.#reason ||= error.message;
    });
    socket.on('close', () => this.#onGone(true));
    if (this.#queued > 0) this.#schedule();
  }

  /** No connection came about. */
  fail(reason: string): void {
    if (this.state !== 'connecting') return;
    this.#reason = reason;
    this.#onGone(false);
  }

  send(message: string): boolean {
    if (this.state === 'closed' || this.closingSinceMs >= 0) return false;
    const waiting = this.#queued + (this.#socket?.writableLength ?? 0);
    if (waiting + message.length > this.#owner.maxQueuedBytes) return false;
    this.#queue.push(message);
    this.#queued += message.length;
    this.#schedule();
    return true;
  }

  /** Writes everything queued as one piece. */
  flush(): void {
    this.#isScheduled = false;
    if (this.#queued === 0 || this.#socket === undefined || this.state !== 'open') return;
    const text = this.#queue.length === 1 ? (this.#queue[0] as string) : this.#queue.join('');
    this.#queue = [];
    this.#queued = 0;
    this.#socket.write(text);
  }

  close(reason: string): void {
    if (this.state === 'connecting') {
      this.fail(reason);
      return;
    }
    if (this.state === 'closed' || this.closingSinceMs >= 0) return;
    this.flush();
    this.#reason ||= reason;
    this.closingSinceMs = this.#owner.now();
    this.#framer.stop();
    this.#socket?.end();
  }

  /** Cuts the connection now. */
  destroy(reason: string): void {
    this.#reason ||= reason;
    this.#socket?.destroy();
  }

  #schedule(): void {
    if (this.#isScheduled || this.state !== 'open') return;
    this.#isScheduled = true;
    this.#owner.schedule(this);
  }

  #onData(chunk: Buffer): void {
    const now = this.#owner.now();
    this.lastReadMs = now;
    this.#framer.write(chunk);
    if (this.#framer.isIdle) this.partialSinceMs = -1;
    else if (this.partialSinceMs < 0) this.partialSinceMs = now;
  }

  #onGone(wasOpen: boolean): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#framer.stop();
    this.#queue = [];
    this.#queued = 0;
    this.#resolveClosed();
    this.#owner.onClosed(this, wasOpen, this.#reason || 'closed by the peer');
  }
}
