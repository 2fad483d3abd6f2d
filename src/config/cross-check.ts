import type { ExternalAccessPolicy, Grant, Site } from './access-policy.ts';
import { errorAt, type Finding, showText } from './finding.ts';
import { negotiationProblem } from './negotiation.ts';
import type { XmppAllowedPartner } from './partner.ts';
import type { ServedDomainConfig } from './served-domain.ts';
import { didYouMean } from './suggestion.ts';

const MAX_CONFLICTS_PER_LIST = 100;

/** The lists that are checked against each other, in the order of the input. An entry unfit for its schema is undefined. */
export interface CrossChecked {
  readonly domains: readonly (ServedDomainConfig | undefined)[];
  readonly xmppAllowedPartners: readonly (XmppAllowedPartner | undefined)[];
  readonly externalAccessPolicies: readonly (ExternalAccessPolicy | undefined)[];
  readonly sites: readonly (Site | undefined)[];
  readonly grants: readonly (Grant | undefined)[];
}

/** What no single entry can be blamed for. All errors: each makes a configuration ambiguous or impossible. */
export function crossCheck(parts: CrossChecked): Finding[] {
  return [
    ...checkDomains(parts.domains),
    ...checkPartners(parts.xmppAllowedPartners),
    ...checkRepeated('externalAccessPolicies', 'identity', parts.externalAccessPolicies, (policy) => policy.identity),
    ...checkRepeated('sites', 'name', parts.sites, (site) => site.name),
    ...checkUsersOnce('sites', 'site-overlap', 'site', parts.sites, (site) => site.name),
    ...checkGrantedPolicies(parts),
    ...checkUsersOnce('grants', 'grant-conflict', 'policy', parts.grants, (grant) => grant.policyName),
  ];
}

function checkDomains(domains: CrossChecked['domains']): Finding[] {
  const repeated = checkRepeated('domains', 'domain', domains, ({ domain }) => domain);
  if (repeated.length > 0) return repeated;
  // Otherwise an address from the SIP side would have two XMPP addresses.
  return checkRepeated('domains', 'sipDomain', domains, ({ domain, sipDomain }) => sipDomain ?? domain);
}

function checkPartners(partners: CrossChecked['xmppAllowedPartners']): Finding[] {
  return partners.flatMap((partner, i) => {
    if (partner === undefined) return [];
    const path = `xmppAllowedPartners[${i}]`;
    const problem = negotiationProblem(partner);
    const findings =
      problem?.severity === 'error' ? [errorAt(`${path}.${problem.option}`, problem.rule, problem.message)] : [];
    if (partner.proxyDirectTls && partner.tlsNegotiation === 'NotSupported') {
      const message = 'expected false while tlsNegotiation is NotSupported, got true';
      findings.push(errorAt(`${path}.proxyDirectTls`, 'direct-tls-not-supported', message));
    }
    return findings;
  });
}

function checkGrantedPolicies({ externalAccessPolicies, grants }: CrossChecked): Finding[] {
  const identities = externalAccessPolicies.flatMap((policy) => (policy === undefined ? [] : [policy.identity]));
  const known = new Set(identities);
  return grants.flatMap((grant, i) => {
    if (grant === undefined || known.has(grant.policyName)) return [];
    const hint = didYouMean(
      grant.policyName,
      identities.filter((identity) => !identity.includes(':')),
    );
    const message = `expected the identity of a policy in externalAccessPolicies, got ${showText(grant.policyName)}${hint}`;
    return [errorAt(`grants[${i}].policyName`, 'unknown-policy', message)];
  });
}

// Names differing in case only are refused too: Lync's identities ignore case, and so do tired readers.
function checkRepeated<T>(
  list: string,
  option: string,
  entries: readonly (T | undefined)[],
  keyOf: (entry: T) => string,
): Finding[] {
  const first = new Map<string, number>();
  return entries.flatMap((entry, i) => {
    if (entry === undefined) return [];
    const key = keyOf(entry);
    const earlier = first.get(key.toLowerCase());
    if (earlier === undefined) {
      first.set(key.toLowerCase(), i);
      return [];
    }
    const message = `expected each ${option} once, got ${showText(key)}, which ${list}[${earlier}] has too`;
    return [errorAt(`${list}[${i}].${option}`, 'repeated-entry', message)];
  });
}

/** No selector may be given to two different owners: nothing would decide between them. */
function checkUsersOnce<T extends { readonly users: readonly string[] }>(
  list: string,
  rule: string,
  owner: string,
  entries: readonly (T | undefined)[],
  ownerOf: (entry: T) => string,
): Finding[] {
  const owners = new Set(entries.flatMap((entry) => (entry === undefined ? [] : [ownerOf(entry)])));
  if (owners.size < 2) return [];
  const first = new Map<string, number>();
  const findings: Finding[] = [];
  entries.forEach((entry, i) => {
    if (entry === undefined) return;
    let conflicts = 0;
    entry.users.forEach((user, j) => {
      const earlier = first.get(user);
      if (earlier === undefined) {
        first.set(user, i);
        return;
      }
      const other = entries[earlier];
      if (other === undefined || ownerOf(other) === ownerOf(entry) || ++conflicts > MAX_CONFLICTS_PER_LIST) return;
      const message = `expected one ${owner} for ${showText(user)}, got "${ownerOf(entry)}" here and "${ownerOf(other)}" in ${list}[${earlier}]`;
      findings.push(errorAt(`${list}[${i}].users[${j}]`, rule, message));
    });
  });
  return findings;
}
