/** One timer. Belongs to at most one wheel; starting it again moves it. */
export class WheelTimer<Owner> {
  readonly owner: Owner;
  /** Tells what it is running for; set before it is started. */
  name: string;
  deadline = 0;
  previous: WheelTimer<Owner> | undefined = undefined;
  next: WheelTimer<Owner> | undefined = undefined;
  slot = -1;

  constructor(owner: Owner, name = '') {
    this.owner = owner;
    this.name = name;
  }

  get isRunning(): boolean {
    return this.slot >= 0;
  }
}

/**
 * Timers in buckets of one tick each, so that starting and stopping one costs the same however many there are. It knows
 * no clock: whoever has one calls `advance`. A timer fires at the first advance at or after its deadline, and never
 * before it.
 */
export class TimerWheel<Owner> {
  readonly #tickMs: number;
  readonly #buckets: (WheelTimer<Owner> | undefined)[];
  #tick: number;
  #running = 0;

  constructor(tickMs: number, buckets: number, nowMs: number) {
    this.#tickMs = tickMs;
    this.#buckets = new Array<WheelTimer<Owner> | undefined>(buckets).fill(undefined);
    this.#tick = Math.floor(nowMs / tickMs);
  }

  get running(): number {
    return this.#running;
  }

  start(timer: WheelTimer<Owner>, nowMs: number, delayMs: number): void {
    if (timer.slot >= 0) this.stop(timer);
    timer.deadline = nowMs + delayMs;
    // The bucket that is swept when the deadline is wholly past; the next one at the earliest.
    const tick = Math.max(this.#tick + 1, Math.ceil(timer.deadline / this.#tickMs));
    const slot = tick % this.#buckets.length;
    const head = this.#buckets[slot];
    timer.slot = slot;
    timer.previous = undefined;
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    this.#buckets[slot] = timer;
    this.#running++;
  }

  stop(timer: WheelTimer<Owner>): void {
    if (timer.slot < 0) return;
    const { previous, next } = timer;
    if (previous === undefined) this.#buckets[timer.slot] = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    timer.previous = undefined;
    timer.next = undefined;
    timer.slot = -1;
    this.#running--;
  }

  /** Fires what is due. `fire` may start and stop timers, these included. */
  advance(nowMs: number, fire: (timer: WheelTimer<Owner>) => void): void {
    const target = Math.floor(nowMs / this.#tickMs);
    // One round visits every bucket, also after a pause longer than that.
    const first = Math.max(this.#tick + 1, target - this.#buckets.length + 1);
    if (target <= this.#tick) return;
    const due: WheelTimer<Owner>[] = [];
    for (let tick = first; tick <= target; tick++) {
      let timer = this.#buckets[tick % this.#buckets.length];
      while (timer !== undefined) {
        const next: WheelTimer<Owner> | undefined = timer.next;
        if (timer.deadline <= nowMs) due.push(timer);
        timer = next;
      }
    }
    this.#tick = target;
    due.sort((a, b) => a.deadline - b.deadline);
    for (const timer of due) {
      // An earlier one may have stopped it, or started it anew.
      if (timer.slot < 0 || timer.deadline > nowMs) continue;
      this.stop(timer);
      fire(timer);
    }
  }
}
