import assert from 'node:assert/strict';
import test from 'node:test';
import { type FederationConfigProps, lintFederation, type XmppAllowedPartnerProps } from '../../src/config/index.ts';
import { places, sampleFederation } from '../support/federations.ts';
import { NEGOTIATION_ROWS } from '../support/negotiation-rows.ts';

function warnings(changes: Partial<FederationConfigProps>): readonly string[] {
  return places(lintFederation(sampleFederation(changes)));
}

const quiet: Omit<XmppAllowedPartnerProps, 'domain'> = { partnerType: 'Federated', supportDialbackNegotiation: false };

test('nothing to say about a sound configuration', () => {
  assert.deepEqual(warnings({}), []);
});

test('the seven questionable negotiation rows, and dialback without TLS', () => {
  const option: Readonly<Record<string, string>> = {
    'dialback-inert': 'supportDialbackNegotiation',
    'tls-optional-with-sasl': 'tlsNegotiation',
    'sasl-without-tls': 'saslNegotiation',
  };
  for (const { tls, sasl, dialback, validity, rule = '', methods } of NEGOTIATION_ROWS) {
    if (validity === 'invalid') continue;
    const partner = {
      domain: 'fabrikam.com',
      tlsNegotiation: tls,
      saslNegotiation: sasl,
      supportDialbackNegotiation: dialback,
    };
    const expected = [
      ...(validity === 'warning' ? [`${rule} xmppAllowedPartners[0].${option[rule]}`] : []),
      ...(methods.includes('tcp-dialback')
        ? ['dialback-without-tls xmppAllowedPartners[0].supportDialbackNegotiation']
        : []),
    ];
    assert.deepEqual(warnings({ xmppAllowedPartners: [partner] }), expected);
  }
});

test('PublicVerified', () => {
  const partner = { ...quiet, domain: 'fabrikam.com', partnerType: 'PublicVerified' } as const;
  assert.deepEqual(warnings({ xmppAllowedPartners: [partner] }), [
    'public-verified xmppAllowedPartners[0].partnerType',
  ]);
});

test('one domain in two partners, at the place where the author wrote it', () => {
  const xmppAllowedPartners = [
    { ...quiet, domain: 'zeta.com', additionalDomains: ['chat.zeta.com', 'zeta.com'] },
    { ...quiet, domain: 'alpha.com', additionalDomains: ['chat.zeta.com'] },
  ];
  // Sorted, alpha.com comes first: the second to claim the domain is then the one the author wrote first.
  const found = lintFederation(sampleFederation({ xmppAllowedPartners }));
  assert.deepEqual(places(found), ['domain-in-two-partners xmppAllowedPartners[0].additionalDomains']);
  assert.match(found[0]?.message ?? '', /"chat\.zeta\.com" is claimed by xmppAllowedPartners\[1\] too/);
});

test('a partner equal to or above a served domain', () => {
  const domains = [{ domain: 'corp.contoso.com' }];
  const grants = [{ policyName: 'XmppUsers', users: ['ann@corp.contoso.com'] }];
  const over = (domain: string) => warnings({ domains, grants, xmppAllowedPartners: [{ ...quiet, domain }] });
  const rule = 'partner-over-served-domain xmppAllowedPartners[0].domain';
  assert.deepEqual(over('corp.contoso.com'), [rule]);
  assert.deepEqual(over('contoso.com'), [rule]);
  assert.deepEqual(over('com'), [rule]);
  assert.deepEqual(over('research.corp.contoso.com'), []);
  assert.deepEqual(over('xcorp.contoso.com'), []);
  assert.deepEqual(over('so.com'), []);
});

test('a policy nobody holds', () => {
  const externalAccessPolicies = [
    { identity: 'XmppUsers' },
    { identity: 'Spare' },
    { identity: 'global' },
    { identity: 'site:Redmond' },
    { identity: 'site:Oslo' },
    { identity: 'Emptied' },
  ];
  const found = warnings({
    externalAccessPolicies,
    sites: [
      { name: 'Redmond', users: ['bob@contoso.com'] },
      { name: 'Oslo', users: [] },
    ],
    grants: [
      { policyName: 'XmppUsers', users: ['ann@contoso.com'] },
      { policyName: 'Emptied', users: [] },
    ],
  });
  assert.deepEqual([...found].sort(), [
    'unused-policy externalAccessPolicies[1].identity',
    'unused-policy externalAccessPolicies[4].identity',
    'unused-policy externalAccessPolicies[5].identity',
  ]);
});

test('users of a domain that is not served, once per domain', () => {
  const users = ['ann@contoso.com', 'ann@contoso.org', 'bob@contoso.org', '*@fabrikam.com', 'ann@xcontoso.com'];
  const found = lintFederation(
    sampleFederation({
      sites: [{ name: 'Oslo', users: ['zoe@adatum.com'] }],
      grants: [{ policyName: 'XmppUsers', users }],
    }),
  );
  assert.deepEqual(places(found), [
    'unknown-user sites[0].users',
    'unknown-user grants[0].users',
    'unknown-user grants[0].users',
    'unknown-user grants[0].users',
  ]);
  assert.match(found.map(({ message }) => message).join('\n'), /"ann@contoso\.org" and 1 more of "contoso\.org"/);
});

test('federation switched off with partners present', () => {
  const off = { accessEdgeConfiguration: { allowFederatedUsers: false } };
  assert.deepEqual(warnings(off), ['federation-disabled accessEdgeConfiguration.allowFederatedUsers']);
  assert.deepEqual(warnings({ ...off, xmppAllowedPartners: [] }), []);
});

test('keep-alive not shorter than inactivity', () => {
  const rule = 'keep-alive-not-shorter xmppGatewayConfiguration.keepAliveInterval';
  const timing = (keepAliveInterval: number, streamInactivityTimeout: number) =>
    warnings({ xmppGatewayConfiguration: { keepAliveInterval, streamInactivityTimeout } });
  assert.deepEqual(timing(600, 600), [rule]);
  assert.deepEqual(timing(601, 600), [rule]);
  assert.deepEqual(timing(599, 600), []);
});
