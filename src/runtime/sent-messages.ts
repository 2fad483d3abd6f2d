const PER_GENERATION = 50_000;

/**
 * Ids of messages sent to partners lately, so that an error that comes back is believed once and an invented one never.
 * Two generations bound the memory.
 */
export class SentMessages {
  #young = new Set<string>();
  #old = new Set<string>();

  add(id: string): void {
    if (this.#young.size >= PER_GENERATION) {
      this.#old = this.#young;
      this.#young = new Set();
    }
    this.#young.add(id);
  }

  /** Whether the id was sent; asking again says no. */
  take(id: string): boolean {
    return this.#young.delete(id) || this.#old.delete(id);
  }
}
