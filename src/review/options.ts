import { canonicalJson } from '../config/canonical.ts';
import type { FederationConfig } from '../config/index.ts';
import { entryFact, type GrantedUsers, type OptionFact, recordFacts, type Subject } from './option-facts.ts';
import { makePair, pairEntries } from './pairing.ts';
import { partnerFacts } from './partner-facts.ts';
import { mergeSorted } from './sample.ts';

/**
 * Every option in which two configurations differ, ordered by path; none when they are the same. Entries of a list are
 * told apart by name, not by position.
 */
export function changedOptions(base: FederationConfig, head: FederationConfig): readonly OptionFact[] {
  const facts = [
    ...documentFacts(base, head),
    ...domainFacts(base, head),
    ...partnerFacts(base.xmppAllowedPartners, head.xmppAllowedPartners),
    ...policyFacts(base, head),
    ...siteFacts(base, head),
    ...grantFacts(base.grants, head.grants),
    ...sipFacts(base.sip, head.sip),
  ];
  return facts.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

function documentFacts(base: FederationConfig, head: FederationConfig): readonly OptionFact[] {
  const federation: Subject = { kind: 'federation', ...makePair<object>(head.environment, base, head) };
  const [edge, edgeAfter] = [base.accessEdgeConfiguration, head.accessEdgeConfiguration];
  const [gateway, gatewayAfter] = [base.xmppGatewayConfiguration, head.xmppGatewayConfiguration];
  return [
    ...recordFacts('', federation, base, head, PARTS),
    ...recordFacts(
      'accessEdgeConfiguration',
      { kind: 'edge', ...makePair<object>('edge', edge, edgeAfter) },
      edge,
      edgeAfter,
    ),
    ...recordFacts(
      'xmppGatewayConfiguration',
      { kind: 'gateway', ...makePair('gateway', gateway, gatewayAfter) },
      gateway,
      gatewayAfter,
    ),
  ];
}

// Compared one by one; whatever else the document holds is compared as it is.
const PARTS: readonly (keyof FederationConfig)[] = [
  'domains',
  'accessEdgeConfiguration',
  'xmppGatewayConfiguration',
  'xmppAllowedPartners',
  'externalAccessPolicies',
  'sites',
  'grants',
  'sip',
];

function domainFacts(base: FederationConfig, head: FederationConfig): readonly OptionFact[] {
  return pairEntries(base.domains, head.domains, ({ domain }) => domain).flatMap((pair) =>
    entryFacts('domains', { kind: 'domain', ...pair }),
  );
}

function policyFacts(base: FederationConfig, head: FederationConfig): readonly OptionFact[] {
  const pairs = pairEntries(base.externalAccessPolicies, head.externalAccessPolicies, ({ identity }) => identity);
  return pairs.flatMap((pair) => entryFacts('externalAccessPolicies', { kind: 'policy', ...pair }));
}

function siteFacts(base: FederationConfig, head: FederationConfig): readonly OptionFact[] {
  return pairEntries(base.sites, head.sites, ({ name }) => name).flatMap((pair) =>
    entryFacts('sites', { kind: 'site', ...pair }),
  );
}

// Several grants of one policy are one grant of all their users.
function grantFacts(before: readonly GrantedUsers[], after: readonly GrantedUsers[]): readonly OptionFact[] {
  const facts = pairEntries(mergeGrants(before), mergeGrants(after), ({ policyName }) => policyName).flatMap((pair) =>
    entryFacts('grants', { kind: 'grant', ...pair }),
  );
  const seen = new Set(facts.map(({ subject }) => subject.name));
  const listsOf = (grants: readonly GrantedUsers[]) => {
    const lists = new Map<string, (readonly string[])[]>();
    for (const { policyName, users } of grants) lists.set(policyName, [...(lists.get(policyName) ?? []), users]);
    return lists;
  };
  const [listsBefore, listsAfter] = [listsOf(before), listsOf(after)];
  for (const [name, lists] of listsBefore) {
    const others = listsAfter.get(name) ?? [];
    if (seen.has(name) || (lists.length === 1 && others.length === 1)) continue;
    if (canonicalJson(lists) === canonicalJson(others)) continue;
    const subject: Subject = { kind: 'grant', ...makePair<GrantedUsers>(name, undefined, undefined) };
    const path = `grants[${name}]`;
    facts.push({ subject, kind: 'changed', option: 'entries', path, before: lists.length, after: others.length });
  }
  return facts;
}

function mergeGrants(grants: readonly GrantedUsers[]): readonly GrantedUsers[] {
  const lists = new Map<string, (readonly string[])[]>();
  for (const { policyName, users } of grants) {
    const known = lists.get(policyName);
    if (known === undefined) lists.set(policyName, [users]);
    else known.push(users);
  }
  return Array.from(lists, ([policyName, users]) => ({ policyName, users: mergeSorted(users) }));
}

function sipFacts(before: FederationConfig['sip'], after: FederationConfig['sip']): readonly OptionFact[] {
  return [
    ...recordFacts('sip', { kind: 'sip', ...makePair<object>('sip', before, after) }, before, after, ['nextHops']),
    ...pairEntries(before.nextHops, after.nextHops, ({ fqdn }) => fqdn).flatMap((pair) =>
      entryFacts('sip.nextHops', { kind: 'next-hop', ...pair }),
    ),
  ];
}

function entryFacts(list: string, subject: Subject): readonly OptionFact[] {
  const { name, before, after } = subject;
  if (before === undefined || after === undefined) return [entryFact(list, subject)];
  return recordFacts(`${list}[${name}]`, subject, before, after);
}
