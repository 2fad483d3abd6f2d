import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { App, Aspects, TerraformStack, Token } from 'cdktf';
import { Construct } from 'constructs';
import { readFederation } from '../../src/config/federation.ts';
import { DeclarationError } from '../../src/constructs/declaration-error.ts';
import { ExternalAccessPolicy } from '../../src/constructs/external-access-policy.ts';
import { XmppAllowedPartner } from '../../src/constructs/xmpp-allowed-partner.ts';
import { XmppFederation, type XmppFederationProps } from '../../src/constructs/xmpp-federation.ts';
import { XmppGatewayConfiguration } from '../../src/constructs/xmpp-gateway-configuration.ts';
import { indexFederation } from '../../src/policy/federation-index.ts';
import { authorizeStanza } from '../../src/policy/stanza-policy.ts';
import { synthesizeApp, terraformOf, testStack } from '../support/synthesis.ts';

const BASE = {
  environment: 'test',
  domains: [{ domain: 'contoso.com' }],
  accessEdgeConfiguration: { allowFederatedUsers: true },
  sip: { nextHops: [{ fqdn: 'pool.contoso.com' }] },
} satisfies XmppFederationProps;

const FABRIKAM = { domain: 'fabrikam.com', partnerType: 'Federated', supportDialbackNegotiation: false } as const;

function testFederation(props: Partial<XmppFederationProps> = {}): XmppFederation {
  return new XmppFederation(testStack(), 'Federation', { ...BASE, ...props });
}

/** What `cdktf synth` writes beside the Terraform JSON. */
function writtenFile(federation: XmppFederation): string {
  const outdir = synthesizeApp(TerraformStack.of(federation));
  return readFileSync(join(outdir, 'stacks/test/federation.json'), 'utf8');
}

describe('synthesis', () => {
  test('what the gateway reads is what was declared', () => {
    const federation = testFederation({ sites: [{ name: 'Redmond', users: ['rd-*@contoso.com'] }] });
    federation.addPartner(FABRIKAM);
    const sales = federation.addAccessPolicy({
      identity: 'Sales',
      enableFederationAccess: true,
      enableXmppAccess: true,
    });
    federation.grant(sales, ['Alice@contoso.com']);
    federation.grant('Sales', ['sales-*@contoso.com']);

    const result = readFederation(writtenFile(federation));
    assert.ok(result.ok);
    const config = result.value;
    assert.deepEqual(config, federation.config());
    assert.deepEqual(config.grants, [{ policyName: 'Sales', users: ['alice@contoso.com', 'sales-*@contoso.com'] }]);
    const index = indexFederation(config);
    assert.equal(index.partnerOf('fabrikam.com')?.partner.partnerType, 'Federated');
    const mayWrite = (localUser: string) =>
      authorizeStanza(
        {
          direction: 'inbound',
          localUser,
          localDomain: 'contoso.com',
          remoteDomain: 'fabrikam.com',
          kind: 'message',
          contactListed: false,
        },
        index,
      ).verdict;
    assert.equal(mayWrite('alice@contoso.com'), 'allow');
    assert.equal(mayWrite('sales-7@contoso.com'), 'allow');
    assert.equal(mayWrite('bob@contoso.com'), 'refuse');
  });

  test('the digest output is the SHA-256 of the file', () => {
    const federation = testFederation();
    federation.addPartner(FABRIKAM);
    const file = writtenFile(federation);
    const digest = `sha256:${createHash('sha256').update(file).digest('hex')}`;
    assert.deepEqual(terraformOf(TerraformStack.of(federation)).output, {
      federation_digest: { description: 'SHA-256 of the canonical federation.json', value: digest },
    });
  });

  test('the order of declarations does not change a byte', () => {
    const declare = (domains: string[]) => {
      const federation = testFederation();
      for (const domain of domains) federation.addPartner({ ...FABRIKAM, domain });
      return writtenFile(federation);
    };
    assert.equal(declare(['fabrikam.com', 'adatum.com']), declare(['adatum.com', 'fabrikam.com']));
  });

  test('partners given as props and partners added are the same thing', () => {
    const added = testFederation();
    added.addPartner(FABRIKAM);
    added.addAccessPolicy({ identity: 'Sales' });
    added.addSite({ name: 'Redmond', users: ['contoso.com'] });
    added.grant('Sales', ['alice@contoso.com']);
    new XmppGatewayConfiguration(added, 'Gateway', { connectionLimit: 10 });
    const given = testFederation({
      xmppAllowedPartners: [FABRIKAM],
      externalAccessPolicies: [{ identity: 'Sales' }],
      sites: [{ name: 'Redmond', users: ['contoso.com'] }],
      grants: [{ policyName: 'Sales', users: ['alice@contoso.com'] }],
      xmppGatewayConfiguration: { connectionLimit: 10 },
    });
    assert.equal(writtenFile(added), writtenFile(given));
  });

  test('an aspect may still add a partner', () => {
    const federation = testFederation();
    Aspects.of(federation).add({
      visit: (node) => {
        if (node === federation) federation.addPartner(FABRIKAM);
      },
    });
    assert.match(writtenFile(federation), /"domain": "fabrikam\.com"/);
  });

  test('nothing may be added afterwards', () => {
    const federation = testFederation();
    writtenFile(federation);
    const late = /expected every \S+( configuration)? before synthesis, got this one after it/;
    assert.throws(() => federation.addPartner(FABRIKAM), late);
    assert.throws(() => federation.addAccessPolicy({ identity: 'Sales' }), late);
    assert.throws(() => federation.addSite({ name: 'Redmond', users: [] }), late);
    assert.throws(() => federation.grant('Sales', []), late);
    assert.throws(() => new XmppGatewayConfiguration(federation, 'Gateway'), late);
  });

  test('lint warnings are shown at the construct that caused them', () => {
    const federation = testFederation();
    const partner = federation.addPartner({ ...FABRIKAM, supportDialbackNegotiation: true });
    const rival = federation.addPartner('Rival', {
      ...FABRIKAM,
      domain: 'wingtiptoys.com',
      additionalDomains: ['fabrikam.com'],
    });
    writtenFile(federation);
    const warnings = (construct: Construct) => construct.node.metadata.map((entry) => entry.data);
    assert.deepEqual(warnings(partner), [
      'dialback-inert: supportDialbackNegotiation: dialback is never used while TLS and SASL are both Required',
    ]);
    assert.deepEqual(warnings(rival), [
      'domain-in-two-partners: additionalDomains: "fabrikam.com" is claimed by test/Federation/fabrikam.com too: it is served by neither',
    ]);
    assert.deepEqual(warnings(federation), []);
  });
});

describe('construct ids are contract', () => {
  test('paths and members', () => {
    const federation = testFederation({ xmppGatewayConfiguration: {} });
    const partner = federation.addPartner({ ...FABRIKAM, domain: 'Fabrikam.com.' });
    const policy = federation.addAccessPolicy({ identity: 'site:Redmond' });
    const named = federation.addPartner('Adatum', { domain: 'adatum.com' });
    assert.equal(partner.node.path, 'test/Federation/fabrikam.com');
    assert.equal(policy.node.path, 'test/Federation/site:Redmond');
    assert.equal(named.node.path, 'test/Federation/Adatum');
    assert.equal(federation.digestOutput.node.path, 'test/Federation/Digest');
    assert.equal(
      federation.node.tryFindChild('XmppGatewayConfiguration')?.node.path,
      'test/Federation/XmppGatewayConfiguration',
    );
    assert.deepEqual([partner.domain, policy.identity], ['fabrikam.com', 'site:Redmond']);
    assert.equal(partner.definition.proxyPort, 5269, 'defaults are filled in');
  });

  test('partners may be grouped below the federation', () => {
    const federation = testFederation();
    const group = new Construct(federation, 'Suppliers');
    new XmppAllowedPartner(group, 'Fabrikam', FABRIKAM);
    new ExternalAccessPolicy(group, 'Open', { identity: 'Open' });
    assert.equal(federation.config().xmppAllowedPartners.length, 1);
    assert.equal(federation.config().externalAccessPolicies.length, 1);
  });
});

/** The error thrown when `declare` runs, as text. */
function errorOf(declare: () => unknown): string {
  try {
    declare();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error.message;
  }
  return 'nothing was thrown';
}

describe('mistakes are reported at the line that made them', () => {
  // As a user without a type checker would write it.
  const loosely = <T>(options: Record<string, unknown>) => options as T;

  test('wrong value: construct path, option, allowed values', () => {
    const declare = () => testFederation().addPartner(loosely({ domain: 'fabrikam.com', tlsNegotiation: 'required' }));
    assert.equal(
      errorOf(declare),
      '[test/Federation/fabrikam.com] tlsNegotiation: expected one of Required, Optional, NotSupported, got "required"; did you mean "Required"?',
    );
  });

  test('unknown option', () => {
    const declare = () => testFederation().addPartner(loosely({ domain: 'fabrikam.com', tlsNegotation: 'Required' }));
    assert.match(
      errorOf(declare),
      /^\[test\/Federation\/fabrikam.com\] tlsNegotation: expected a known option, .*tlsNegotiation/,
    );
  });

  test('nothing at all', () => {
    assert.match(
      errorOf(() => testFederation().addPartner(loosely({}))),
      /\] domain: expected a domain name .*, got nothing/,
    );
    assert.match(
      errorOf(() => testFederation().addAccessPolicy(loosely({}))),
      /\] identity: expected "global".*, got nothing/,
    );
  });

  test('options that cannot stand together', () => {
    const declare = () =>
      testFederation().addPartner({
        domain: 'fabrikam.com',
        saslNegotiation: 'NotSupported',
        supportDialbackNegotiation: false,
      });
    assert.match(errorOf(declare), /^\[test\/Federation\/fabrikam.com\] supportDialbackNegotiation: expected true/);
  });

  test('a refused construct leaves nothing behind', () => {
    const federation = testFederation();
    assert.throws(() => federation.addPartner({ ...FABRIKAM, connectionLimit: 0 }), DeclarationError);
    federation.addPartner(FABRIKAM);
    assert.equal(federation.config().xmppAllowedPartners.length, 1);
  });

  test('several at once', () => {
    const declare = () => testFederation({ environment: 'my env', domains: [], sip: { nextHops: [] } });
    assert.throws(declare, (error) => error instanceof DeclarationError && error.problems.length === 3);
  });

  test('policies, sites, grants, gateway, federation', () => {
    assert.match(
      errorOf(() => testFederation().addAccessPolicy({ identity: 'Global' })),
      /^\[test\/Federation\/Global\] identity: expected "global"/,
    );
    assert.match(
      errorOf(() => testFederation().addSite({ name: 'Redmond', users: ['a@b@c'] })),
      /^\[test\/Federation\] sites\[Redmond\]\.users\[0\]: expected a user address/,
    );
    assert.match(
      errorOf(() => testFederation().grant('Sales', ['*'])),
      /^\[test\/Federation\] grants\[Sales\]\.users\[0\]: expected a user address/,
    );
    assert.match(
      errorOf(() => new XmppGatewayConfiguration(testFederation(), 'Gateway', { maximumStanzaSize: 9999 })),
      /^\[test\/Federation\/Gateway\] maximumStanzaSize: expected a whole number from 10000 to 1048576, got 9999/,
    );
    assert.match(
      errorOf(() => testFederation(loosely({ xmppAllowedPartner: [] }))),
      /^\[test\/Federation\] xmppAllowedPartner: expected a known option, .*xmppAllowedPartners/,
    );
  });

  test('a site, a gateway configuration or a federation too many', () => {
    const federation = testFederation();
    federation.addSite({ name: 'Redmond', users: [] });
    assert.match(
      errorOf(() => federation.addSite({ name: 'Redmond', users: [] })),
      /sites\[Redmond\]: expected each site once/,
    );
    new XmppGatewayConfiguration(federation, 'Gateway');
    assert.match(
      errorOf(() => new XmppGatewayConfiguration(federation, 'Other')),
      /^\[test\/Federation\/Other\] expected at most one gateway configuration in a federation, found test\/Federation\/Gateway too/,
    );
    assert.match(
      errorOf(() => new XmppFederation(TerraformStack.of(federation), 'Second', BASE)),
      /^\[test\/Second\] expected one federation in a stack, found test\/Federation too/,
    );
  });

  test('outside of any federation', () => {
    assert.match(
      errorOf(() => new XmppAllowedPartner(testStack(), 'Fabrikam', FABRIKAM)),
      /^\[test\/Fabrikam\] expected an XmppFederation around the partner, found none/,
    );
  });
});

describe('what would be known only after apply is refused', () => {
  const token = Token.asString({ later: true });
  const cases: [string, () => unknown, string][] = [
    ['domain', () => testFederation().addPartner({ domain: token }), 'domain'],
    ['inside a text', () => testFederation().addPartner({ ...FABRIKAM, description: `see ${token}` }), 'description'],
    [
      'inside a list',
      () => testFederation().addPartner({ ...FABRIKAM, trustAnchors: [{ certificate: token }] }),
      'trustAnchors[0].certificate',
    ],
    [
      'a number',
      () => testFederation().addPartner({ ...FABRIKAM, connectionLimit: Token.asNumber({ later: true }) }),
      'connectionLimit',
    ],
    [
      'a list',
      () => testFederation().addPartner({ ...FABRIKAM, additionalDomains: Token.asList({ later: true }) }),
      'additionalDomains',
    ],
    ['policy', () => testFederation().addAccessPolicy({ identity: 'Sales', description: token }), 'description'],
    ['grant', () => testFederation().grant('Sales', ['alice@contoso.com', token]), 'grants[Sales].users[1]'],
    ['federation', () => testFederation({ environment: token }), 'environment'],
  ];
  for (const [name, declare, option] of cases) {
    test(name, () => {
      const message = errorOf(declare);
      assert.ok(message.includes(`] ${option}: expected a value known when the app runs, got a Token`), message);
    });
  }
});

describe('mistakes in the whole stop synthesis with the construct path', () => {
  test('a grant of a policy that is not there', () => {
    const federation = testFederation();
    federation.addAccessPolicy({ identity: 'Sales' });
    federation.grant('Sale', ['alice@contoso.com']);
    const message = errorOf(() => writtenFile(federation));
    assert.match(
      message,
      /\[test\/Federation\] grants\[Sale\]\.policyName: expected the identity of a policy .* did you mean "Sales"/,
    );
    assert.match(
      errorOf(() => federation.config()),
      /^\[test\/Federation\] grants\[Sale\]\.policyName: /,
    );
  });

  test('one identity twice is reported at the second construct, and names the first', () => {
    const federation = testFederation();
    new ExternalAccessPolicy(federation, 'One', { identity: 'Sales' });
    new ExternalAccessPolicy(federation, 'Two', { identity: 'sales' });
    const message = errorOf(() => writtenFile(federation));
    assert.match(
      message,
      /\[test\/Federation\/Two\] identity: expected each identity once, got "sales", which test\/Federation\/One has too/,
    );
    assert.match(
      errorOf(() => federation.config()),
      /^\[test\/Federation\] Two: identity: /,
    );
  });

  test('nothing is written', () => {
    const federation = testFederation();
    federation.grant('Missing', []);
    const { outdir } = App.of(federation);
    assert.throws(() => App.of(federation).synth());
    assert.equal(existsSync(join(outdir, 'stacks/test/federation.json')), false);
  });

  test('skipping validation does not write a wrong file either', () => {
    const app = new App({ outdir: App.of(testStack()).outdir, skipValidation: true });
    const federation = new XmppFederation(new TerraformStack(app, 'test'), 'Federation', BASE);
    federation.grant('Missing', []);
    assert.throws(() => app.synth(), DeclarationError);
  });
});

describe('size', () => {
  test('10 000 partners make no Terraform resource', () => {
    const federation = testFederation();
    for (let i = 0; i < 10_000; i++) federation.addPartner({ ...FABRIKAM, domain: `partner${i}.example` });
    assert.equal(readFederation(writtenFile(federation)).ok, true);
    assert.equal(terraformOf(TerraformStack.of(federation)).resource, undefined);
  });

  test('a grant to 200 000 users is one call', () => {
    const federation = testFederation();
    federation.addAccessPolicy({ identity: 'Sales' });
    federation.grant(
      'Sales',
      Array.from({ length: 200_000 }, (_, i) => `user${i}@contoso.com`),
    );
    assert.equal(federation.config().grants[0]?.users.length, 200_000);
  });
});
