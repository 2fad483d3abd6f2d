export interface AdmissionLimits {
  readonly maxConnections: number;
  /** Connections that are in the handshake or not trusted. */
  readonly maxStrangers: number;
  readonly maxStrangersPerAddress: number;
}

/** Counts the connections that peers opened, so that strangers cannot take the places of those that are trusted. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #strangers = new Map<string, string>();
  readonly #perAddress = new Map<string, number>();
  readonly #connections = new Set<string>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /** Why one more connection from this address may not be; undefined when it may. */
  refusal(address: string, isTrusted: boolean): string | undefined {
    const { maxConnections, maxStrangers, maxStrangersPerAddress } = this.#limits;
    if (this.#connections.size >= maxConnections) return 'too many connections';
    if (isTrusted) return undefined;
    if (this.#strangers.size >= maxStrangers) return 'too many connections that are not trusted';
    const same = this.#perAddress.get(address) ?? 0;
    return same >= maxStrangersPerAddress ? 'too many connections that are not trusted from one address' : undefined;
  }

  /** @param key tells the connection from every other open one */
  enter(key: string, address: string, isTrusted: boolean): void {
    this.#connections.add(key);
    if (isTrusted) return;
    this.#strangers.set(key, address);
    this.#perAddress.set(address, (this.#perAddress.get(address) ?? 0) + 1);
  }

  /** The connection proved itself, and no longer counts as a stranger. */
  trust(key: string): void {
    const address = this.#strangers.get(key);
    if (address === undefined) return;
    this.#strangers.delete(key);
    const left = (this.#perAddress.get(address) ?? 1) - 1;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
  }

  leave(key: string): void {
    this.trust(key);
    this.#connections.delete(key);
  }
}
