import type { Jid } from './xmpp/jid.ts';

/** The two ends of a message that went to a partner. */
export interface Exchange {
  readonly user: Jid;
  readonly contact: Jid;
}

const PER_GENERATION = 50_000;

/**
 * Messages sent to partners lately, by id: an error that comes back is believed once, and only from the domain the
 * message went to and for the user who sent it. An id can be guessed by another partner. Two generations bound the memory.
 */
export class SentMessages {
  readonly #perGeneration: number;
  #young = new Map<string, Exchange>();
  #old = new Map<string, Exchange>();

  constructor(perGeneration = PER_GENERATION) {
    this.#perGeneration = perGeneration;
  }

  add(id: string, exchange: Exchange): void {
    if (this.#young.size >= this.#perGeneration) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(id, exchange);
  }

  /** The message that an error of this sender to this user is about; asking again finds nothing. */
  take(id: string, from: Jid, to: Jid): Exchange | undefined {
    const generation = this.#young.has(id) ? this.#young : this.#old;
    const exchange = generation.get(id);
    // A server may answer in its own name, or as one device of the contact.
    if (exchange?.contact.domain !== from.domain || exchange.user.bare !== to.bare) return undefined;
    generation.delete(id);
    return exchange;
  }
}
