import { federationDigest } from '../config/canonical.ts';
import type { ExternalAccessPolicy, FederationConfig, XmppAllowedPartner } from '../config/index.ts';
import { sourcePath } from '../config/source-path.ts';
import { SelectorIndex } from './selector-index.ts';

export interface PartnerEntry {
  readonly partner: XmppAllowedPartner;
  /** e.g. `xmppAllowedPartners[2]` */
  readonly path: string;
}

export interface ServedDomain {
  readonly domain: string;
  readonly sipDomain: string;
  /** Name of a certificate reference. */
  readonly certificate: string;
  /** e.g. `domains[0]` */
  readonly path: string;
}

export interface EffectivePolicy {
  readonly policy: ExternalAccessPolicy;
  readonly scope: 'user' | 'site' | 'global';
  /** e.g. `externalAccessPolicies[1]`; `externalAccessPolicies` when no global policy is configured. */
  readonly path: string;
  /** What gave it to the user: `grants[3]`, `sites[0]`, or `''` for the global policy. */
  readonly through: string;
}

/** A configuration ready for hash look-ups. Domains and addresses asked about must be in normal form. */
export interface FederationIndex {
  readonly config: FederationConfig;
  readonly digest: string;
  /** The one partner that has this domain; undefined when none has, when two claim it, or when it is served here. */
  partnerOf(domain: string): PartnerEntry | undefined;
  /** Paths of all the partners that claim a domain, where there are several: then it belongs to none of them. */
  rivalsFor(domain: string): readonly string[] | undefined;
  servedDomain(domain: string): ServedDomain | undefined;
  servedSipDomain(sipDomain: string): ServedDomain | undefined;
  /**
   * The policy that counts for a local user (bare address with its XMPP domain). `domain` may be given by a caller who
   * has it at hand, which saves an allocation.
   */
  policyOf(user: string, domain?: string): EffectivePolicy;
}

const NO_GLOBAL_POLICY: EffectivePolicy = {
  policy: {
    identity: 'global',
    description: '',
    enableFederationAccess: false,
    enableXmppAccess: false,
    enablePublicCloudAccess: false,
    enableOutsideAccess: false,
  },
  scope: 'global',
  path: 'externalAccessPolicies',
  through: '',
};

export function indexFederation(config: FederationConfig): FederationIndex {
  return new FederationTables(config);
}

class FederationTables implements FederationIndex {
  readonly config: FederationConfig;
  readonly digest: string;
  private readonly served = new Map<string, ServedDomain>();
  private readonly servedSip = new Map<string, ServedDomain>();
  private readonly partners = new Map<string, PartnerEntry>();
  private readonly rivals = new Map<string, string[]>();
  private readonly userPolicies = new SelectorIndex<EffectivePolicy>();
  private readonly sitePolicies = new SelectorIndex<EffectivePolicy>();
  private readonly globalPolicy: EffectivePolicy;

  constructor(config: FederationConfig) {
    this.config = config;
    this.digest = federationDigest(config);
    this.addDomains();
    this.addPartners();
    const policies = policiesByIdentity(config);
    const global = policies.get('global');
    this.globalPolicy =
      global === undefined
        ? NO_GLOBAL_POLICY
        : { policy: global.policy, scope: 'global', path: global.path, through: '' };
    this.addSites(policies);
    this.addGrants(policies);
  }

  partnerOf(domain: string): PartnerEntry | undefined {
    return this.partners.get(domain);
  }

  rivalsFor(domain: string): readonly string[] | undefined {
    return this.rivals.get(domain);
  }

  servedDomain(domain: string): ServedDomain | undefined {
    return this.served.get(domain);
  }

  servedSipDomain(sipDomain: string): ServedDomain | undefined {
    return this.servedSip.get(sipDomain);
  }

  policyOf(user: string, domain: string = user.slice(user.indexOf('@') + 1)): EffectivePolicy {
    return this.userPolicies.find(user, domain) ?? this.sitePolicies.find(user, domain) ?? this.globalPolicy;
  }

  private addDomains(): void {
    this.config.domains.forEach((entry, i) => {
      const { domain, sipDomain = domain, certificate } = entry;
      const served: ServedDomain = { domain, sipDomain, certificate, path: sourcePath(entry, `domains[${i}]`) };
      this.served.set(domain, served);
      this.servedSip.set(sipDomain, served);
    });
  }

  private addPartners(): void {
    const claims = new Map<string, PartnerEntry[]>();
    this.config.xmppAllowedPartners.forEach((partner, i) => {
      const entry: PartnerEntry = { partner, path: sourcePath(partner, `xmppAllowedPartners[${i}]`) };
      for (const domain of new Set([partner.domain, ...partner.additionalDomains])) {
        const claimed = claims.get(domain);
        if (claimed === undefined) claims.set(domain, [entry]);
        else claimed.push(entry);
      }
    });
    for (const [domain, entries] of claims) {
      const [only, ...others] = entries;
      if (only === undefined || this.served.has(domain)) continue;
      if (others.length === 0) this.partners.set(domain, only);
      else
        this.rivals.set(
          domain,
          entries.map((entry) => entry.path),
        );
    }
  }

  // A site without a policy of its own still claims its users: they get the global policy, not that of a wider site.
  private addSites(policies: PoliciesByIdentity): void {
    this.config.sites.forEach((site, i) => {
      const found = policies.get(`site:${site.name}`);
      const through = sourcePath(site, `sites[${i}]`);
      const effective: EffectivePolicy =
        found === undefined ? this.globalPolicy : { policy: found.policy, scope: 'site', path: found.path, through };
      this.sitePolicies.add(site.users, effective);
    });
  }

  private addGrants(policies: PoliciesByIdentity): void {
    this.config.grants.forEach((grant, i) => {
      const found = policies.get(grant.policyName);
      const through = sourcePath(grant, `grants[${i}]`);
      // parseFederation refuses a grant of an unknown policy; a configuration that did not come from it grants nothing.
      const effective: EffectivePolicy =
        found === undefined
          ? { ...NO_GLOBAL_POLICY, scope: 'user', path: `${through}.policyName`, through }
          : { policy: found.policy, scope: 'user', path: found.path, through };
      this.userPolicies.add(grant.users, effective);
    });
  }
}

type PoliciesByIdentity = ReadonlyMap<string, { readonly policy: ExternalAccessPolicy; readonly path: string }>;

function policiesByIdentity(config: FederationConfig): PoliciesByIdentity {
  const policies = new Map<string, { policy: ExternalAccessPolicy; path: string }>();
  config.externalAccessPolicies.forEach((policy, i) => {
    policies.set(policy.identity, { policy, path: sourcePath(policy, `externalAccessPolicies[${i}]`) });
  });
  return policies;
}
