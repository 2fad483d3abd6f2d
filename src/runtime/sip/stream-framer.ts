import {
  DEFAULT_SIP_LIMITS,
  failure,
  finishMessage,
  type ParsedSip,
  parseHead,
  type SipFailure,
  type SipHead,
  type SipLimits,
} from './message.ts';

export interface FramerHandler {
  /** A message, or one that is framed well but spoiled inside (a failure with breaksFraming false). */
  onMessage(message: ParsedSip): void;
  /** A keep-alive of RFC 5626 section 3.5.1 that is to be answered with one CRLF. At most once per write. */
  onPing(): void;
  /** The stream cannot be read any further. Nothing follows. */
  onBroken(failure: SipFailure): void;
}

const CRLF_CRLF = Buffer.from('\r\n\r\n', 'latin1');
const NOTHING = Buffer.alloc(0);

/**
 * Cuts a TCP or TLS stream into SIP messages (RFC 3261 section 18.3). Work is linear in the bytes written, however they
 * are cut; never more than one message beyond the current chunk is held.
 */
export class StreamFramer {
  readonly #handler: FramerHandler;
  readonly #limits: SipLimits;
  #held: Buffer = NOTHING;
  /** Bytes of `held` in use; the rest is room to grow. */
  #length = 0;
  #position = 0;
  /** How far the end of the head was searched for. */
  #searched = 0;
  #head: SipHead | undefined;
  #lineEnds = 0;
  #hasPing = false;
  #isStopped = false;

  constructor(handler: FramerHandler, limits: SipLimits = DEFAULT_SIP_LIMITS) {
    this.#handler = handler;
    this.#limits = limits;
  }

  /** Whether no message has begun. */
  get isIdle(): boolean {
    return this.#head === undefined && this.#position === this.#length;
  }

  /** Discards everything from here on, the rest of the current chunk included. */
  stop(): void {
    this.#isStopped = true;
    this.#held = NOTHING;
    this.#length = 0;
    this.#position = 0;
  }

  write(chunk: Buffer): void {
    if (this.#isStopped) return;
    this.#append(chunk);
    while (!this.#isStopped && this.#readOne()) {}
    if (this.#isStopped) return;
    this.#keepRest();
    if (this.#hasPing) {
      this.#hasPing = false;
      this.#handler.onPing();
    }
  }

  // Bytes once handed out are never written over: messages keep views of them while they are handled.
  #append(chunk: Buffer): void {
    if (this.#length === 0) {
      this.#held = chunk;
      this.#length = chunk.length;
      return;
    }
    const length = this.#length + chunk.length;
    if (length > this.#held.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#length, 1024));
      this.#held.copy(grown, 0, 0, this.#length);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#length);
    this.#length = length;
  }

  #keepRest(): void {
    const rest = this.#length - this.#position;
    if (rest === 0) {
      this.#held = NOTHING;
      this.#length = 0;
      this.#position = 0;
      this.#searched = 0;
    } else if (this.#position > 0) {
      // Copied, so that a few bytes do not keep a whole chunk alive.
      const held = Buffer.allocUnsafeSlow(Math.max(2 * rest, 1024));
      this.#held.copy(held, 0, this.#position, this.#length);
      this.#searched = Math.max(0, this.#searched - this.#position);
      this.#held = held;
      this.#length = rest;
      this.#position = 0;
    } else if (this.#length === this.#held.length) {
      // The chunk itself, which belongs to the socket.
      const held = Buffer.allocUnsafeSlow(Math.max(2 * rest, 1024));
      this.#held.copy(held, 0, 0, rest);
      this.#held = held;
    }
  }

  /** Reads one message; false when more bytes are needed. */
  #readOne(): boolean {
    const { maxHeadBytes, maxBodyBytes } = this.#limits;
    let head = this.#head;
    if (head === undefined) {
      if (!this.#skipLineEnds()) return false;
      const start = this.#position;
      const view = this.#held.length === this.#length ? this.#held : this.#held.subarray(0, this.#length);
      const end = view.indexOf(CRLF_CRLF, Math.max(start, this.#searched - 3));
      if ((end < 0 ? this.#length : end) - start > maxHeadBytes) {
        return this.#break(failure(413, 'Headers Too Large', undefined, true));
      }
      if (end < 0) {
        this.#searched = this.#length;
        return false;
      }
      const read = parseHead(this.#held.subarray(start, end), this.#limits);
      if ('kind' in read) return this.#break(read);
      if (read.contentLength < 0) return this.#break(failure(400, 'Missing Content-Length', read, true));
      if (read.contentLength > maxBodyBytes) return this.#break(failure(413, 'Body Too Large', read, true));
      head = read;
      this.#position = end + 4;
    }
    const bodyEnd = this.#position + head.contentLength;
    if (bodyEnd > this.#length) {
      this.#head = head;
      return false;
    }
    const body = head.contentLength === 0 ? NOTHING : this.#held.subarray(this.#position, bodyEnd);
    this.#head = undefined;
    this.#position = bodyEnd;
    this.#searched = bodyEnd;
    this.#handler.onMessage(finishMessage(head, body));
    return true;
  }

  /** Skips CRLF between messages and counts them; false when no message has begun. */
  #skipLineEnds(): boolean {
    const held = this.#held;
    const length = this.#length;
    while (this.#position < length && held[this.#position] === 0x0d) {
      if (this.#position + 1 === length) return false;
      if (held[this.#position + 1] !== 0x0a) return true;
      this.#position += 2;
      if (++this.#lineEnds === 2) {
        this.#lineEnds = 0;
        this.#hasPing = true;
      }
    }
    if (this.#position === length) return false;
    this.#lineEnds = 0;
    return true;
  }

  #break(broken: SipFailure): false {
    this.stop();
    this.#handler.onBroken(broken);
    return false;
  }
}
