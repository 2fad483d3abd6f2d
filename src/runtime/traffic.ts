import type { PartnerEntry, RefusalReason } from '../policy/index.ts';

/** Counts and the allowance of one configured partner. Plain fields: they change with every message. */
export class PartnerTraffic {
  /** Primary domain: the metric label. Empty for all that are no partner's. */
  readonly partner: string;
  messagesToSip = 0;
  messagesToXmpp = 0;
  sipFailures = 0;
  xmppFailures = 0;
  /** Errors and other answers that could not be handed to the partner. */
  lostReplies = 0;
  readonly refusals = new Map<RefusalReason, number>();
  #allowance: number | undefined;
  #refilledAt = 0;

  constructor(partner: string) {
    this.partner = partner;
  }

  countRefusal(reason: RefusalReason): void {
    this.refusals.set(reason, (this.refusals.get(reason) ?? 0) + 1);
  }

  /**
   * Takes one message out of an allowance that gathers for at most one second.
   *
   * @param rate messages per second, at least 1; undefined for no limit
   * @param now milliseconds of a clock that does not go back; one that does only stops the gathering
   */
  mayPass(rate: number | undefined, now: number): boolean {
    if (rate === undefined) return true;
    const gathered = (this.#allowance ?? rate) + (Math.max(0, now - this.#refilledAt) / 1_000) * rate;
    const allowance = Math.min(rate, gathered);
    this.#refilledAt = now;
    if (allowance < 1) {
      this.#allowance = allowance;
      return false;
    }
    this.#allowance = allowance - 1;
    return true;
  }
}

/** Traffic by partner. Only configured partners have an entry: a stranger cannot make the gateway remember anything. */
export class TrafficLedger {
  readonly #byPartner = new Map<string, PartnerTraffic>();
  /** Of domains that are no partner's. */
  readonly strangers = new PartnerTraffic('');

  of(entry: PartnerEntry | undefined): PartnerTraffic {
    if (entry === undefined) return this.strangers;
    const { domain } = entry.partner;
    const known = this.#byPartner.get(domain);
    if (known !== undefined) return known;
    const traffic = new PartnerTraffic(domain);
    this.#byPartner.set(domain, traffic);
    return traffic;
  }

  /** Forgets partners that are configured no more. */
  retain(isPartner: (domain: string) => boolean): void {
    for (const domain of this.#byPartner.keys()) {
      if (!isPartner(domain)) this.#byPartner.delete(domain);
    }
  }

  all(): Iterable<PartnerTraffic> {
    return this.#byPartner.values();
  }
}
