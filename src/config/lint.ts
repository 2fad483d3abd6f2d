import type { FederationConfig } from './federation.ts';
import { type Finding, showText, warningAt } from './finding.ts';
import { negotiationProblem } from './negotiation.ts';
import { sourcePath } from './source-path.ts';
import { domainOfSelector } from './user-selector.ts';

type Rule = (config: FederationConfig) => readonly Finding[];

/** What is allowed but probably not meant, in a configuration that is valid. Each rule has an id. */
export function lintFederation(config: FederationConfig): readonly Finding[] {
  return RULES.flatMap((rule) => rule(config));
}

const RULES: readonly Rule[] = [
  federationDisabled,
  negotiation,
  dialbackWithoutTls,
  publicVerified,
  domainInTwoPartners,
  partnerOverServedDomain,
  unusedPolicy,
  unknownUsers,
  keepAliveNotShorter,
];

function federationDisabled(config: FederationConfig): Finding[] {
  const count = config.xmppAllowedPartners.length;
  if (config.accessEdgeConfiguration.allowFederatedUsers || count === 0) return [];
  const partners = count === 1 ? '1 partner is' : `${count} partners are`;
  const message = `federation is switched off although ${partners} configured: nothing will pass`;
  return [warningAt('accessEdgeConfiguration.allowFederatedUsers', 'federation-disabled', message)];
}

function negotiation(config: FederationConfig): Finding[] {
  return config.xmppAllowedPartners.flatMap((partner, i) => {
    const problem = negotiationProblem(partner);
    if (problem?.severity !== 'warning') return [];
    return [warningAt(`${partnerPath(config, i)}.${problem.option}`, problem.rule, problem.message)];
  });
}

function dialbackWithoutTls(config: FederationConfig): Finding[] {
  return config.xmppAllowedPartners.flatMap((partner, i) => {
    if (!partner.supportDialbackNegotiation || partner.tlsNegotiation === 'Required') return [];
    const message =
      'dialback may prove the domain without TLS: whoever controls DNS or the route can pose as the partner';
    return [warningAt(`${partnerPath(config, i)}.supportDialbackNegotiation`, 'dialback-without-tls', message)];
  });
}

function publicVerified(config: FederationConfig): Finding[] {
  return config.xmppAllowedPartners.flatMap((partner, i) => {
    if (partner.partnerType !== 'PublicVerified') return [];
    const message = 'PublicVerified is not recommended: it lets every user of a public provider write to ours unasked';
    return [warningAt(`${partnerPath(config, i)}.partnerType`, 'public-verified', message)];
  });
}

function domainInTwoPartners(config: FederationConfig): Finding[] {
  const first = new Map<string, number>();
  return config.xmppAllowedPartners.flatMap((partner, i) =>
    claimedDomains(partner).flatMap(({ domain, option }) => {
      const earlier = first.get(domain);
      if (earlier === undefined) first.set(domain, i);
      if (earlier === undefined || earlier === i) return [];
      const message = `${showText(domain)} is claimed by ${partnerPath(config, earlier)} too: it is served by neither`;
      return [warningAt(`${partnerPath(config, i)}.${option}`, 'domain-in-two-partners', message)];
    }),
  );
}

function partnerOverServedDomain(config: FederationConfig): Finding[] {
  // Every served domain and all domains above it, so that 10 000 partners cost 10 000 look-ups.
  const served = new Map<string, string>();
  for (const { domain } of config.domains) {
    for (let rest = domain; rest !== ''; rest = rest.slice(rest.indexOf('.') + 1)) {
      served.set(rest, domain);
      if (!rest.includes('.')) break;
    }
  }
  return config.xmppAllowedPartners.flatMap((partner, i) =>
    claimedDomains(partner).flatMap(({ domain, option }) => {
      const ours = served.get(domain);
      if (ours === undefined) return [];
      const message =
        ours === domain
          ? `${showText(domain)} is served here, so it cannot be a partner's: it is refused`
          : `${showText(domain)} stands above our own ${showText(ours)}: is it really another organisation's?`;
      return [warningAt(`${partnerPath(config, i)}.${option}`, 'partner-over-served-domain', message)];
    }),
  );
}

function unusedPolicy(config: FederationConfig): Finding[] {
  const held = new Set(['global']);
  for (const { name, users } of config.sites) if (users.length > 0) held.add(`site:${name}`);
  for (const { policyName, users } of config.grants) if (users.length > 0) held.add(policyName);
  return config.externalAccessPolicies.flatMap((policy, i) => {
    if (held.has(policy.identity)) return [];
    const why = policy.identity.startsWith('site:') ? 'no site of that name has users' : 'it is granted to nobody';
    const path = sourcePath(policy, `externalAccessPolicies[${i}]`);
    return [warningAt(`${path}.identity`, 'unused-policy', `nobody holds ${showText(policy.identity)}: ${why}`)];
  });
}

function unknownUsers(config: FederationConfig): Finding[] {
  return [
    ...config.sites.flatMap((site, i) => strangersIn(config, site.users, `${sourcePath(site, `sites[${i}]`)}.users`)),
    ...config.grants.flatMap((grant, i) =>
      strangersIn(config, grant.users, `${sourcePath(grant, `grants[${i}]`)}.users`),
    ),
  ];
}

// One finding per domain: a mistyped domain in a list of a million users is one mistake.
function strangersIn(config: FederationConfig, users: readonly string[], path: string): Finding[] {
  const suffixes = config.domains.map(({ domain }) => `@${domain}`);
  const strangers = new Map<string, { readonly example: string; count: number }>();
  for (const user of users) {
    if (suffixes.some((suffix) => user.endsWith(suffix))) continue;
    const domain = domainOfSelector(user);
    const seen = strangers.get(domain);
    if (seen === undefined) strangers.set(domain, { example: user, count: 1 });
    else seen.count++;
  }
  return [...strangers].map(([domain, { example, count }]) => {
    const others = count === 1 ? '' : ` and ${count - 1} more of ${showText(domain)}`;
    return warningAt(
      path,
      'unknown-user',
      `${showText(example)}${others} can be no user of ours: the domain is not served`,
    );
  });
}

function keepAliveNotShorter(config: FederationConfig): Finding[] {
  const { keepAliveInterval, streamInactivityTimeout } = config.xmppGatewayConfiguration;
  if (keepAliveInterval < streamInactivityTimeout) return [];
  const message = `${keepAliveInterval} s is not shorter than streamInactivityTimeout (${streamInactivityTimeout} s): streams close before they are ever asked for a sign of life`;
  return [warningAt('xmppGatewayConfiguration.keepAliveInterval', 'keep-alive-not-shorter', message)];
}

function claimedDomains(partner: FederationConfig['xmppAllowedPartners'][number]) {
  return [
    { domain: partner.domain, option: 'domain' },
    ...partner.additionalDomains.map((domain) => ({ domain, option: 'additionalDomains' })),
  ] as const;
}

function partnerPath(config: FederationConfig, i: number): string {
  const partner = config.xmppAllowedPartners[i];
  const path = `xmppAllowedPartners[${i}]`;
  return partner === undefined ? path : sourcePath(partner, path);
}
