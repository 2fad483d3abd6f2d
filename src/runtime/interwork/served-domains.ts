/** The two names of a served domain: the same unless the configuration maps one to the other. */
export interface ServedDomainNames {
  /** XMPP domain, lower-case A-labels. */
  readonly domain: string;
  /** SIP domain, lower-case A-labels. */
  readonly sipDomain: string;
}

/** Look-ups of the domains this gateway speaks for; the federation index is one. */
export interface ServedDomains {
  servedDomain(domain: string): ServedDomainNames | undefined;
  servedSipDomain(sipDomain: string): ServedDomainNames | undefined;
}

/**
 * Whether a domain is ours under either of its names. A contact never is: one whose XMPP domain equals the SIP name of
 * a served domain would look like an inside user to the pool, and a message between two of ours would go in a circle.
 */
export function isServed(domain: string, served: ServedDomains): boolean {
  return served.servedDomain(domain) !== undefined || served.servedSipDomain(domain) !== undefined;
}
