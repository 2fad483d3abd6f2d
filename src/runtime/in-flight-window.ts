/** Messages under way for each millisecond the pool takes to answer: room for 20 000 a second and more nearby. */
const PER_MILLISECOND = 20;
const SMALLEST = 256;
const LARGEST = 8_192;
/** Milliseconds for which the best answer time counts; up to twice as long until it is forgotten. */
const MEMORY = 10_000;
/** One message of so many is timed. */
const SAMPLE_EVERY = 32;

/**
 * How many messages may be under way to the pool before streams are read no further: enough to keep a distant pool
 * busy, and no more, because what waits costs memory and the collector's time. Measured at 1 000 instead of 256 under
 * way to a near pool: a quarter more CPU per message. The best answer time of late decides, not the average: a queue in
 * the pool makes the average long, and a longer window would make the queue longer.
 */
export class InFlightWindow {
  #best = Number.POSITIVE_INFINITY;
  #previousBest = Number.POSITIVE_INFINITY;
  #epochEnds = 0;
  #count = 0;

  /** Whether to time the message that goes out now. */
  isSampleDue(): boolean {
    this.#count = (this.#count + 1) % SAMPLE_EVERY;
    return this.#count === 0;
  }

  /**
   * @param milliseconds from sending a message to its answer
   * @param now monotonic milliseconds
   */
  sample(milliseconds: number, now: number): void {
    if (now >= this.#epochEnds) {
      this.#previousBest = this.#best;
      this.#best = Number.POSITIVE_INFINITY;
      this.#epochEnds = now + MEMORY;
    }
    this.#best = Math.min(this.#best, milliseconds);
  }

  get limit(): number {
    const best = Math.min(this.#best, this.#previousBest);
    if (best === Number.POSITIVE_INFINITY) return SMALLEST;
    return Math.min(LARGEST, Math.max(SMALLEST, Math.ceil(best * PER_MILLISECOND)));
  }
}
