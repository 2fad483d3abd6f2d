import type { FederationConfig } from '../config/index.ts';
import { sourcePath } from '../config/source-path.ts';
import type { Decision } from './decision.ts';
import type { EffectivePolicy, FederationIndex } from './federation-index.ts';
import { authorizeStanza, type StanzaFacts, type StanzaKind } from './stanza-policy.ts';
import { type AuthMethod, allowedMethods } from './stream-policy.ts';

export const STANZA_KINDS = ['message', 'subscribe', 'presence', 'iq'] as const satisfies readonly StanzaKind[];

/** Users whom the policy cannot tell apart: all who hold one policy. */
export interface UserClass {
  readonly effective: EffectivePolicy;
  /** What gives them the policy, e.g. `grants[0]`; empty for those who hold the global one. */
  readonly through: readonly string[];
}

/** What one kind of stanza meets. */
export interface ReachCell {
  readonly outbound: Decision;
  /** From a contact our user has not listed. */
  readonly inbound: Decision;
  /** From a contact our user has listed. */
  readonly inboundListed: Decision;
}

export interface ReachRow {
  /** Primary domain of the partner. */
  readonly partner: string;
  /** e.g. `xmppAllowedPartners[2]` */
  readonly path: string;
  /** The domains of the partner for which the row holds. */
  readonly domains: readonly string[];
  readonly methods: readonly AuthMethod[];
  readonly cells: Readonly<Record<StanzaKind, ReachCell>>;
}

/** The classes of users in a configuration: the global policy's first, then sites, then grants. */
export function userClasses(index: FederationIndex): readonly UserClass[] {
  const { config } = index;
  // An address under no served domain is nobody's: it has the global policy.
  const global = index.policyOf('', '');
  const sites = config.sites.flatMap((site, i) => {
    if (site.users.length === 0) return [];
    return [{ identity: `site:${site.name}`, through: sourcePath(site, `sites[${i}]`) }];
  });
  const grants = config.grants.flatMap((grant, i) => {
    if (grant.users.length === 0) return [];
    return [{ identity: grant.policyName, through: sourcePath(grant, `grants[${i}]`) }];
  });
  return [
    { effective: global, through: [] },
    ...classesOf(config, 'site', sites),
    ...classesOf(config, 'user', grants),
  ];
}

/** Every partner and kind of stanza, for the users of one class, by the same gates that judge stanzas. */
export function reachMatrix(user: UserClass, index: FederationIndex): readonly ReachRow[] {
  const localDomain = index.config.domains[0]?.domain ?? '';
  const held: FederationIndex = {
    config: index.config,
    digest: index.digest,
    partnerOf: (domain) => index.partnerOf(domain),
    rivalsFor: (domain) => index.rivalsFor(domain),
    servedDomain: (domain) => index.servedDomain(domain),
    servedSipDomain: (sipDomain) => index.servedSipDomain(sipDomain),
    policyOf: () => user.effective,
  };
  return index.config.xmppAllowedPartners.flatMap((partner, i) => {
    const path = sourcePath(partner, `xmppAllowedPartners[${i}]`);
    const methods = allowedMethods(partner);
    const rows = new Map<string, { domains: string[]; cells: ReachRow['cells'] }>();
    for (const domain of [partner.domain, ...partner.additionalDomains]) {
      const cells = cellsFor(localDomain, domain, held);
      const key = JSON.stringify(cells);
      const row = rows.get(key);
      if (row === undefined) rows.set(key, { domains: [domain], cells });
      else row.domains.push(domain);
    }
    return Array.from(rows.values(), (row): ReachRow => ({ partner: partner.domain, path, methods, ...row }));
  });
}

function classesOf(
  config: FederationConfig,
  scope: 'site' | 'user',
  holders: readonly { readonly identity: string; readonly through: string }[],
): UserClass[] {
  const paths = new Map(
    config.externalAccessPolicies.map((policy, i) => [
      policy.identity,
      { policy, path: sourcePath(policy, `externalAccessPolicies[${i}]`) },
    ]),
  );
  const classes = new Map<string, UserClass & { readonly through: string[] }>();
  for (const { identity, through } of holders) {
    const found = paths.get(identity);
    // A site without a policy of its own leaves its users the global one.
    if (found === undefined) continue;
    const known = classes.get(identity);
    if (known !== undefined) known.through.push(through);
    else classes.set(identity, { effective: { ...found, scope, through }, through: [through] });
  }
  return [...classes.values()];
}

function cellsFor(localDomain: string, remoteDomain: string, index: FederationIndex): ReachRow['cells'] {
  const cell = (kind: StanzaKind): ReachCell => {
    const ask = (direction: StanzaFacts['direction'], contactListed: boolean): Decision =>
      authorizeStanza(
        { direction, localUser: `user@${localDomain}`, localDomain, remoteDomain, kind, contactListed },
        index,
      );
    return {
      outbound: ask('outbound', false),
      inbound: ask('inbound', false),
      inboundListed: ask('inbound', true),
    };
  };
  return { message: cell('message'), subscribe: cell('subscribe'), presence: cell('presence'), iq: cell('iq') };
}
