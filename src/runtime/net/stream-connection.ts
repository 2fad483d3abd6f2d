import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type ParserLimits, type StreamHandler, StreamParser } from '../xmpp/stream-parser.ts';

/** What a stream driver hears from its connection, besides what the parser reads. */
export interface ConnectionHandler extends StreamHandler {
  onSecured(socket: TLSSocket): void;
  /** The socket is gone, for whatever reason. Comes once, and nothing comes after it. */
  onDisconnected(detail: string): void;
}

/** Text gathered in one turn of the event loop is written at once when it reaches this many UTF-16 units. */
const FLUSH_AT = 65_536;
/** Bytes the peer may leave unread before the connection counts as congested. */
const CONGESTED_AT = 4 * 1_048_576;
/** Milliseconds a peer has to take our last words. */
const LINGER = 5_000;

/**
 * One socket with an XML stream on it: parser, batched writes, STARTTLS, orderly end. Knows nothing of XMPP beyond
 * that. Writes of one turn of the event loop leave as one string.
 */
export class StreamConnection {
  readonly remoteAddress: string;
  /** Milliseconds since 1970 of the last byte in and the last byte out. */
  lastReadAt: number;
  lastWriteAt: number;
  #socket: Socket;
  #parser: StreamParser;
  #limits: ParserLimits;
  #pending = '';
  #isFlushPlanned = false;
  #isEnding = false;
  #isGone = false;
  readonly #handler: ConnectionHandler;
  readonly #now: () => number;

  constructor(socket: Socket, handler: ConnectionHandler, limits: ParserLimits, now: () => number) {
    this.#socket = socket;
    this.#handler = handler;
    this.#limits = limits;
    this.#now = now;
    this.#parser = new StreamParser(handler, limits);
    this.remoteAddress = socket.remoteAddress ?? '';
    this.lastReadAt = this.lastWriteAt = now();
    socket.setNoDelay(true);
    socket.on('close', () => this.#onClose());
    socket.on('error', (error) => this.#onClose(error.message));
  }

  /** Starts reading: in clear, or after the handshake when `secure` wraps the socket for direct TLS. */
  start(secure?: (socket: Socket) => TLSSocket): void {
    if (secure === undefined) this.#read();
    else this.#handshake(secure);
  }

  /** Appends to what leaves this turn. */
  send(xml: string): void {
    this.#pending += xml;
    if (this.#pending.length >= FLUSH_AT) this.#flush();
    else if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      setImmediate(this.#onFlush);
    }
  }

  /** Whether the peer does not read what we write. */
  get isCongested(): boolean {
    return this.#socket.writableLength + this.#pending.length > CONGESTED_AT;
  }

  /** Stops reading until {@link resume}: the receiver of the stanzas cannot keep up. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#isEnding) this.#socket.resume();
  }

  setLimits(limits: ParserLimits): void {
    this.#limits = limits;
    this.#parser.setLimits(limits);
  }

  /** A new stream begins on the same channel (RFC 6120 section 4.3.3). */
  restart(): void {
    this.#parser.stop();
    this.#parser = new StreamParser(this.#handler, this.#limits);
  }

  /** Writes what is due, throws away what was read beyond the STARTTLS exchange, and secures the channel. */
  startTls(secure: (socket: Socket) => TLSSocket): void {
    this.#flush();
    this.#parser.stop();
    this.#handshake(secure);
  }

  /** Writes `xml`, then ends the connection; a peer that does not take it in time is cut. */
  close(xml: string): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#parser.stop();
    this.#pending += xml;
    this.#flush();
    if (this.#isGone) return;
    const socket = this.#socket;
    socket.end();
    // Whatever still comes is read to let the close reach us, and dropped.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** Cuts the connection now. */
  destroy(): void {
    this.#isEnding = true;
    this.#parser.stop();
    this.#socket.destroy();
  }

  #read(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#isEnding) return;
      this.lastReadAt = this.#now();
      this.#parser.write(chunk);
    });
  }

  #handshake(secure: (socket: Socket) => TLSSocket): void {
    this.#socket.removeAllListeners('data');
    this.#socket.pause();
    let secured: TLSSocket;
    try {
      secured = secure(this.#socket);
    } catch (error) {
      this.#socket.destroy();
      this.#onClose(error instanceof Error ? error.message : 'TLS could not start');
      return;
    }
    this.#socket = secured;
    secured.setNoDelay(true);
    secured.on('error', (error) => {
      secured.destroy();
      this.#onClose(`TLS: ${error.message}`);
    });
    secured.on('close', () => this.#onClose());
    const done = (): void => {
      if (this.#isEnding || this.#isGone) return;
      this.#parser = new StreamParser(this.#handler, this.#limits);
      this.#handler.onSecured(secured);
      this.#read();
    };
    // A server socket says `secure`, a client socket `secureConnect`.
    secured.once('secure', done);
  }

  readonly #onFlush = (): void => {
    this.#isFlushPlanned = false;
    this.#flush();
  };

  #flush(): void {
    const text = this.#pending;
    if (text === '' || this.#isGone) return;
    this.#pending = '';
    this.lastWriteAt = this.#now();
    if (this.#socket.writable) this.#socket.write(text);
  }

  #onClose(detail = 'the connection was closed'): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#isEnding = true;
    this.#parser.stop();
    this.#handler.onDisconnected(detail);
  }
}
