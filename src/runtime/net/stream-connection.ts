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
/** Bytes read before other connections get their turn: without it one busy peer holds the event loop for megabytes. */
const TURN_BYTES = 65_536;
/** What the peer may leave unread, in bytes or UTF-16 units, before the connection counts as congested. */
const CONGESTED_AT = 4 * 1_048_576;
/** And before the connection is cut: only answers to the peer's own questions can lead so far. */
const OVERFULL_AT = 2 * CONGESTED_AT;
/** Milliseconds a peer has to take our last words. */
const LINGER = 5_000;
/** Milliseconds of silence after which the kernel looks for the peer: finds hosts that vanished without a word. */
const TCP_KEEP_ALIVE = 60_000;

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
  #readThisTurn = 0;
  #isHandshaking = false;
  #isPaused = false;
  #isEnding = false;
  #isGone = false;
  /** What led to the end, when the socket itself will not tell. */
  #cause: string | undefined;
  readonly #handler: ConnectionHandler;
  readonly #now: () => number;

  /** The handler hears nothing before {@link start}. */
  constructor(socket: Socket, handler: ConnectionHandler, limits: ParserLimits, now: () => number) {
    this.#socket = socket;
    this.#handler = handler;
    this.#limits = limits;
    this.#now = now;
    this.#parser = new StreamParser(handler, limits);
    this.remoteAddress = socket.remoteAddress ?? '';
    this.lastReadAt = this.lastWriteAt = now();
    socket.on('error', (error) => this.#onError(error));
    socket.on('close', () => this.#onClose());
  }

  /** Starts reading: in clear, or after the handshake when `secure` wraps the socket for direct TLS. */
  start(secure?: (socket: Socket) => TLSSocket): void {
    // A socket that went before it could be listened to would never say so.
    if (this.#socket.destroyed) setImmediate(() => this.#onClose());
    else {
      this.#socket.setNoDelay(true);
      this.#socket.setKeepAlive(true, TCP_KEEP_ALIVE);
      if (secure === undefined) this.#read();
      else this.#handshake(secure);
    }
  }

  /** Appends to what leaves this turn. Nothing is written after {@link close}. */
  send(xml: string): void {
    if (this.#isEnding) return;
    this.#pending += xml;
    if (this.#pending.length >= FLUSH_AT) this.#flush();
    else if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      setImmediate(this.#onFlush);
    }
  }

  /** Whether the peer does not read what we write. */
  get isCongested(): boolean {
    return this.#unsent > CONGESTED_AT;
  }

  get #unsent(): number {
    return this.#socket.writableLength + this.#pending.length;
  }

  /** Stops reading until {@link resume}: the receiver of the stanzas cannot keep up. */
  pause(): void {
    this.#isPaused = true;
    // A handshake goes on: nothing but it is read.
    if (!this.#isHandshaking && !this.#isEnding) this.#socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (!this.#isHandshaking && !this.#isEnding) this.#socket.resume();
  }

  setLimits(limits: ParserLimits): void {
    this.#limits = limits;
    this.#parser.setLimits(limits);
  }

  /** A new stream begins on the same channel (RFC 6120 section 4.3.3): what was read of the old one is thrown away. */
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
    // In a handshake there is no stream to say anything on.
    if (this.#isHandshaking) {
      this.destroy('closed during the TLS handshake');
      return;
    }
    this.#pending += xml;
    this.#flush();
    this.#isEnding = true;
    this.#parser.stop();
    const socket = this.#socket;
    socket.end();
    // Whatever still comes is read to let the close reach us, and dropped.
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER);
    timer.unref();
    socket.once('close', () => clearTimeout(timer));
  }

  /** Cuts the connection now. */
  destroy(cause: string): void {
    this.#isEnding = true;
    this.#cause ??= cause;
    this.#parser.stop();
    this.#socket.destroy();
  }

  #read(): void {
    if (this.#isPaused) this.#socket.pause();
    this.#socket.on('data', (chunk: Buffer) => {
      if (this.#isEnding) return;
      this.lastReadAt = this.#now();
      this.#parser.write(chunk);
      this.#readThisTurn += chunk.length;
      if (this.#readThisTurn < TURN_BYTES) return;
      this.#readThisTurn = 0;
      if (this.#isPaused || this.#isHandshaking || this.#isEnding) return;
      this.#socket.pause();
      setImmediate(this.#onNextTurn);
    });
  }

  readonly #onNextTurn = (): void => {
    if (!this.#isPaused && !this.#isHandshaking && !this.#isEnding) this.#socket.resume();
  };

  #handshake(secure: (socket: Socket) => TLSSocket): void {
    this.#socket.removeAllListeners('data');
    this.#socket.pause();
    this.#isHandshaking = true;
    let secured: TLSSocket;
    try {
      secured = secure(this.#socket);
    } catch (error) {
      this.destroy(`TLS could not start: ${error instanceof Error ? error.message : String(error)}`);
      return;
    }
    this.#socket = secured;
    secured.on('error', (error) => this.#onError(error, 'TLS: '));
    secured.on('close', () => this.#onClose());
    // Said by both ends, other than `secureConnect`.
    secured.once('secure', () => {
      this.#isHandshaking = false;
      if (this.#isEnding || secured.destroyed) return;
      this.#parser = new StreamParser(this.#handler, this.#limits);
      this.#handler.onSecured(secured);
      this.#read();
    });
  }

  readonly #onFlush = (): void => {
    this.#isFlushPlanned = false;
    this.#flush();
  };

  #flush(): void {
    const text = this.#pending;
    if (text === '' || this.#isEnding || !this.#socket.writable) return;
    this.#pending = '';
    this.lastWriteAt = this.#now();
    this.#socket.write(text);
    if (this.#unsent > OVERFULL_AT) this.destroy('the peer does not read what it asked for');
  }

  #onError(error: Error, prefix = ''): void {
    this.#cause ??= prefix + error.message;
    // The raw socket below TLS goes with it, and either may be the first to notice.
    this.#socket.destroy();
    this.#onClose();
  }

  #onClose(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#isEnding = true;
    this.#parser.stop();
    this.#handler.onDisconnected(
      this.#cause ?? (this.#isHandshaking ? 'closed during the TLS handshake' : 'the connection was closed'),
    );
  }
}
