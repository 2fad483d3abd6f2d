/** What arrived and was not yet asked for; whoever asks first for a thing that is still to come gets it. */
export class Inbox<T> {
  readonly #owner: string;
  readonly #describe: (item: T) => string;
  readonly #items: T[] = [];
  readonly #waiting = new Set<{ readonly wanted: (item: T) => boolean; readonly take: (item: T) => void }>();

  constructor(owner: string, describe: (item: T) => string) {
    this.#owner = owner;
    this.#describe = describe;
  }

  put(item: T): void {
    for (const waiter of this.#waiting) {
      if (!waiter.wanted(item)) continue;
      this.#waiting.delete(waiter);
      waiter.take(item);
      return;
    }
    this.#items.push(item);
  }

  /** Items that arrived and were not taken. */
  pending(): readonly T[] {
    return this.#items;
  }

  /** The first item that is wanted, now or later. @throws Error naming what did arrive, after `seconds` */
  async next(what: string, wanted: (item: T) => boolean, seconds: number): Promise<T> {
    const index = this.#items.findIndex(wanted);
    const [present] = index < 0 ? [] : this.#items.splice(index, 1);
    if (present !== undefined) return present;
    return new Promise((resolve, reject) => {
      const waiter = {
        wanted,
        take: (item: T): void => {
          clearTimeout(timer);
          resolve(item);
        },
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(waiter);
        const arrived = this.#items.map(this.#describe).join('\n') || 'nothing';
        reject(new Error(`${this.#owner}: no ${what} within ${seconds} s; arrived instead: ${arrived}`));
      }, seconds * 1000);
      this.#waiting.add(waiter);
    });
  }
}
