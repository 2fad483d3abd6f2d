import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { FederationConfigProps, XmppAllowedPartnerProps } from '../../src/config/index.ts';
import {
  ALLOW,
  authorizeStanza,
  type Decision,
  type FederationIndex,
  indexFederation,
  mayFederate,
  maySeeNotes,
  type RefusalReason,
  refusalOf,
  type StanzaFacts,
} from '../../src/policy/index.ts';
import { askedDomains, askedUsers, federationProps, parsed, sampleFederation } from '../support/federations.ts';
import { partnerWith } from '../support/partners.ts';

const message: StanzaFacts = {
  direction: 'inbound',
  localUser: 'ann@contoso.com',
  localDomain: 'contoso.com',
  remoteDomain: 'fabrikam.com',
  kind: 'message',
  contactListed: false,
};
const KINDS = ['message', 'presence', 'subscribe', 'iq'] as const;
const DIRECTIONS = ['inbound', 'outbound'] as const;

function ask(changes: Partial<FederationConfigProps>, facts: Partial<StanzaFacts> = {}): Decision {
  return authorizeStanza({ ...message, ...facts }, indexFederation(sampleFederation(changes)));
}

function refusal(reason: RefusalReason, path: string): Decision {
  return { verdict: 'refuse', reason, path };
}

test('when every gate is open all kinds pass in both directions', () => {
  for (const kind of KINDS) for (const direction of DIRECTIONS) assert.equal(ask({}, { kind, direction }), ALLOW);
});

test('each gate refuses by itself, and says where', () => {
  const partner = { domain: 'fabrikam.com', partnerType: 'Federated' } as const;
  const policy = { identity: 'XmppUsers', enableFederationAccess: true, enableXmppAccess: true };
  for (const direction of DIRECTIONS) {
    const expect = (
      changes: Partial<FederationConfigProps>,
      facts: Partial<StanzaFacts>,
      reason: RefusalReason,
      path: string,
    ) => assert.deepEqual(ask(changes, { direction, ...facts }), refusal(reason, path));
    expect({ accessEdgeConfiguration: {} }, {}, 'federation-disabled', 'accessEdgeConfiguration.allowFederatedUsers');
    expect({}, { localUser: 'ann@litware.com', localDomain: 'litware.com' }, 'domain-not-served', 'domains');
    expect({}, { remoteDomain: 'litware.com' }, 'partner-not-allowed', 'xmppAllowedPartners');
    expect({}, { remoteDomain: 'chat.fabrikam.com' }, 'partner-not-allowed', 'xmppAllowedPartners');
    expect({}, { remoteDomain: 'contoso.com' }, 'own-domain-as-partner', 'domains[0]');
    expect(
      { xmppAllowedPartners: [partner, partner] },
      {},
      'partner-ambiguous',
      'xmppAllowedPartners[0], xmppAllowedPartners[1]',
    );
    expect(
      { xmppAllowedPartners: [{ ...partner, allowedStanzaKinds: ['presence'] }] },
      {},
      'stanza-kind-not-allowed',
      'xmppAllowedPartners[0].allowedStanzaKinds',
    );
    expect(
      { externalAccessPolicies: [{ ...policy, enableFederationAccess: false }] },
      {},
      'user-federation-denied',
      'externalAccessPolicies[0].enableFederationAccess',
    );
    expect(
      { externalAccessPolicies: [{ ...policy, enableXmppAccess: false }] },
      {},
      'user-xmpp-denied',
      'externalAccessPolicies[0].enableXmppAccess',
    );
    expect({}, { localUser: 'zoe@contoso.com' }, 'user-federation-denied', 'externalAccessPolicies');
  }
});

test('partner type against direction, kind and contact list', () => {
  for (const partnerType of ['Federated', 'PublicVerified', 'PublicUnverified'] as const) {
    const index = indexFederation(sampleFederation({ xmppAllowedPartners: [{ domain: 'fabrikam.com', partnerType }] }));
    for (const kind of KINDS) {
      for (const direction of DIRECTIONS) {
        for (const contactListed of [true, false]) {
          const isRefused = partnerType === 'PublicUnverified' && direction === 'inbound' && !contactListed;
          assert.deepEqual(
            authorizeStanza({ ...message, kind, direction, contactListed }, index),
            isRefused ? refusal('contact-not-listed', 'xmppAllowedPartners[0].partnerType') : ALLOW,
          );
        }
      }
    }
  }
});

test('a subscription request is a presence stanza', () => {
  const only = (kind: 'message' | 'presence' | 'iq'): XmppAllowedPartnerProps[] => [
    { domain: 'fabrikam.com', partnerType: 'Federated', allowedStanzaKinds: [kind] },
  ];
  assert.equal(ask({ xmppAllowedPartners: only('presence') }, { kind: 'subscribe' }), ALLOW);
  assert.equal(ask({ xmppAllowedPartners: only('message') }, { kind: 'subscribe' }).verdict, 'refuse');
  assert.equal(ask({ xmppAllowedPartners: only('iq') }, { kind: 'message' }).verdict, 'refuse');
});

test('facts that contradict themselves are refused', () => {
  const domains = [{ domain: 'contoso.com' }, { domain: 'corp.contoso.com' }];
  for (const localUser of [
    'ann@litware.com',
    'ann@corp.contoso.com',
    'ann@xcontoso.com',
    '@contoso.com',
    'ann@evil@contoso.com',
    'anncontoso.com',
    '',
  ]) {
    assert.deepEqual(ask({ domains }, { localUser }), refusal('internal-error', ''), localUser);
  }
});

test('the domain itself is judged by the global policy', () => {
  assert.deepEqual(ask({}, { localUser: 'contoso.com' }), refusal('user-federation-denied', 'externalAccessPolicies'));
  const externalAccessPolicies = [{ identity: 'global', enableFederationAccess: true, enableXmppAccess: true }];
  assert.equal(ask({ externalAccessPolicies, grants: [] }, { localUser: 'contoso.com' }), ALLOW);
});

test('an exception refuses', () => {
  const index = Object.create(indexFederation(sampleFederation()), {
    policyOf: {
      value: () => {
        throw new Error('bug');
      },
    },
  }) as FederationIndex;
  assert.deepEqual(authorizeStanza(message, index), refusal('internal-error', ''));
  for (const broken of [undefined, null, {}]) {
    assert.deepEqual(authorizeStanza(message, broken as never), refusal('internal-error', ''));
    assert.deepEqual(authorizeStanza(broken as never, index), refusal('internal-error', ''));
  }
});

test('only Federated partners see notes', () => {
  assert.deepEqual(
    (['Federated', 'PublicVerified', 'PublicUnverified'] as const).map((partnerType) =>
      maySeeNotes(partnerWith({ partnerType })),
    ),
    [true, false, false],
  );
});

const asked = fc.record({
  direction: fc.constantFrom(...DIRECTIONS),
  local: fc.constantFrom(...askedUsers),
  remoteDomain: fc.constantFrom(...askedDomains),
  kind: fc.constantFrom(...KINDS),
  contactListed: fc.boolean(),
});

function factsOf({
  local,
  ...rest
}: Readonly<{ local: { user: string; domain: string } }> & Omit<StanzaFacts, 'localUser' | 'localDomain'>) {
  return { ...rest, localUser: local.user, localDomain: local.domain };
}

test('never allowed when any condition, read straight from the configuration, fails', () => {
  let allowed = 0;
  fc.assert(
    fc.property(federationProps, fc.array(asked, { minLength: 10, maxLength: 20 }), (props, questions) => {
      const config = parsed(props);
      const index = indexFederation(config);
      for (const question of questions) {
        const facts = factsOf(question);
        const decision = authorizeStanza(facts, index);
        const claims = config.xmppAllowedPartners.filter(
          ({ domain, additionalDomains }) =>
            domain === facts.remoteDomain || additionalDomains.includes(facts.remoteDomain),
        );
        const [partner] = claims;
        const policy = index.policyOf(facts.localUser).policy;
        const kind = facts.kind === 'subscribe' ? 'presence' : facts.kind;
        const conditions = [
          config.accessEdgeConfiguration.allowFederatedUsers,
          config.domains.some(({ domain }) => domain === facts.localDomain),
          !config.domains.some(({ domain }) => domain === facts.remoteDomain),
          claims.length === 1,
          partner?.allowedStanzaKinds.includes(kind) ?? false,
          policy.enableFederationAccess,
          policy.enableXmppAccess,
          facts.direction === 'outbound' || facts.contactListed || partner?.partnerType !== 'PublicUnverified',
        ];
        assert.equal(decision === ALLOW, !conditions.includes(false));
        if (decision === ALLOW) {
          allowed++;
          assert.equal(mayFederate(facts.localDomain, facts.remoteDomain, index), ALLOW);
        }
      }
    }),
    { numRuns: 300 },
  );
  assert.ok(allowed > 20, `the property was hardly tried: ${allowed} allowed`);
});

test('a partner cannot tell a denied user from one who does not exist', () => {
  fc.assert(
    fc.property(federationProps, asked, (props, question) => {
      const index = indexFederation(parsed(props));
      const facts: StanzaFacts = { ...factsOf(question), direction: 'inbound' };
      const answerTo = (localUser: string) => {
        const decision = authorizeStanza({ ...facts, localUser }, index);
        return decision.verdict === 'allow' ? 'passed on' : refusalOf(decision.reason).stanzaError.condition;
      };
      // A user who does not exist is answered item-not-found once the stanza has been passed on to the pool.
      const answers = askedUsers
        .filter(({ domain }) => domain === facts.localDomain)
        .map(({ user }) => answerTo(user))
        .map((answer) => (answer === 'passed on' ? 'item-not-found' : answer));
      assert.equal(new Set(answers).size, 1, answers.join(', '));
    }),
    { numRuns: 300 },
  );
});
