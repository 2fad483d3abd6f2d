import assert from 'node:assert/strict';
import test from 'node:test';
import { type FederationConfigProps, parseFederation } from '../../src/config/index.ts';
import { places, sampleProps } from '../support/federations.ts';
import { NEGOTIATION_ROWS } from '../support/negotiation-rows.ts';

function errorPlaces(changes: Partial<FederationConfigProps>): readonly string[] {
  const result = parseFederation(sampleProps(changes));
  return result.ok ? [] : places(result.errors);
}

test('the five impossible negotiation rows are errors, the others are not', () => {
  for (const { tls, sasl, dialback, validity, rule } of NEGOTIATION_ROWS) {
    const partner = {
      domain: 'fabrikam.com',
      tlsNegotiation: tls,
      saslNegotiation: sasl,
      supportDialbackNegotiation: dialback,
    };
    const found = errorPlaces({ xmppAllowedPartners: [{ domain: 'adatum.com' }, partner] });
    assert.equal(found.length, validity === 'invalid' ? 1 : 0);
    if (validity === 'invalid') assert.match(found[0] ?? '', new RegExp(`^${rule} xmppAllowedPartners\\[1\\]\\.`));
  }
});

test('a served domain stands once, on the XMPP side and on the SIP side', () => {
  const domains = [{ domain: 'contoso.com' }, { domain: 'corp.contoso.com' }];
  assert.deepEqual(errorPlaces({ domains: [...domains, { domain: 'Contoso.com.' }] }), [
    'repeated-entry domains[2].domain',
  ]);
  assert.deepEqual(errorPlaces({ domains: [...domains, { domain: 'x.com', sipDomain: 'contoso.com' }] }), [
    'repeated-entry domains[2].sipDomain',
  ]);
  assert.deepEqual(errorPlaces({ domains: [...domains, { domain: 'x.com', sipDomain: 'sip.x.com' }] }), []);
});

test('a policy, and a site, stands once whatever its case', () => {
  const policy = { identity: 'XmppUsers' };
  assert.deepEqual(errorPlaces({ externalAccessPolicies: [policy, { identity: 'xmppusers' }] }), [
    'repeated-entry externalAccessPolicies[1].identity',
  ]);
  const site = { identity: 'site:Redmond' };
  assert.deepEqual(errorPlaces({ externalAccessPolicies: [policy, site, site] }), [
    'repeated-entry externalAccessPolicies[2].identity',
  ]);
  assert.deepEqual(errorPlaces({ externalAccessPolicies: [policy, { identity: 'global' }, { identity: 'global' }] }), [
    'repeated-entry externalAccessPolicies[2].identity',
  ]);
  const sites = [
    { name: 'Redmond', users: [] },
    { name: 'redmond', users: [] },
  ];
  assert.deepEqual(errorPlaces({ sites }), ['repeated-entry sites[1].name']);
});

test('one user in two sites is an error, a pattern within a wider one is not', () => {
  const sites = (users: string[]) => [
    { name: 'Redmond', users: ['sales*@contoso.com', 'ann@contoso.com'] },
    { name: 'Oslo', users },
  ];
  assert.deepEqual(errorPlaces({ sites: sites(['bob@contoso.com', 'ANN@contoso.com', 'sales*@contoso.com']) }), [
    'site-overlap sites[1].users[1]',
    'site-overlap sites[1].users[2]',
  ]);
  assert.deepEqual(errorPlaces({ sites: sites(['contoso.com', 'sales.oslo*@contoso.com']) }), []);
});

test('a user is granted one policy', () => {
  const externalAccessPolicies = [{ identity: 'A' }, { identity: 'B' }];
  const grants = [
    { policyName: 'A', users: ['ann@contoso.com', 'bob@contoso.com', 'ann@contoso.com'] },
    { policyName: 'A', users: ['ann@contoso.com'] },
    { policyName: 'B', users: ['zoe@contoso.com', 'bob@contoso.com'] },
  ];
  const result = parseFederation(sampleProps({ externalAccessPolicies, grants }));
  assert.deepEqual(result.ok ? [] : result.errors, [
    {
      rule: 'grant-conflict',
      severity: 'error',
      path: 'grants[2].users[1]',
      message: 'expected one policy for "bob@contoso.com", got "B" here and "A" in grants[0]',
    },
  ]);
});

test('conflicts of a list are bounded', () => {
  const users = Array.from({ length: 1000 }, (_, i) => `user${i}@contoso.com`);
  const found = errorPlaces({
    externalAccessPolicies: [{ identity: 'A' }, { identity: 'B' }],
    grants: [
      { policyName: 'A', users },
      { policyName: 'B', users },
    ],
  });
  assert.equal(found.length, 100);
});

test('a granted policy exists', () => {
  const result = parseFederation(sampleProps({ grants: [{ policyName: 'XmppUser', users: ['ann@contoso.com'] }] }));
  assert.deepEqual(result.ok ? [] : result.errors, [
    {
      rule: 'unknown-policy',
      severity: 'error',
      path: 'grants[0].policyName',
      message: 'expected the identity of a policy in externalAccessPolicies, got "XmppUser"; did you mean "XmppUsers"?',
    },
  ]);
});

test('direct TLS needs TLS', () => {
  const partner = { domain: 'fabrikam.com', tlsNegotiation: 'NotSupported', proxyDirectTls: true } as const;
  assert.deepEqual(errorPlaces({ xmppAllowedPartners: [partner] }), [
    'direct-tls-not-supported xmppAllowedPartners[0].proxyDirectTls',
  ]);
});

test('one domain in two partners is no error: the lint rules warn, and neither is served', () => {
  assert.deepEqual(errorPlaces({ xmppAllowedPartners: [{ domain: 'fabrikam.com' }, { domain: 'fabrikam.com' }] }), []);
});
