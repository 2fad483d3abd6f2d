import assert from 'node:assert/strict';
import test from 'node:test';
import type { XmppAllowedPartnerProps } from '../../src/config/index.ts';
import { negotiationProblem } from '../../src/config/negotiation.ts';
import {
  ALLOW,
  AUTH_METHODS,
  admitStream,
  allowedMethods,
  type FederationIndex,
  indexFederation,
  mayFederate,
  offerFeatures,
  type RefusalReason,
  type StreamFacts,
} from '../../src/policy/index.ts';
import { sampleFederation } from '../support/federations.ts';
import { NEGOTIATION_ROWS } from '../support/negotiation-rows.ts';
import { partnerWith } from '../support/partners.ts';

function indexWith(partner: Omit<XmppAllowedPartnerProps, 'domain'>): FederationIndex {
  return indexFederation(sampleFederation({ xmppAllowedPartners: [{ domain: 'fabrikam.com', ...partner }] }));
}

const stream: StreamFacts = {
  direction: 'inbound',
  localDomain: 'contoso.com',
  remoteDomain: 'fabrikam.com',
  method: 'sasl-over-tls',
  certificateProves: true,
};

function refusal(reason: RefusalReason, path: string) {
  return { verdict: 'refuse', reason, path };
}

for (const { tls, sasl, dialback, methods, validity } of NEGOTIATION_ROWS) {
  const settings = { tlsNegotiation: tls, saslNegotiation: sasl, supportDialbackNegotiation: dialback };
  const partner = partnerWith(settings);

  test(`methods under TLS ${tls}, SASL ${sasl}, dialback ${dialback}: ${methods.join(', ') || 'none'}`, () => {
    assert.deepEqual(allowedMethods(partner), methods);
    // The configuration judges rows without knowing of methods: both must agree on what is impossible.
    assert.equal(negotiationProblem(partner)?.severity === 'error', methods.length === 0);
  });

  test(`features under TLS ${tls}, SASL ${sasl}, dialback ${dialback}`, () => {
    const starttls = { Required: 'required', Optional: 'optional', NotSupported: 'none' }[tls];
    for (const certificateProves of [true, false]) {
      assert.deepEqual(offerFeatures(partner, { secured: false, certificateProves }), {
        starttls,
        saslExternal: false,
        dialback: methods.includes('tcp-dialback'),
      });
      assert.deepEqual(offerFeatures(partner, { secured: true, certificateProves }), {
        starttls: 'none',
        saslExternal: certificateProves && methods.includes('sasl-over-tls'),
        dialback: methods.includes('tls-dialback'),
      });
    }
  });

  if (validity === 'invalid') continue;
  test(`streams under TLS ${tls}, SASL ${sasl}, dialback ${dialback}, both directions`, () => {
    const index = indexWith(settings);
    for (const direction of ['inbound', 'outbound'] as const) {
      for (const method of AUTH_METHODS) {
        const proved = admitStream({ ...stream, direction, method }, index);
        assert.equal(proved === ALLOW, methods.includes(method), `${direction} ${method}`);
        const unproved = admitStream({ ...stream, direction, method, certificateProves: false }, index);
        assert.equal(
          unproved === ALLOW,
          method !== 'sasl-over-tls' && methods.includes(method),
          `${direction} ${method}`,
        );
      }
    }
  });
}

test('the refusal of a method names the setting to look at', () => {
  const at = (option: string) => `xmppAllowedPartners[0].${option}`;
  const ask = (partner: Omit<XmppAllowedPartnerProps, 'domain'>, facts: Partial<StreamFacts>) =>
    admitStream({ ...stream, ...facts }, indexWith(partner));
  assert.deepEqual(ask({}, { method: 'tcp-dialback' }), refusal('tls-required', at('tlsNegotiation')));
  assert.deepEqual(ask({}, { method: 'tls-dialback' }), refusal('method-not-allowed', at('saslNegotiation')));
  assert.deepEqual(ask({}, { certificateProves: false }), refusal('certificate-not-valid', at('trustAnchors')));
  assert.deepEqual(
    ask({ tlsNegotiation: 'NotSupported', saslNegotiation: 'NotSupported' }, {}),
    refusal('tls-not-supported', at('tlsNegotiation')),
  );
  assert.deepEqual(
    ask({ tlsNegotiation: 'Optional', supportDialbackNegotiation: false }, { method: 'tcp-dialback' }),
    refusal('dialback-not-supported', at('supportDialbackNegotiation')),
  );
  assert.deepEqual(ask({ saslNegotiation: 'NotSupported' }, {}), refusal('method-not-allowed', at('saslNegotiation')));
});

test('a pair of domains is judged before anything is said', () => {
  const index = indexFederation(
    sampleFederation({
      domains: [{ domain: 'contoso.com' }, { domain: 'corp.contoso.com' }],
      xmppAllowedPartners: [
        { domain: 'fabrikam.com', additionalDomains: ['shared.com'] },
        { domain: 'adatum.com', additionalDomains: ['shared.com'] },
      ],
    }),
  );
  assert.equal(mayFederate('contoso.com', 'fabrikam.com', index), ALLOW);
  assert.deepEqual(mayFederate('litware.com', 'fabrikam.com', index), refusal('domain-not-served', 'domains'));
  assert.deepEqual(
    mayFederate('contoso.com', 'litware.com', index),
    refusal('partner-not-allowed', 'xmppAllowedPartners'),
  );
  assert.deepEqual(
    mayFederate('contoso.com', 'corp.contoso.com', index),
    refusal('own-domain-as-partner', 'domains[1]'),
  );
  assert.deepEqual(mayFederate('contoso.com', 'contoso.com', index), refusal('own-domain-as-partner', 'domains[0]'));
  const ambiguous = mayFederate('contoso.com', 'shared.com', index);
  assert.deepEqual(ambiguous, refusal('partner-ambiguous', 'xmppAllowedPartners[1], xmppAllowedPartners[0]'));
});

test('with the switch off no pair and no stream passes', () => {
  const index = indexFederation(sampleFederation({ accessEdgeConfiguration: {} }));
  const off = refusal('federation-disabled', 'accessEdgeConfiguration.allowFederatedUsers');
  assert.deepEqual(mayFederate('contoso.com', 'fabrikam.com', index), off);
  assert.deepEqual(admitStream(stream, index), off);
});

test('an index that fails refuses', () => {
  const broken = { ...indexWith({}), partnerOf: undefined };
  const index = Object.assign(Object.create(broken), { config: sampleFederation() }) as FederationIndex;
  assert.deepEqual(mayFederate('contoso.com', 'fabrikam.com', index), refusal('internal-error', ''));
  assert.deepEqual(admitStream(stream, index), refusal('internal-error', ''));
});
