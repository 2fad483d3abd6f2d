import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { FederationConfigProps } from '../../src/config/index.ts';
import {
  ALLOW,
  AUTH_METHODS,
  admitStream,
  authorizeStanza,
  explainStanza,
  type FederationIndex,
  indexFederation,
  type StanzaFacts,
  type StreamProof,
} from '../../src/policy/index.ts';
import { askedDomains, askedUsers, federationProps, parsed, sampleFederation } from '../support/federations.ts';

const facts: StanzaFacts = {
  direction: 'inbound',
  localUser: 'ann@contoso.com',
  localDomain: 'contoso.com',
  remoteDomain: 'fabrikam.com',
  kind: 'message',
  contactListed: false,
};

function explain(changes: Partial<FederationConfigProps>, asked: Partial<StanzaFacts> = {}, stream?: StreamProof) {
  return explainStanza({ ...facts, ...asked }, indexFederation(sampleFederation(changes)), stream);
}

test('all gates passed, each with the setting that let it', () => {
  const { decision, gates } = explain({}, {}, { method: 'sasl-over-tls', certificateProves: true });
  assert.equal(decision, ALLOW);
  assert.deepEqual(
    gates.map(({ gate, passed, path, value }) => [gate, passed, path, value]),
    [
      ['federation-switch', true, 'accessEdgeConfiguration.allowFederatedUsers', true],
      ['served-domain', true, 'domains[0].domain', 'contoso.com'],
      ['partner', true, 'xmppAllowedPartners[0].domain', 'fabrikam.com'],
      ['stream-method', true, 'xmppAllowedPartners[0]', ['sasl-over-tls']],
      ['stanza-kind', true, 'xmppAllowedPartners[0].allowedStanzaKinds', ['iq', 'message', 'presence']],
      ['user-federation', true, 'externalAccessPolicies[0].enableFederationAccess', true],
      ['user-xmpp', true, 'externalAccessPolicies[0].enableXmppAccess', true],
      ['contact', true, 'xmppAllowedPartners[0].partnerType', 'Federated'],
    ],
  );
});

test('the gate that refused comes last, with the path of the decision', () => {
  const { decision, gates } = explain({
    externalAccessPolicies: [{ identity: 'XmppUsers', enableFederationAccess: true }],
  });
  assert.equal(decision.verdict, 'refuse');
  assert.deepEqual(gates.at(-1), {
    gate: 'user-xmpp',
    passed: false,
    path: 'externalAccessPolicies[0].enableXmppAccess',
    value: false,
    sentence:
      'The local user\'s policy does not enable XMPP. The user policy "XmppUsers", held through grants[0], has enableXmppAccess false.',
  });
});

test('paths are those of the text the author wrote, not of the sorted configuration', () => {
  const { decision } = explain({
    xmppAllowedPartners: [{ domain: 'zeta.com' }, { domain: 'alpha.com' }, { domain: 'fabrikam.com' }],
  });
  assert.deepEqual(decision, {
    verdict: 'refuse',
    reason: 'contact-not-listed',
    path: 'xmppAllowedPartners[2].partnerType',
  });
});

test('without a global policy there is no value to show', () => {
  const last = explain({}, { localUser: 'zoe@contoso.com' }).gates.at(-1);
  assert.deepEqual([last?.path, last?.value], ['externalAccessPolicies', null]);
  assert.match(last?.sentence ?? '', /No global policy is configured/);
});

test('why the contact gate was passed', () => {
  const partner = [{ domain: 'fabrikam.com', partnerType: 'PublicUnverified' }] as const;
  const last = (asked: Partial<StanzaFacts>) =>
    explain({ xmppAllowedPartners: [...partner] }, asked).gates.at(-1)?.sentence;
  assert.match(last({ direction: 'outbound' }) ?? '', /own users/);
  assert.match(last({ contactListed: true }) ?? '', /has listed/);
});

test('an exception refuses here too', () => {
  const index = Object.create(indexFederation(sampleFederation()), {
    servedDomain: {
      value: () => {
        throw new Error('bug');
      },
    },
  }) as FederationIndex;
  const { decision } = explainStanza(facts, index);
  assert.deepEqual(decision, { verdict: 'refuse', reason: 'internal-error', path: '' });
});

test('explaining and deciding never disagree', () => {
  const asked = fc.record({
    direction: fc.constantFrom('inbound', 'outbound'),
    local: fc.constantFrom(...askedUsers),
    remoteDomain: fc.constantFrom(...askedDomains),
    kind: fc.constantFrom('message', 'presence', 'subscribe', 'iq'),
    contactListed: fc.boolean(),
    method: fc.constantFrom(...AUTH_METHODS),
    certificateProves: fc.boolean(),
  });
  fc.assert(
    fc.property(federationProps, fc.array(asked, { maxLength: 10 }), (props, questions) => {
      const index = indexFederation(parsed(props));
      for (const { local, method, certificateProves, ...rest } of questions) {
        const question: StanzaFacts = { ...rest, localUser: local.user, localDomain: local.domain };
        const plain = explainStanza(question, index);
        assert.deepEqual(plain.decision, authorizeStanza(question, index));
        assert.ok(plain.gates.slice(0, -1).every(({ passed }) => passed));
        assert.equal(plain.gates.at(-1)?.passed, plain.decision === ALLOW);

        const withStream = explainStanza(question, index, { method, certificateProves });
        const admitted = admitStream({ ...question, method, certificateProves }, index);
        const isAllowed = plain.decision === ALLOW && admitted === ALLOW;
        assert.equal(withStream.decision === ALLOW, isAllowed);
      }
    }),
    { numRuns: 200 },
  );
});
