import ipaddr from 'ipaddr.js';
import { type FederationIndex, type Refused, refuse } from '../../policy/index.ts';

/** Streams of one address that have not proved a domain yet. */
const MAX_UNPROVED_PER_ADDRESS = 20;
/** Of all streams, the share that may be unproved: strangers cannot take the room of partners. */
const UNPROVED_SHARE = 0.5;

const TOTAL_PATH = 'xmppGatewayConfiguration.connectionLimit';

/** Counts streams against the limits. One entry is opened and settled per stream; the sums are always those of the open ones. */
export class StreamLedger {
  #total = 0;
  #unproved = 0;
  readonly #unprovedByAddress = new Map<string, number>();
  /** Streams that partners opened, by the partner's primary domain. */
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
    const count = this.#unprovedByAddress.get(networkOf(address)) ?? 0;
    return count >= MAX_UNPROVED_PER_ADDRESS ? 'address-limit' : undefined;
  }

  /** Why we may not open one more stream ourselves, or undefined. */
  outboundRefusal(index: FederationIndex): Refused | undefined {
    const { connectionLimit } = index.config.xmppGatewayConfiguration;
    return this.#total >= connectionLimit ? refuse('connection-limit', TOTAL_PATH) : undefined;
  }

  /** A stream exists from now on, until {@link LedgerEntry.settle}. @param address of a peer that has yet to prove a domain */
  open(address?: string): LedgerEntry {
    this.#total += 1;
    let network = address === undefined ? undefined : networkOf(address);
    if (network !== undefined) {
      this.#unproved += 1;
      add(this.#unprovedByAddress, network, 1);
    }
    const partners = new Set<string>();
    let isOpen = true;
    const prove = (): void => {
      if (network === undefined) return;
      this.#unproved -= 1;
      add(this.#unprovedByAddress, network, -1);
      network = undefined;
    };
    return {
      limitFor: (remoteDomain, index) => this.#limitFor(remoteDomain, index, partners),
      admit: (primaryDomain) => {
        if (!isOpen) return;
        prove();
        if (partners.has(primaryDomain)) return;
        partners.add(primaryDomain);
        add(this.#byPartner, primaryDomain, 1);
      },
      settle: () => {
        if (!isOpen) return;
        isOpen = false;
        prove();
        this.#total -= 1;
        for (const partner of partners) add(this.#byPartner, partner, -1);
      },
    };
  }

  #limitFor(remoteDomain: string, index: FederationIndex, counted: ReadonlySet<string>): Refused | undefined {
    const entry = index.partnerOf(remoteDomain);
    if (entry === undefined || counted.has(entry.partner.domain)) return undefined;
    const { domain, connectionLimit: own } = entry.partner;
    const limit = own ?? index.config.xmppGatewayConfiguration.partnerConnectionLimit;
    if ((this.#byPartner.get(domain) ?? 0) < limit) return undefined;
    const path =
      own === undefined ? 'xmppGatewayConfiguration.partnerConnectionLimit' : `${entry.path}.connectionLimit`;
    return refuse('partner-connection-limit', path);
  }
}

/** One stream in the ledger. */
export interface LedgerEntry {
  /** The limit that this stream would break by proving the domain, or undefined. */
  limitFor(remoteDomain: string, index: FederationIndex): Refused | undefined;
  /** The stream has proved a domain of the partner with this primary domain, and counts as one of that partner's. */
  admit(primaryDomain: string): void;
  settle(): void;
}

/** What counts as one address: an IPv4 address, or the /64 that every IPv6 host has to itself. */
function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address); // an IPv4-mapped address counts as what it maps
  return parsed.kind() === 'ipv4' ? parsed.toString() : parsed.toByteArray().slice(0, 8).join('.');
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
