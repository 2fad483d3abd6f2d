/** Things that happen, in order; each is handed out once to whoever waits for one of its kind. */
export class EventQueue<E> {
  readonly #what: string;
  readonly #events: E[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(what: string) {
    this.#what = what;
  }

  push(event: E): void {
    this.#events.push(event);
    for (const wake of [...this.#waiting]) wake();
  }

  /** Those that nobody has taken yet. */
  all(): readonly E[] {
    return this.#events;
  }

  /** The first that fits, also among those that have happened already. Rejects when none comes in time. */
  async next(fits: (event: E) => boolean = () => true, milliseconds = 15_000): Promise<E> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const at = this.#events.findIndex(fits);
      const [found] = at < 0 ? [] : this.#events.splice(at, 1);
      if (found !== undefined) return found;
      const left = deadline - Date.now();
      if (left <= 0) {
        const seen = this.#events.map((event) => JSON.stringify(event)).join('\n');
        throw new Error(`${this.#what}: what was expected did not happen in ${milliseconds} ms, but:\n${seen}`);
      }
      await this.#change(left);
    }
  }

  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#waiting.add(done);
    });
  }
}
