import { OutboundStream } from './outbound-stream.ts';
import {
  CONGESTED,
  failureOf,
  QUEUE_FULL,
  type RouteFailure,
  SHUTTING_DOWN,
  TOO_LATE,
  TOO_LONG,
} from './route-failure.ts';
import type { StreamServices, StreamSnapshot } from './stream-services.ts';

/** Told once per stanza: written to an admitted stream, or not and why. */
export type SendDone = (failure: RouteFailure | undefined) => void;

interface Waiting {
  readonly xml: string;
  readonly since: number;
  readonly done: SendDone;
}

/** Milliseconds a stanza waits: a SIP client gives up after 32 seconds (RFC 3261 timer F) and must have heard by then. */
const LONGEST_WAIT = 25_000;
const MAX_WAITING = 1_000;
const MAX_WAITING_LENGTH = 4 * 1_048_576;
/** Milliseconds: the first pause after a failure, and the longest. */
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 300_000;
/** Milliseconds an admitted stream has to last, or it counts as a failure when that happens again. */
const STEADY = 10_000;

/**
 * The way from one of our domains to one of a partner: one stream, opened when there is something to send. Stanzas wait
 * for it in a bounded queue and come back with the cause when it fails. After a failure the route pauses, longer each
 * time, and what is sent meanwhile comes back with the same cause.
 */
export class OutboundRoute {
  readonly localDomain: string;
  readonly remoteDomain: string;
  readonly #services: StreamServices;
  #stream: OutboundStream | undefined;
  #admittedAt = 0;
  #waiting: Waiting[] = [];
  #waitingLength = 0;
  /** In a row. */
  #failures = 0;
  #failure: RouteFailure | undefined;
  #pauseUntil = 0;
  /** Until when the failures count. */
  #troubledUntil = 0;

  constructor(localDomain: string, remoteDomain: string, services: StreamServices) {
    this.localDomain = localDomain;
    this.remoteDomain = remoteDomain;
    this.#services = services;
  }

  send(xml: string, done: SendDone): void {
    const stream = this.#stream;
    if (stream?.isOpen === true) {
      done(write(stream, xml));
      return;
    }
    const now = this.#services.now();
    const failure = this.#whyNotWait(xml, now);
    if (failure !== undefined) {
      done(failure);
      return;
    }
    this.#waiting.push({ xml, since: now, done });
    this.#waitingLength += xml.length;
    if (stream === undefined) this.#open();
  }

  /** An answer to a ping; says whether it was one of ours. */
  takePong(id: string): boolean {
    return this.#stream?.takePong(id) ?? false;
  }

  /** Nothing is open, and failures are so long ago that the next one counts as the first: the route can be forgotten. */
  isIdle(now: number): boolean {
    return this.#stream === undefined && (this.#failures === 0 || now >= this.#troubledUntil);
  }

  tick(now: number): void {
    this.#stream?.tick(now);
    const fresh = this.#waiting.findIndex(({ since }) => now - since < LONGEST_WAIT);
    if (fresh === 0) return;
    const overdue = this.#waiting.splice(0, fresh === -1 ? this.#waiting.length : fresh);
    for (const { xml } of overdue) this.#waitingLength -= xml.length;
    for (const { done } of overdue) done(TOO_LATE);
  }

  /**
   * The partner has just come to us, so it is worth another try: answers to what it sends would be lost in a pause.
   * The failures still count, and each stream of the partner ends one pause.
   */
  endPause(): void {
    this.#pauseUntil = 0;
  }

  reconsider(): void {
    // A changed configuration may have mended what failed.
    this.#failures = 0;
    this.#pauseUntil = 0;
    this.#stream?.reconsider();
  }

  shutdown(): void {
    this.#bounce(SHUTTING_DOWN);
    this.#stream?.shutdown();
  }

  snapshot(): StreamSnapshot | undefined {
    return this.#stream?.snapshot();
  }

  #whyNotWait(xml: string, now: number): RouteFailure | undefined {
    if (this.#stream === undefined && now < this.#pauseUntil) return this.#failure;
    const isFull = this.#waiting.length >= MAX_WAITING || this.#waitingLength + xml.length > MAX_WAITING_LENGTH;
    return isFull ? QUEUE_FULL : undefined;
  }

  #open(): void {
    const { localDomain, remoteDomain } = this;
    const stream = new OutboundStream({ localDomain, remoteDomain, purpose: 'stanzas' }, this.#services, {
      onAdmitted: () => this.#onAdmitted(stream),
      onReady: () => undefined,
      onVerified: () => undefined,
      onEnded: (ending) => {
        this.#stream = undefined;
        if (ending.why === 'shutdown') this.#bounce(SHUTTING_DOWN);
        else if (stream.wasAdmitted) this.#onLost(failureOf(ending));
        else this.#fail(failureOf(ending));
      },
    });
    this.#stream = stream;
    void stream.open();
  }

  #onAdmitted(stream: OutboundStream): void {
    this.#admittedAt = this.#services.now();
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingLength = 0;
    for (const { xml, done } of waiting) done(write(stream, xml));
  }

  /** The end of a stream that was up is no failure, the next stanza opens another; unless none of them lasts. */
  #onLost(failure: RouteFailure): void {
    const now = this.#services.now();
    if (now - this.#admittedAt >= STEADY) {
      this.#failures = 0;
    } else if (this.#failures === 0) {
      this.#failures = 1;
      this.#troubledUntil = now + LONGEST_PAUSE;
    } else {
      this.#fail(failure);
    }
  }

  #fail(failure: RouteFailure): void {
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures);
    // Half of the pause is jitter, so that partners that failed together do not come back together.
    this.#pauseUntil = this.#services.now() + pause * (0.5 + this.#services.random() / 2);
    this.#troubledUntil = this.#pauseUntil + LONGEST_PAUSE;
    this.#failures = Math.min(this.#failures + 1, 16);
    this.#failure = failure;
    this.#bounce(failure);
  }

  #bounce(failure: RouteFailure): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingLength = 0;
    for (const { done } of waiting) done(failure);
  }
}

function write(stream: OutboundStream, xml: string): RouteFailure | undefined {
  if (stream.isCongested) return CONGESTED;
  const { peerMaxBytes } = stream;
  // The length in UTF-16 units tells in most cases, for a third of the price.
  if (xml.length * 3 > peerMaxBytes && Buffer.byteLength(xml) > peerMaxBytes) return TOO_LONG;
  stream.send(xml);
  return undefined;
}
