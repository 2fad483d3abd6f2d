import type { FederationIndex } from './federation-index.ts';
import type { StanzaFacts, StanzaKind } from './stanza-policy.ts';

/** Sender or recipient: an address in normal form, without resource. */
export interface Party {
  /** `local@domain`, or a domain. */
  readonly bare: string;
  readonly domain: string;
}

/**
 * The facts about a stanza from one party to another. Which of the two is in a served domain gives the direction;
 * undefined when both are, or neither is.
 */
export function stanzaBetween(
  from: Party,
  to: Party,
  stanza: { readonly kind: StanzaKind; readonly contactListed: boolean },
  index: FederationIndex,
): StanzaFacts | undefined {
  const isFromOurs = index.servedDomain(from.domain) !== undefined;
  if (isFromOurs === (index.servedDomain(to.domain) !== undefined)) return undefined;
  const [local, remote] = isFromOurs ? [from, to] : [to, from];
  return {
    direction: isFromOurs ? 'outbound' : 'inbound',
    localUser: local.bare,
    localDomain: local.domain,
    remoteDomain: remote.domain,
    kind: stanza.kind,
    contactListed: stanza.contactListed,
  };
}

/** What was expected of two addresses when {@link stanzaBetween} has no answer. `names` is what the asker calls them. */
export function noDirection(from: Party, names: string, index: FederationIndex): string {
  const served = index.config.domains.map(({ domain }) => domain).join(', ');
  const got = index.servedDomain(from.domain) === undefined ? 'neither' : 'both';
  return `expected exactly one of ${names} in a served domain (${served}), got ${got}`;
}
