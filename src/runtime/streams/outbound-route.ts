import { OutboundStream } from './outbound-stream.ts';
import { CONGESTED, failureOf, QUEUE_FULL, type RouteFailure, SHUTTING_DOWN, TOO_LATE } from './route-failure.ts';
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
  #waiting: Waiting[] = [];
  #waitingLength = 0;
  #failures = 0;
  #pauseUntil = 0;
  #failure: RouteFailure | undefined;

  constructor(localDomain: string, remoteDomain: string, services: StreamServices) {
    this.localDomain = localDomain;
    this.remoteDomain = remoteDomain;
    this.#services = services;
  }

  send(xml: string, done: SendDone): void {
    const stream = this.#stream;
    if (stream?.isOpen === true) {
      if (stream.isCongested) return done(CONGESTED);
      stream.send(xml);
      return done(undefined);
    }
    if (stream === undefined && this.#failure !== undefined && this.#services.now() < this.#pauseUntil)
      return done(this.#failure);
    if (this.#waiting.length >= MAX_WAITING || this.#waitingLength + xml.length > MAX_WAITING_LENGTH)
      return done(QUEUE_FULL);
    this.#waiting.push({ xml, since: this.#services.now(), done });
    this.#waitingLength += xml.length;
    if (stream === undefined) this.#open();
  }

  /** Nothing waits, nothing is open, no failure to remember: the route can be forgotten. */
  isIdle(now: number): boolean {
    return this.#stream === undefined && now >= this.#pauseUntil;
  }

  tick(now: number): void {
    this.#stream?.tick(now);
    const fresh = this.#waiting.findIndex(({ since }) => now - since < LONGEST_WAIT);
    const overdue = this.#waiting.splice(0, fresh === -1 ? this.#waiting.length : fresh);
    for (const { xml, done } of overdue) {
      this.#waitingLength -= xml.length;
      done(TOO_LATE);
    }
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

  #open(): void {
    const { localDomain, remoteDomain } = this;
    const stream = new OutboundStream({ localDomain, remoteDomain, purpose: 'stanzas' }, this.#services, {
      onAdmitted: () => this.#onAdmitted(stream),
      onReady: () => undefined,
      onVerified: () => undefined,
      onEnded: (ending) => {
        this.#stream = undefined;
        // The end of a stream that was up is no failure: the next stanza opens another.
        if (!stream.wasAdmitted && ending.why !== 'shutdown') this.#fail(failureOf(ending));
      },
    });
    this.#stream = stream;
    void stream.open();
  }

  #onAdmitted(stream: OutboundStream): void {
    this.#failures = 0;
    this.#failure = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingLength = 0;
    for (const { xml, done } of waiting) {
      stream.send(xml);
      done(undefined);
    }
  }

  #fail(failure: RouteFailure): void {
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures);
    // Half of the pause is jitter, so that partners that failed together do not come back together.
    this.#pauseUntil = this.#services.now() + pause * (0.5 + this.#services.random() / 2);
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
