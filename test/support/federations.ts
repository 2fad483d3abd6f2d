import fc from 'fast-check';
import { type FederationConfig, type FederationConfigProps, parseFederation } from '../../src/config/index.ts';

/** A small federation: contoso.com, one partner that suits every rule, and one user policy that allows XMPP. */
export function sampleProps(changes: Partial<FederationConfigProps> = {}): FederationConfigProps {
  return {
    version: 1,
    environment: 'test',
    domains: [{ domain: 'contoso.com' }],
    accessEdgeConfiguration: { allowFederatedUsers: true },
    xmppAllowedPartners: [{ domain: 'fabrikam.com', partnerType: 'Federated', supportDialbackNegotiation: false }],
    externalAccessPolicies: [{ identity: 'XmppUsers', enableFederationAccess: true, enableXmppAccess: true }],
    grants: [{ policyName: 'XmppUsers', users: ['ann@contoso.com'] }],
    sip: { nextHops: [{ fqdn: 'pool.contoso.com' }] },
    ...changes,
  };
}

export function sampleFederation(changes: Partial<FederationConfigProps> = {}): FederationConfig {
  return parsed(sampleProps(changes));
}

/** The checked form of a configuration that must be valid. */
export function parsed(input: unknown): FederationConfig {
  const result = parseFederation(input);
  if (result.ok) return result.value;
  throw new Error(result.errors.map(({ path, message }) => `${path}: ${message}`).join('\n'));
}

/** Findings as `rule path`, which is what most tests are about. */
export function places(findings: readonly { readonly rule: string; readonly path: string }[]): readonly string[] {
  return findings.map(({ rule, path }) => `${rule} ${path}`);
}

// Few names, so that entries meet: grants of one user, partners with one domain, sites that nest.
const ourDomains = ['contoso.com', 'corp.contoso.com'];
const remoteDomains = ['fabrikam.com', 'chat.fabrikam.com', 'adatum.com', 'contoso.com', 'com'];
const localparts = ['ann', 'anna', 'bob', 'sales.ann'];
const selectors = ourDomains.flatMap((domain) => [
  ...localparts.map((localpart) => `${localpart}@${domain}`),
  `a*@${domain}`,
  `an*@${domain}`,
  `sales*@${domain}`,
  domain,
]);
const policyNames = ['XmppUsers', 'Nobody', 'FederationOnly'];

/** Addresses and domains to ask a federation of {@link federationProps} about; some are strangers to it. */
export const askedUsers = [...ourDomains, 'litware.com'].flatMap((domain) =>
  ['ann', 'anna', 'bob', 'zoe'].map((localpart) => ({ user: `${localpart}@${domain}`, domain })),
);
export const askedDomains = [...remoteDomains, 'litware.com', 'corp.contoso.com'];

const negotiation = fc.constantFrom('Required', 'Optional', 'NotSupported');

const partnerProps = fc
  .record({
    domain: fc.constantFrom(...remoteDomains),
    additionalDomains: fc.subarray(remoteDomains, { maxLength: 2 }),
    description: fc.string({ maxLength: 20 }).map((text) => text.replace(/[\p{C}\p{Z}]/gu, '')),
    partnerType: fc.constantFrom('Federated', 'PublicVerified', 'PublicUnverified'),
    tlsNegotiation: negotiation,
    saslNegotiation: negotiation,
    supportDialbackNegotiation: fc.boolean(),
    allowedStanzaKinds: fc.subarray(['message', 'presence', 'iq'] as const),
    trustAnchors: fc.subarray([{ certificate: 'private-ca' }, { publicKeySha256: `${'A'.repeat(43)}=` }]),
    messageRateLimit: fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
  })
  // Without a method left this would be no valid partner.
  .map((partner) => ({
    ...partner,
    supportDialbackNegotiation:
      partner.supportDialbackNegotiation ||
      partner.saslNegotiation === 'NotSupported' ||
      partner.tlsNegotiation === 'NotSupported',
  }));

// Every gate must pass often enough that the ones behind it are reached.
const mostly = fc.oneof({ arbitrary: fc.constant(true), weight: 3 }, { arbitrary: fc.constant(false), weight: 1 });

const policyProps = (identity: string) =>
  fc.record({ identity: fc.constant(identity), enableFederationAccess: mostly, enableXmppAccess: mostly });

// Deals the selectors out, so that no user is given to two owners.
function dealt<T>(owners: readonly string[], toEntry: (owner: string, users: string[]) => T): fc.Arbitrary<T[]> {
  return fc
    .array(fc.nat({ max: owners.length }), { minLength: selectors.length, maxLength: selectors.length })
    .map((hands) =>
      owners.map((owner, i) =>
        toEntry(
          owner,
          selectors.filter((_, j) => hands[j] === i),
        ),
      ),
    );
}

/** Valid configurations of every shape the policy cares about, as an author writes them. */
export const federationProps: fc.Arbitrary<FederationConfigProps> = fc
  .record({
    domains: fc.subarray(ourDomains, { minLength: 1 }),
    allowFederatedUsers: mostly,
    partners: fc.array(partnerProps, { maxLength: 4 }),
    global: fc.option(policyProps('global'), { nil: undefined }),
    site: fc.option(policyProps('site:Redmond'), { nil: undefined }),
    policies: fc.tuple(...policyNames.map(policyProps)),
    sites: dealt(['Redmond', 'Oslo'], (name, users) => ({ name, users })),
    grants: dealt(policyNames, (policyName, users) => ({ policyName, users })),
  })
  .map(({ domains, allowFederatedUsers, partners, global, site, policies, sites, grants }) =>
    sampleProps({
      domains: domains.map((domain) => ({ domain })),
      accessEdgeConfiguration: { allowFederatedUsers },
      xmppAllowedPartners: partners,
      externalAccessPolicies: [...policies, global, site].filter((policy) => policy !== undefined),
      sites,
      grants,
    }),
  );
