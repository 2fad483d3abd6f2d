import type { InFlightWindow } from './in-flight-window.ts';
import type { SipPageMessage } from './sip/page-message.ts';
import type { SipOutcome } from './sip-client.ts';

export interface PoolGateOptions {
  readonly window: Pick<InFlightWindow, 'isSampleDue' | 'sample' | 'limit'>;
  /** Sends one message; `done` is called exactly once, possibly before this returns. */
  send(message: SipPageMessage, done: (outcome: SipOutcome) => void): void;
  /** Stops, or goes on, reading what partners send. */
  pause(): void;
  resume(): void;
  /** Monotonic milliseconds. */
  now(): number;
}

/** The way to the pool: while as much is under way as the pool can use, partners are read no further. */
export class PoolGate {
  readonly #options: PoolGateOptions;
  /** Requests without an outcome. Only these count: each has one some day, so that what is paused always goes on. */
  #underWay = 0;
  #isPaused = false;

  constructor(options: PoolGateOptions) {
    this.#options = options;
  }

  send(message: SipPageMessage, done: (outcome: SipOutcome) => void): void {
    const { window, now } = this.#options;
    const sentAt = window.isSampleDue() ? now() : undefined;
    this.#underWay += 1;
    this.#options.send(message, (outcome) => {
      this.#underWay -= 1;
      if (sentAt !== undefined && outcome.source === 'response') window.sample(now() - sentAt, now());
      done(outcome);
      if (this.#isPaused && this.#underWay <= window.limit / 2) {
        this.#isPaused = false;
        this.#options.resume();
      }
    });
    if (!this.#isPaused && this.#underWay >= window.limit) {
      this.#isPaused = true;
      this.#options.pause();
    }
  }
}
