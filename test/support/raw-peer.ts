import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { NS } from '../../src/runtime/xmpp/namespaces.ts';

type Scope = Pick<TestContext, 'after'>;

const PATIENCE = 10_000;

/** A peer that sends whatever bytes a test wants, and keeps what comes back. */
export class RawPeer {
  /** Everything received, in clear. */
  text = '';
  isClosed = false;
  socket: Socket | TLSSocket;
  #wake: (() => void)[] = [];

  static async connect(context: Scope, port: number, localAddress = '127.0.0.1'): Promise<RawPeer> {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    const peer = new RawPeer(context, socket);
    await once(socket, 'connect');
    return peer;
  }

  constructor(context: Scope, socket: Socket) {
    this.socket = socket;
    context.after(() => socket.destroy());
    this.#listen(socket);
  }

  write(text: string | Buffer): void {
    if (this.socket.writable) this.socket.write(text);
  }

  /** Waits for a text and returns everything up to now. */
  async heard(text: string | RegExp): Promise<string> {
    const isThere = () => (typeof text === 'string' ? this.text.includes(text) : text.test(this.text));
    await this.#until(() => isThere() || this.isClosed);
    assert.ok(isThere(), `expected ${text}, got ${JSON.stringify(this.text)}`);
    return this.text;
  }

  async closed(): Promise<string> {
    await this.#until(() => this.isClosed);
    return this.text;
  }

  /** Goes on as a TLS client; what was heard so far is forgotten. */
  async startTls(context: SecureContext, serverName: string): Promise<TLSSocket> {
    const raw = this.socket;
    raw.removeAllListeners('data');
    const secured = tlsConnect({
      socket: raw,
      secureContext: context,
      servername: serverName,
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    this.socket = secured;
    this.text = '';
    this.#listen(secured);
    await once(secured, 'secureConnect');
    return secured;
  }

  #listen(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
      this.#changed();
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.#changed();
    });
  }

  async #until(holds: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE;
    while (!holds()) {
      assert.ok(Date.now() < deadline, `nothing came behind ${JSON.stringify(this.text.slice(-500))}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20);
        this.#wake.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const each of wake) each();
  }
}

/** A server that a test answers for, connection by connection. */
export class RawServer {
  readonly peers: RawPeer[] = [];
  port = 0;

  static async start(context: Scope, onPeer: (peer: RawPeer, index: number) => void): Promise<RawServer> {
    const raw = new RawServer();
    const server = createServer((socket) => {
      const peer = new RawPeer(context, socket);
      raw.peers.push(peer);
      onPeer(peer, raw.peers.length - 1);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    context.after(() => server.close());
    raw.port = (server.address() as AddressInfo).port;
    return raw;
  }
}

export const STREAM_HEADER = `<?xml version='1.0'?><stream:stream xmlns='${NS.server}' xmlns:stream='${NS.streams}' xmlns:db='${NS.dialback}'`;

/** The header of an initiating entity. */
export function opening(from: string, to: string): string {
  return `${STREAM_HEADER} from='${from}' to='${to}' version='1.0'>`;
}

/**
 * Answers as a receiving server that takes every dialback key, in clear.
 *
 * @param extras more features
 * @param onAdmitted when `valid` has been said
 */
export function acceptDialback(
  peer: RawPeer,
  { extras = '', onAdmitted = () => undefined }: { readonly extras?: string; readonly onAdmitted?: () => void } = {},
): void {
  let position = 0;
  let hasHeader = false;
  peer.socket.on('data', () => {
    if (!hasHeader && peer.text.includes('<stream:stream')) {
      hasHeader = true;
      const from = / to='([^']*)'/.exec(peer.text)?.[1] ?? '';
      peer.write(`${STREAM_HEADER} from='${from}' id='raw-1' version='1.0'>`);
      peer.write(
        `<stream:features><dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>${extras}</stream:features>`,
      );
    }
    const request = /<db:result from='([^']*)' to='([^']*)'>/.exec(peer.text.slice(position));
    if (request === null) return;
    position = peer.text.length;
    peer.write(`<db:result from='${request[2]}' to='${request[1]}' type='valid'/>`);
    onAdmitted();
  });
}
