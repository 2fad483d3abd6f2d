import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { canonicalJson, federationDigest } from '../../src/config/canonical.ts';
import { parseFederation, parsePart, readFederation } from '../../src/config/federation.ts';
import type { Finding } from '../../src/config/finding.ts';
import { xmppAllowedPartner } from '../../src/config/partner.ts';
import { federationProps, parsed, places, sampleFederation, sampleProps } from '../support/federations.ts';

function errorsOf(input: unknown): readonly Finding[] {
  const result = parseFederation(input);
  return result.ok ? [] : result.errors;
}

function linesOf(input: unknown): readonly string[] {
  return errorsOf(input).map(({ path, message }) => `${path}: ${message}`);
}

test("defaults are Lync's", () => {
  const config = parsed({
    version: 1,
    environment: 'prod',
    domains: [{ domain: 'Contoso.com.' }],
    xmppAllowedPartners: [{ domain: 'fabrikam.com' }],
    externalAccessPolicies: [{ identity: 'global' }],
    sip: { nextHops: [{ fqdn: 'pool.contoso.com' }] },
  });
  assert.deepEqual(config, {
    version: 1,
    environment: 'prod',
    domains: [{ domain: 'contoso.com', certificate: 'default' }],
    accessEdgeConfiguration: { allowFederatedUsers: false },
    xmppGatewayConfiguration: {
      connectionLimit: 1000,
      partnerConnectionLimit: 20,
      keepAliveInterval: 300,
      streamEstablishmentTimeout: 60,
      streamInactivityTimeout: 600,
      subscriptionRefreshInterval: 28_800,
      enableLoggingAllMessageBodies: false,
      maximumStanzaSize: 65_536,
      dialbackPassphrase: 'dialback-passphrase',
    },
    xmppAllowedPartners: [
      {
        domain: 'fabrikam.com',
        additionalDomains: [],
        description: '',
        partnerType: 'PublicUnverified',
        tlsNegotiation: 'Required',
        saslNegotiation: 'Required',
        supportDialbackNegotiation: true,
        enableKeepAlive: true,
        proxyPort: 5269,
        proxyDirectTls: false,
        trustAnchors: [],
        allowedStanzaKinds: ['iq', 'message', 'presence'],
      },
    ],
    externalAccessPolicies: [
      {
        identity: 'global',
        description: '',
        enableFederationAccess: false,
        enableXmppAccess: false,
        enablePublicCloudAccess: false,
        enableOutsideAccess: false,
      },
    ],
    sites: [],
    grants: [],
    sip: {
      nextHops: [{ fqdn: 'pool.contoso.com', transport: 'tls', priority: 10, weight: 10, useSrv: false }],
      trustedAddresses: [],
      trustedTlsNames: [],
      dialect: 'rfc7572',
    },
  });
});

test('everything wrong is reported at once, with path, what was expected and what was found', () => {
  assert.deepEqual(
    linesOf({
      version: 2,
      environmnt: 'prod',
      domains: [],
      accessEdgeConfiguration: { allowFederatedUsers: 'yes' },
      xmppGatewayConfiguration: { connectionLimit: 0, maximumStanzaSize: 9999, keepAliveInterval: 1.5 },
      xmppAllowedPartners: [
        { domain: 'fabrikam.com' },
        { domain: '*.adatum.com', tlsNegotiation: 'required', saslNegociation: 'Optional' },
        'litware.com',
        {
          domain: 'litware.com',
          additionalDomains: 'chat.litware.com',
          trustAnchors: [{ publicKeySha256: 'abc' }, {}],
        },
      ],
      sites: [{ name: '-', users: ['ann@contoso.com', 'b@d@contoso.com'] }],
      sip: { nextHops: [{ fqdn: 'pool', port: 70_000, transport: 'sctp' }], trustedAddresses: ['192.0.2.1/24'] },
    }),
    [
      'version: expected 1, the only version of this document there is, got 2',
      'environment: expected the name of an environment: 1 to 64 letters, digits, dots, underscores or hyphens, got nothing',
      'domains: expected at least one served domain, got a list of 0 entries',
      'accessEdgeConfiguration.allowFederatedUsers: expected true or false, got "yes"',
      'xmppGatewayConfiguration.connectionLimit: expected a whole number from 1 to 100000, got 0',
      'xmppGatewayConfiguration.keepAliveInterval: expected a whole number from 1 to 86400, got 1.5',
      'xmppGatewayConfiguration.maximumStanzaSize: expected a whole number from 10000 to 1048576, got 9999',
      'xmppAllowedPartners[1].domain: expected a domain name without wildcard, such as "fabrikam.com", got "*.adatum.com"',
      'xmppAllowedPartners[1].tlsNegotiation: expected one of Required, Optional, NotSupported, got "required"; did you mean "Required"?',
      'xmppAllowedPartners[1].saslNegociation: expected a known option, got "saslNegociation"; did you mean "saslNegotiation"?',
      'xmppAllowedPartners[2]: expected an object, got "litware.com"',
      'xmppAllowedPartners[3].additionalDomains: expected a list, got "chat.litware.com"',
      'xmppAllowedPartners[3].trustAnchors[0].publicKeySha256: expected a SHA-256 in base64 (44 characters), got "abc"',
      'xmppAllowedPartners[3].trustAnchors[1]: expected an object with either certificate or publicKeySha256, got an object',
      'sites[0].name: expected a site name of 1 to 64 letters, digits, spaces, dots, underscores or hyphens, got "-"',
      'sites[0].users[1]: expected a user address, "prefix*@domain", "*@domain" or a domain, got "b@d@contoso.com"',
      'sip.nextHops[0].port: expected a whole number from 1 to 65535, got 70000',
      'sip.nextHops[0].transport: expected one of tls, tcp, udp, got "sctp"',
      'sip.trustedAddresses[0]: expected an IP address or a network such as "192.0.2.0/24" (no host bits set), got "192.0.2.1/24"',
      'environmnt: expected a known option, got "environmnt"; did you mean "environment"?',
    ],
  );
});

test('entries that are sound are checked against each other even when others are not', () => {
  const errors = errorsOf(
    sampleProps({
      environment: '',
      xmppAllowedPartners: [
        { domain: '*' },
        { domain: 'fabrikam.com', tlsNegotiation: 'NotSupported', supportDialbackNegotiation: false },
      ],
      externalAccessPolicies: [{ identity: 'XmppUsers', description: '\n' }],
      grants: [
        { policyName: 'XmppUsers', users: ['ann@contoso.com'] },
        { policyName: 'Missing', users: ['ann@contoso.com'] },
      ],
    }),
  );
  assert.deepEqual(places(errors), [
    'invalid-value environment',
    'invalid-value xmppAllowedPartners[0].domain',
    'invalid-value externalAccessPolicies[0].description',
    'sasl-without-tls-no-dialback xmppAllowedPartners[1].saslNegotiation',
    'unknown-policy grants[1].policyName',
    'grant-conflict grants[1].users[0]',
  ]);
});

test('what is no object at all is one error', () => {
  for (const input of [undefined, null, 1, 'x', [], true]) {
    const [first] = linesOf(input);
    assert.match(first ?? '', /^: expected an object, got /);
  }
});

test('a missing section is called missing', () => {
  const { sip: _, ...rest } = sampleProps();
  assert.deepEqual(places(errorsOf(rest)), ['missing-option sip']);
  assert.deepEqual(places(errorsOf(sampleProps({ grants: [JSON.parse('{"policyName": "XmppUsers"}')] }))), [
    'missing-option grants[0].users',
  ]);
});

test('secrets written where their name belongs are not repeated', () => {
  const text = canonicalJson(
    errorsOf(
      sampleProps({
        domains: [{ domain: 'contoso.com', certificate: '-----BEGIN PRIVATE KEY-----' }],
        xmppGatewayConfiguration: { dialbackPassphrase: 'hunter2 hunter2' },
        xmppAllowedPartners: [
          { domain: 'fabrikam.com', trustAnchors: [{ certificate: '-----BEGIN PRIVATE KEY-----' }] },
        ],
      }),
    ),
  );
  assert.doesNotMatch(text, /hunter2|BEGIN/);
  assert.match(text, /xmppGatewayConfiguration.dialbackPassphrase/);
  assert.match(text, /a text of 15 characters \(not shown: it may be a secret\)/);
});

test('keys named like the prototype are unknown options and nothing more', () => {
  const hostile =
    '{"version": 1, "__proto__": {"environment": "x"}, "constructor": {"prototype": {"polluted": 1}}, "sip": {"__proto__": {"nextHops": []}}}';
  const result = readFederation(hostile);
  assert.equal(result.ok, false);
  const found = result.ok ? [] : places(result.errors);
  for (const path of ['__proto__', 'constructor', 'sip.__proto__'])
    assert.ok(found.includes(`unknown-option ${path}`), path);
  assert.ok(found.includes('missing-option environment'));
  assert.equal(Reflect.get({}, 'polluted'), undefined);
  assert.equal(Reflect.get({}, 'environment'), undefined);
});

test('ten thousand mistakes give five hundred findings and a count', () => {
  const errors = errorsOf(sampleProps({ xmppAllowedPartners: new Array(10_000).fill({ domain: '*' }) }));
  assert.equal(errors.length, 501);
  assert.deepEqual(errors.at(-1), {
    rule: 'more-findings',
    severity: 'error',
    path: '',
    message: '9500 more findings are not shown',
  });
  assert.ok(errors.every(({ message }) => message.length < 300));
});

test('identities: no second global, no tag, no empty site', () => {
  for (const identity of ['Global', 'GLOBAL', 'tag:Sales', 'site:', 'site', ' x', 'x ', '', 'a/b', 'x'.repeat(65)]) {
    const errors = errorsOf(sampleProps({ externalAccessPolicies: [{ identity }], grants: [] }));
    assert.deepEqual(
      places(errors),
      identity === 'site' ? [] : ['invalid-value externalAccessPolicies[0].identity'],
      identity,
    );
  }
  assert.deepEqual(places(errorsOf(sampleProps({ grants: [{ policyName: 'global', users: [] }] }))), [
    'invalid-value grants[0].policyName',
  ]);
});

test('order and repetition mean nothing', () => {
  const once = sampleProps({
    domains: [{ domain: 'contoso.com' }, { domain: 'corp.contoso.com' }],
    xmppAllowedPartners: [{ domain: 'adatum.com' }, { domain: 'fabrikam.com', additionalDomains: ['a.com', 'b.com'] }],
    grants: [{ policyName: 'XmppUsers', users: ['ann@contoso.com', 'bob@contoso.com'] }],
    sip: {
      nextHops: [{ fqdn: 'a.contoso.com' }, { fqdn: 'b.contoso.com' }],
      trustedAddresses: ['192.0.2.1', '192.0.2.2'],
    },
  });
  const again = sampleProps({
    domains: [{ domain: 'corp.CONTOSO.com' }, { domain: 'contoso.com.' }],
    xmppAllowedPartners: [
      {
        domain: 'fabrikam.com',
        additionalDomains: ['b.com', 'a.com', 'b.com'],
        allowedStanzaKinds: ['iq', 'iq', 'presence', 'message'],
      },
      { domain: 'adatum.com' },
    ],
    grants: [{ policyName: 'XmppUsers', users: ['Bob@contoso.com', 'ann@contoso.com', 'bob@contoso.com'] }],
    sip: {
      nextHops: [{ fqdn: 'b.contoso.com' }, { fqdn: 'a.contoso.com' }],
      trustedAddresses: ['192.0.2.2', '192.0.2.1', '192.0.2.2'],
    },
  });
  assert.equal(federationDigest(parsed(again)), federationDigest(parsed(once)));
});

test('canonical JSON reads back to the same configuration and digest', () => {
  fc.assert(
    fc.property(federationProps, (props) => {
      const config = parsed(props);
      const json = canonicalJson(config);
      const again = readFederation(json);
      assert.ok(again.ok);
      assert.deepEqual(JSON.parse(JSON.stringify(again.value)), JSON.parse(JSON.stringify(config)));
      assert.equal(federationDigest(again.value), federationDigest(config));
      assert.equal(canonicalJson(again.value), json);
    }),
  );
});

test('whatever the input, parsing returns a result and never throws', () => {
  const somewhere = fc.oneof(fc.jsonValue({ maxDepth: 4 }), fc.anything({ maxDepth: 3 }));
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(sampleProps())), somewhere, (key, value) => {
      const result = parseFederation({ ...sampleProps(), [key]: value });
      assert.equal(typeof result.ok, 'boolean');
      if (!result.ok) assert.ok(result.errors.length > 0);
    }),
  );
});

test('JSON: syntax errors by line and column, repeated keys, byte order mark', () => {
  const json = canonicalJson(sampleFederation());
  const broken = readFederation(json.replace('"environment"', 'environment'));
  assert.equal(broken.ok, false);
  if (!broken.ok)
    assert.match(broken.errors[0]?.message ?? '', /^line \d+, column 3: expected a key in double quotes, got "e"$/);

  const repeated = readFederation(
    json.replace('"environment": "test"', '"environment": "test", "environment": "prod"'),
  );
  assert.deepEqual(repeated.ok ? [] : places(repeated.errors), ['duplicate-key environment']);

  assert.equal(readFederation(`\ufeff${json}`).ok, true);
});

test('a part is checked by itself, with a path of the caller', () => {
  const partner = parsePart(xmppAllowedPartner, { domain: 'Fabrikam.com' });
  assert.equal(partner.ok && partner.value.domain, 'fabrikam.com');
  const wrong = parsePart(xmppAllowedPartner, { domain: '*', proxyport: 1 }, 'prod/fabrikam');
  assert.deepEqual(wrong.ok ? [] : places(wrong.errors), [
    'invalid-value prod/fabrikam.domain',
    'unknown-option prod/fabrikam.proxyport',
  ]);
  const noObject = parsePart(xmppAllowedPartner, 7, 'prod/fabrikam');
  assert.deepEqual(noObject.ok ? [] : places(noObject.errors), ['invalid-value prod/fabrikam']);
});
