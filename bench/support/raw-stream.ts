import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';

/**
 * XMPP streams in bytes written beforehand, for load generators: negotiation by looking for the expected element, no
 * XML parser, nothing checked that the run does not need. Not for anything that meets a stranger.
 */

export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
  /** Trusted authorities. */
  readonly ca: string;
}

const WAIT_SECONDS = 15;

/** A negotiated stream, to be read from at once. */
export interface OpenStream {
  readonly socket: Socket;
  /** Bytes that were read already: Prosody, for one, sends stanzas before it has seen the last stream features. */
  readonly rest: Buffer;
}

/** A socket whose text is read up to an expected element at a time. */
class Dialogue {
  readonly #socket: Socket;
  #text = '';
  #wake: () => void = () => undefined;
  readonly #onData = (chunk: Buffer): void => {
    this.#text += chunk.toString('latin1');
    this.#wake();
  };
  readonly #onEnd = (): void => {
    this.#text += '(closed)';
    this.#wake();
  };

  constructor(socket: Socket) {
    this.#socket = socket.on('data', this.#onData).on('close', this.#onEnd);
  }

  /** Waits for a match and drops everything up to its end. @throws Error with what came instead */
  async expect(pattern: RegExp): Promise<RegExpExecArray> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, WAIT_SECONDS * 1000);
    try {
      for (;;) {
        const match = pattern.exec(this.#text);
        if (match !== null) {
          this.#text = this.#text.slice(match.index + match[0].length);
          return match;
        }
        if (isLate || this.#text.endsWith('(closed)')) throw new Error(`expected ${pattern}, got: ${this.#text}`);
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Hands the connection to another reader. */
  release(): OpenStream {
    this.#socket.off('data', this.#onData).off('close', this.#onEnd);
    return { socket: this.#socket, rest: Buffer.from(this.#text, 'latin1') };
  }
}

/** Resolves when more may be written, or when the connection is gone. */
export function drained(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

function header(from: string, to: string, more = ''): string {
  return (
    `<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' ` +
    `xmlns:db='jabber:server:dialback' from='${from}' to='${to}' version='1.0'${more}>`
  );
}

const FEATURES = /<stream:features(?:\s[^>]*)?(?:\/>|>.*<\/stream:features>)/s;
const TLS_NS = 'urn:ietf:params:xml:ns:xmpp-tls';
const SASL_NS = 'urn:ietf:params:xml:ns:xmpp-sasl';

/** Opens a server-to-server stream as initiating entity: STARTTLS, SASL EXTERNAL. */
export async function openStream(
  target: { readonly address: string; readonly port: number; readonly domain: string },
  own: { readonly domain: string; readonly address: string; readonly identity: TlsIdentity },
): Promise<OpenStream> {
  const plain = connect({ host: target.address, port: target.port, localAddress: own.address, noDelay: true });
  plain.on('error', () => undefined);
  await once(plain, 'connect');
  const before = new Dialogue(plain);
  plain.write(header(own.domain, target.domain));
  await before.expect(FEATURES);
  plain.write(`<starttls xmlns='${TLS_NS}'/>`);
  await before.expect(/<proceed[^>]*>/);
  const socket = connectTls({ socket: before.release().socket, servername: target.domain, ...own.identity });
  await once(socket, 'secureConnect');
  socket.on('error', () => undefined);
  const dialogue = new Dialogue(socket);
  socket.write(header(own.domain, target.domain));
  const [features] = await dialogue.expect(FEATURES);
  if (!features.includes('>EXTERNAL<')) throw new Error(`EXTERNAL is not offered: ${features}`);
  const authzid = Buffer.from(own.domain).toString('base64');
  socket.write(`<auth xmlns='${SASL_NS}' mechanism='EXTERNAL'>${authzid}</auth>`);
  await dialogue.expect(/<success[^>]*>/);
  socket.write(header(own.domain, target.domain));
  await dialogue.expect(FEATURES);
  return dialogue.release();
}

/** Answers a server-to-server stream as receiving entity: STARTTLS, SASL EXTERNAL. */
export async function acceptStream(plain: Socket, domain: string, identity: TlsIdentity): Promise<OpenStream> {
  plain.on('error', () => undefined).setNoDelay(true);
  const before = new Dialogue(plain);
  const answer = async (dialogue: Dialogue, socket: Socket, features: string): Promise<void> => {
    const [opening] = await dialogue.expect(/<stream:stream[^>]*>/);
    const remote = /\sfrom=['"]([^'"]*)/.exec(opening)?.[1] ?? '';
    socket.write(`${header(domain, remote, " id='bench'")}<stream:features>${features}</stream:features>`);
  };
  await answer(before, plain, `<starttls xmlns='${TLS_NS}'><required/></starttls>`);
  await before.expect(/<starttls[^>]*>/);
  plain.write(`<proceed xmlns='${TLS_NS}'/>`); // leaves at once, before TLS takes the connection over
  const socket = new TLSSocket(before.release().socket, {
    isServer: true,
    requestCert: true,
    rejectUnauthorized: true,
    ...identity,
  });
  socket.on('error', () => undefined);
  const dialogue = new Dialogue(socket);
  await answer(dialogue, socket, `<mechanisms xmlns='${SASL_NS}'><mechanism>EXTERNAL</mechanism></mechanisms>`);
  await dialogue.expect(/<auth[^>]*(?:\/>|>[^<]*<\/auth>)/);
  socket.write(`<success xmlns='${SASL_NS}'/>`);
  await answer(dialogue, socket, '');
  return dialogue.release();
}

/** Connects as an external component (XEP-0114). */
export async function connectComponent(
  target: { readonly address: string; readonly port: number },
  component: { readonly domain: string; readonly secret: string },
): Promise<OpenStream> {
  const socket = connect({ host: target.address, port: target.port, noDelay: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  const dialogue = new Dialogue(socket);
  socket.write(
    `<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ` +
      `xmlns:stream='http://etherx.jabber.org/streams' to='${component.domain}'>`,
  );
  const [, id = ''] = await dialogue.expect(/<stream:stream[^>]*\sid=['"]([^'"]*)['"][^>]*>/);
  const proof = createHash('sha1').update(id).update(component.secret).digest('hex');
  socket.write(`<handshake>${proof}</handshake>`);
  await dialogue.expect(/<handshake[^>]*>/);
  return dialogue.release();
}
