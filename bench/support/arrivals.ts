/** What became of the messages of one run. */
export interface Arrivals {
  readonly expected: number;
  readonly missing: number;
  /** Place in the run of the first that is missing, from 0; -1 when none is. */
  readonly firstMissing: number;
  readonly duplicates: number;
  readonly damaged: number;
  /** Errors, and messages that nobody expected. */
  readonly strays: number;
  /** The beginning of the first thing that was not as expected. */
  readonly sample: string;
}

const STALL_SECONDS = 15;

/** Counts numbered messages, each of which must come exactly once. */
export class ArrivalLog {
  #first = 0;
  #seen = new Uint8Array(0);
  #left = 0;
  #duplicates = 0;
  #damaged = 0;
  #strays = 0;
  #sample = '';
  #onComplete: () => void = () => undefined;

  /** Begins a run; strays since the run before count for this one. */
  arm(first: number, count: number): void {
    this.#first = first;
    this.#seen = new Uint8Array(count);
    this.#left = count;
    this.#duplicates = 0;
    this.#damaged = 0;
  }

  /** @param sample called only when something is wrong */
  note(number: number, isIntact: boolean, sample: () => string): void {
    const index = number - this.#first;
    const seen = this.#seen[index];
    if (seen === undefined) {
      this.stray(sample);
      return;
    }
    if (!isIntact) {
      this.#damaged += 1;
      this.#keep(sample);
    }
    if (seen === 1) {
      this.#duplicates += 1;
      this.#keep(sample);
      return;
    }
    this.#seen[index] = 1;
    this.#left -= 1;
    if (this.#left === 0) this.#onComplete();
  }

  stray(sample: () => string): void {
    this.#strays += 1;
    this.#keep(sample);
  }

  /** Resolves when all have arrived, or when nothing has arrived for 15 seconds. */
  async settled(): Promise<Arrivals> {
    if (this.#left > 0) {
      await new Promise<void>((resolve) => {
        let before = this.#left;
        const watch = setInterval(() => {
          if (this.#left === before) finish();
          before = this.#left;
        }, STALL_SECONDS * 1000);
        const finish = (): void => {
          clearInterval(watch);
          resolve();
        };
        this.#onComplete = finish;
      });
    }
    const expected = this.#seen.length;
    const report = { expected, missing: this.#left, duplicates: this.#duplicates, damaged: this.#damaged };
    const firstMissing = this.#seen.indexOf(0);
    const result = { ...report, firstMissing, strays: this.#strays, sample: this.#sample };
    this.#strays = 0;
    this.#sample = '';
    return result;
  }

  #keep(sample: () => string): void {
    if (this.#sample === '') this.#sample = sample();
  }
}
