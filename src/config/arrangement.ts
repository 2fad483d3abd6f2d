import type { Grant, Site } from './access-policy.ts';
import { canonicalJson, compareText } from './canonical.ts';
import type { FederationConfig } from './federation.ts';
import type { XmppAllowedPartner } from './partner.ts';
import { recordSourcePath } from './source-path.ts';

/**
 * Sorts every list whose order means nothing and drops repetitions within a list, so that two ways of writing one
 * configuration have one digest. Remembers where each entry stood.
 */
export function arrangeFederation(config: FederationConfig): FederationConfig {
  const { sip } = config;
  return {
    ...config,
    domains: arrange('domains', config.domains, ({ domain }) => domain),
    xmppAllowedPartners: arrange(
      'xmppAllowedPartners',
      config.xmppAllowedPartners.map(arrangePartner),
      ({ domain }) => domain,
    ),
    externalAccessPolicies: arrange(
      'externalAccessPolicies',
      config.externalAccessPolicies,
      ({ identity }) => identity,
    ),
    sites: arrange('sites', config.sites.map(arrangeUsers), ({ name }) => name),
    grants: arrange('grants', config.grants.map(arrangeUsers), ({ policyName }) => policyName),
    sip: {
      ...sip,
      nextHops: arrange('sip.nextHops', sip.nextHops, ({ fqdn }) => fqdn),
      trustedAddresses: sortedUnique(sip.trustedAddresses),
      trustedTlsNames: sortedUnique(sip.trustedTlsNames),
    },
  };
}

function arrangePartner(partner: XmppAllowedPartner): XmppAllowedPartner {
  return {
    ...partner,
    additionalDomains: sortedUnique(partner.additionalDomains),
    trustAnchors: uniqueBy(partner.trustAnchors, canonicalJson),
    allowedStanzaKinds: sortedUnique(partner.allowedStanzaKinds),
  };
}

function arrangeUsers<T extends Site | Grant>(entry: T): T {
  return { ...entry, users: sortedUnique(entry.users) };
}

// Entries with one key (two grants of a policy, say) are told apart by all they hold.
function arrange<T extends object>(list: string, entries: readonly T[], keyOf: (entry: T) => string): T[] {
  entries.forEach((entry, i) => {
    recordSourcePath(entry, `${list}[${i}]`);
  });
  return [...entries].sort(
    (a, b) => compareText(keyOf(a), keyOf(b)) || compareText(canonicalJson(a), canonicalJson(b)),
  );
}

function uniqueBy<T>(entries: readonly T[], keyOf: (entry: T) => string): T[] {
  const byKey = new Map(entries.map((entry) => [keyOf(entry), entry]));
  return [...byKey].sort(([a], [b]) => compareText(a, b)).map(([, entry]) => entry);
}

// A canonical document is sorted already, and sorting a million users takes over a second.
function sortedUnique<T extends string>(texts: readonly T[]): T[] {
  const isSorted = texts.every((text, i) => i === 0 || (texts[i - 1] ?? '') < text);
  return isSorted ? [...texts] : [...new Set(texts)].sort();
}
