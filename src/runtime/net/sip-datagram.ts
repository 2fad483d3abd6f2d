import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { SipFlow } from '../sip/flow.ts';
import { formatAuthority, type RequestSource } from '../sip/format.ts';
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

export interface DatagramBinding {
  readonly address: string;
  /** 0 for any. */
  readonly port: number;
}

/** Binds one UDP socket. Rejects when the address is taken or not ours. */
export async function bindDatagram(
  { address, port }: DatagramBinding,
  onPacket: (socket: Socket, bytes: Buffer, source: RequestSource) => void,
): Promise<Socket> {
  const isSix = isIPv6(address);
  const socket = createSocket({
    type: isSix ? 'udp6' : 'udp4',
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
    // Over the system's limit: its default stays.
  }
  socket.on('message', (bytes, { address: from, port: at }) => {
    onPacket(socket, bytes, { address: plainAddress(from), port: at });
  });
  return socket;
}
