import { ALLOW, type Decision, refuse } from './decision.ts';
import type { FederationIndex } from './federation-index.ts';

/** A domain of ours and a partner's, both in normal form. */
export interface DomainPair {
  readonly localDomain: string;
  readonly remoteDomain: string;
}

/** Lync's gate 2: the master switch. */
export function gateSwitch(_pair: DomainPair, index: FederationIndex): Decision {
  if (index.config.accessEdgeConfiguration.allowFederatedUsers === true) return ALLOW;
  return refuse('federation-disabled', 'accessEdgeConfiguration.allowFederatedUsers');
}

/** The local domain is one of ours. */
export function gateServedDomain(pair: DomainPair, index: FederationIndex): Decision {
  return index.servedDomain(pair.localDomain) === undefined ? refuse('domain-not-served', 'domains') : ALLOW;
}

/** Lync's gate 4: the remote domain is a partner's primary or additional domain, exactly one partner's. */
export function gatePartner(pair: DomainPair, index: FederationIndex): Decision {
  const own = index.servedDomain(pair.remoteDomain);
  if (own !== undefined) return refuse('own-domain-as-partner', own.path);
  if (index.partnerOf(pair.remoteDomain) !== undefined) return ALLOW;
  const rivals = index.rivalsFor(pair.remoteDomain);
  if (rivals !== undefined) return refuse('partner-ambiguous', rivals.join(', '));
  return refuse('partner-not-allowed', 'xmppAllowedPartners');
}
