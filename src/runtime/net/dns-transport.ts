import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

/** Address of a name server. */
export interface DnsServerAddress {
  /** IPv4 or IPv6 literal. */
  readonly address: string;
  readonly port: number;
}

export interface Exchange<T> {
  readonly server: DnsServerAddress;
  readonly message: Buffer;
  /** Undefined when the bytes do not answer the message: over UDP the wait goes on. */
  readonly accept: (bytes: Buffer) => T | undefined;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** What came of an exchange; never rejects. `abandoned`: a server error, or too much noise. */
export type Exchanged<T> =
  | { readonly outcome: 'answer'; readonly value: T }
  | { readonly outcome: 'timeout' | 'abandoned' };

const MAX_STRAY_DATAGRAMS = 16;

/** One datagram from a fresh random port, and the first acceptable answer from the server's own address and port. */
export function exchangeUdp<T>({ server, message, accept, timeoutMs, signal }: Exchange<T>): Promise<Exchanged<T>> {
  return new Promise((resolve) => {
    const socket = createSocket(server.address.includes(':') ? 'udp6' : 'udp4');
    let strays = 0;
    let isDone = false;
    const finish = (result: Exchanged<T>): void => {
      if (isDone) return;
      isDone = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.removeAllListeners('message');
      socket.close();
      resolve(result);
    };
    const onAbort = (): void => finish({ outcome: 'abandoned' });
    const timer = setTimeout(() => finish({ outcome: 'timeout' }), timeoutMs);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);

    socket.on('error', () => finish({ outcome: 'abandoned' }));
    socket.on('message', (bytes) => {
      const value = accept(bytes);
      if (value !== undefined) return finish({ outcome: 'answer', value });
      // Somebody is guessing: the caller turns to TCP.
      strays += 1;
      if (strays === MAX_STRAY_DATAGRAMS) finish({ outcome: 'abandoned' });
    });
    // A connected socket drops datagrams of anybody else and reports an unreachable port.
    socket.once('connect', () => socket.send(message));
    socket.connect(server.port, server.address);
  });
}

/** One message over TCP (RFC 7766), the answer bounded by its 16-bit length. */
export function exchangeTcp<T>({ server, message, accept, timeoutMs, signal }: Exchange<T>): Promise<Exchanged<T>> {
  return new Promise((resolve) => {
    const socket = connect({ host: server.address, port: server.port });
    const chunks: Buffer[] = [];
    let received = 0;
    const finish = (result: Exchanged<T>): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      resolve(result);
    };
    const onAbort = (): void => finish({ outcome: 'abandoned' });
    const timer = setTimeout(() => finish({ outcome: 'timeout' }), timeoutMs);
    socket.on('error', onAbort);
    socket.on('close', onAbort);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);

    const prefix = Buffer.alloc(2);
    prefix.writeUInt16BE(message.length);
    socket.write(Buffer.concat([prefix, message]));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received < 2) return;
      const bytes = Buffer.concat(chunks);
      chunks.splice(0, chunks.length, bytes);
      const length = bytes.readUInt16BE(0);
      if (received < length + 2) return;
      const value = accept(bytes.subarray(2, length + 2));
      finish(value === undefined ? { outcome: 'abandoned' } : { outcome: 'answer', value });
    });
  });
}
