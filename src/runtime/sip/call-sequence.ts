/**
 * CSeq numbers that grow within a Call-ID (RFC 3261 section 8.1.1.5), also across a restart: they start from a clock,
 * as that section suggests. Bounded: a Call-ID that was pushed out starts above everything that was pushed out.
 */
export class CallSequence {
  readonly #last = new Map<string, number>();
  readonly #capacity: number;
  #floor = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** @param seconds any clock of whole seconds that does not start over, below 2^31 */
  next(callId: string, seconds: number): number {
    const last = this.#last.get(callId);
    const number = Math.max((last ?? this.#floor) + 1, seconds);
    if (last === undefined && this.#last.size >= this.#capacity) this.#forgetOldest();
    this.#last.set(callId, number);
    return number;
  }

  #forgetOldest(): void {
    for (const [callId, number] of this.#last) {
      this.#last.delete(callId);
      this.#floor = Math.max(this.#floor, number);
      return;
    }
  }
}
