import type { FederationIndex, RefusalReason } from '../../policy/index.ts';

/** Streams of one address that have not proved a domain yet. */
const MAX_UNPROVED_PER_ADDRESS = 20;
/** Of all streams, the share that may be unproved: strangers cannot take the room of partners. */
const UNPROVED_SHARE = 0.5;

/** Counts streams against the limits. One entry is opened and settled per stream; the sums are always those of the open ones. */
export class StreamLedger {
  #total = 0;
  #unproved = 0;
  readonly #unprovedByAddress = new Map<string, number>();
  /** By the partner's primary domain. */
  readonly #byPartner = new Map<string, number>();

  get total(): number {
    return this.#total;
  }

  get unproved(): number {
    return this.#unproved;
  }

  /** Why one more connection from this address may not come in, or undefined. */
  refusalFor(
    address: string,
    index: FederationIndex,
  ): 'connection-limit' | 'unproved-limit' | 'address-limit' | undefined {
    const { connectionLimit } = index.config.xmppGatewayConfiguration;
    if (this.#total >= connectionLimit) return 'connection-limit';
    if (this.#unproved >= Math.max(1, Math.ceil(connectionLimit * UNPROVED_SHARE))) return 'unproved-limit';
    if ((this.#unprovedByAddress.get(address) ?? 0) >= MAX_UNPROVED_PER_ADDRESS) return 'address-limit';
    return undefined;
  }

  /** A limit that one more proved stream of this domain's partner would break. */
  limitFor(remoteDomain: string, index: FederationIndex): RefusalReason | undefined {
    const entry = index.partnerOf(remoteDomain);
    if (entry === undefined) return undefined;
    const limit = entry.partner.connectionLimit ?? index.config.xmppGatewayConfiguration.partnerConnectionLimit;
    return (this.#byPartner.get(entry.partner.domain) ?? 0) >= limit ? 'partner-connection-limit' : undefined;
  }

  /** A connection exists from now on, until {@link LedgerEntry.settle}. */
  open(address: string | undefined): LedgerEntry {
    this.#total += 1;
    if (address !== undefined) {
      this.#unproved += 1;
      add(this.#unprovedByAddress, address, 1);
    }
    let unprovedAddress = address;
    let partner: string | undefined;
    let isOpen = true;
    const prove = (): void => {
      if (unprovedAddress === undefined) return;
      this.#unproved -= 1;
      add(this.#unprovedByAddress, unprovedAddress, -1);
      unprovedAddress = undefined;
    };
    return {
      admit: (primaryDomain) => {
        prove();
        if (partner !== undefined || !isOpen) return;
        partner = primaryDomain;
        add(this.#byPartner, primaryDomain, 1);
      },
      settle: () => {
        if (!isOpen) return;
        isOpen = false;
        prove();
        this.#total -= 1;
        if (partner !== undefined) add(this.#byPartner, partner, -1);
      },
    };
  }
}

export interface LedgerEntry {
  /** The stream has proved a domain of this partner; later ones on the same stream count no more. */
  admit(primaryDomain: string): void;
  settle(): void;
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
