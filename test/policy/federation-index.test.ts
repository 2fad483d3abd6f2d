import assert from 'node:assert/strict';
import test from 'node:test';
import { federationDigest } from '../../src/config/index.ts';
import { indexFederation } from '../../src/policy/index.ts';
import { sampleFederation } from '../support/federations.ts';

const off = { enableFederationAccess: false, enableXmppAccess: false };

test('a partner is found by its primary and additional domains, and only by those', () => {
  const index = indexFederation(
    sampleFederation({
      xmppAllowedPartners: [
        { domain: 'zeta.com' },
        { domain: 'fabrikam.com', additionalDomains: ['fabrikam2.com', 'fabrikam.com'] },
      ],
    }),
  );
  for (const domain of ['fabrikam.com', 'fabrikam2.com']) {
    assert.equal(index.partnerOf(domain)?.partner.domain, 'fabrikam.com');
    assert.equal(index.partnerOf(domain)?.path, 'xmppAllowedPartners[1]');
  }
  for (const domain of ['chat.fabrikam.com', 'com', '', 'FABRIKAM.com', 'fabrikam.com.', '__proto__', 'constructor']) {
    assert.equal(index.partnerOf(domain), undefined, domain);
  }
});

test('a domain that two partners claim belongs to neither', () => {
  const xmppAllowedPartners = [
    { domain: 'fabrikam.com', additionalDomains: ['shared.com'] },
    { domain: 'adatum.com', additionalDomains: ['shared.com'] },
  ];
  const index = indexFederation(sampleFederation({ xmppAllowedPartners }));
  assert.equal(index.partnerOf('shared.com'), undefined);
  assert.deepEqual([...(index.rivalsFor('shared.com') ?? [])].sort(), [
    'xmppAllowedPartners[0]',
    'xmppAllowedPartners[1]',
  ]);
  assert.equal(index.partnerOf('fabrikam.com')?.partner.domain, 'fabrikam.com');
  assert.equal(index.rivalsFor('fabrikam.com'), undefined);

  const twice = indexFederation(sampleFederation({ xmppAllowedPartners: [{ domain: 'a.com' }, { domain: 'a.com' }] }));
  assert.equal(twice.partnerOf('a.com'), undefined);
});

test('a served domain is never a partner', () => {
  const index = indexFederation(
    sampleFederation({ xmppAllowedPartners: [{ domain: 'contoso.com' }, { domain: 'contoso.com' }] }),
  );
  assert.equal(index.partnerOf('contoso.com'), undefined);
  assert.equal(index.rivalsFor('contoso.com'), undefined);
});

test('served domains, by XMPP and by SIP name', () => {
  const index = indexFederation(
    sampleFederation({
      domains: [{ domain: 'contoso.com', sipDomain: 'sip.contoso.com', certificate: 'main' }, { domain: 'a.com' }],
    }),
  );
  const contoso = { domain: 'contoso.com', sipDomain: 'sip.contoso.com', certificate: 'main', path: 'domains[0]' };
  assert.deepEqual(index.servedDomain('contoso.com'), contoso);
  assert.deepEqual(index.servedSipDomain('sip.contoso.com'), contoso);
  assert.equal(index.servedSipDomain('contoso.com'), undefined);
  assert.equal(index.servedSipDomain('a.com')?.domain, 'a.com');
});

test('user beats site beats global, and the winning policy counts whole', () => {
  const index = indexFederation(
    sampleFederation({
      externalAccessPolicies: [
        { identity: 'global', enableFederationAccess: true, enableXmppAccess: true },
        { identity: 'site:Redmond', enableXmppAccess: true },
        { identity: 'Sales', ...off },
        { identity: 'Boss', enableFederationAccess: true },
      ],
      sites: [
        { name: 'Redmond', users: ['contoso.com'] },
        { name: 'Oslo', users: ['oslo*@contoso.com'] },
      ],
      grants: [
        { policyName: 'Sales', users: ['sales*@contoso.com'] },
        { policyName: 'Boss', users: ['sales.boss@contoso.com'] },
      ],
    }),
  );
  const of = (user: string) => {
    const { policy, scope, path, through } = index.policyOf(user);
    assert.equal(index.policyOf(user, user.slice(user.indexOf('@') + 1)).policy, policy);
    return [policy.identity, scope, path, through];
  };
  assert.deepEqual(of('sales.boss@contoso.com'), ['Boss', 'user', 'externalAccessPolicies[3]', 'grants[1]']);
  assert.deepEqual(of('sales.ann@contoso.com'), ['Sales', 'user', 'externalAccessPolicies[2]', 'grants[0]']);
  assert.deepEqual(of('bob@contoso.com'), ['site:Redmond', 'site', 'externalAccessPolicies[1]', 'sites[0]']);
  // Oslo has no policy of its own: its users do not fall back to the wider site.
  assert.deepEqual(of('oslo.kari@contoso.com'), ['global', 'global', 'externalAccessPolicies[0]', '']);
  assert.deepEqual(of('stranger@litware.com'), ['global', 'global', 'externalAccessPolicies[0]', '']);
  assert.equal(index.policyOf('sales.boss@contoso.com').policy.enableXmppAccess, false);
});

test('without a global policy nothing is enabled', () => {
  const index = indexFederation(sampleFederation());
  const { policy, scope, path } = index.policyOf('zoe@contoso.com');
  assert.deepEqual([scope, path], ['global', 'externalAccessPolicies']);
  assert.deepEqual(
    Object.values(policy).filter((value) => value === true),
    [],
  );
});

test('a grant of a policy that does not exist, past the parser, enables nothing', () => {
  const config = {
    ...sampleFederation(),
    externalAccessPolicies: [],
    grants: [{ policyName: 'Gone', users: ['ann@contoso.com'] }],
  };
  const { policy, scope, path } = indexFederation(config).policyOf('ann@contoso.com');
  assert.deepEqual([policy.enableXmppAccess, scope, path], [false, 'user', 'grants[0].policyName']);
});

test('the digest is that of the configuration', () => {
  const config = sampleFederation();
  const index = indexFederation(config);
  assert.equal(index.digest, federationDigest(config));
  assert.equal(index.config, config);
});
