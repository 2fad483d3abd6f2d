import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { canonicalJson, type FederationConfig, federationDigest } from '../../src/config/index.ts';
import { judgeApproval } from '../../src/review/approvals.ts';
import type { Exposure, OptionChange, Review } from '../../src/review/model.ts';
import { reviewReport } from '../../src/review/report.ts';
import { reviewFederation } from '../../src/review/review.ts';
import { federationProps, parsed, sampleFederation, sampleProps } from '../support/federations.ts';
import { mutationsOf, richProps } from '../support/mutations.ts';

function review(base: FederationConfig | undefined, head: FederationConfig | undefined): Review {
  return reviewFederation(
    { label: 'base', ...(base === undefined ? {} : { config: base }) },
    { label: 'head', ...(head === undefined ? {} : { config: head }) },
  );
}

const rich = parsed(richProps());
const { mutations } = mutationsOf(richProps());

/** Two configurations: strangers to each other, the same, or one option apart. */
const pairs: fc.Arbitrary<readonly [FederationConfig, FederationConfig]> = fc.oneof(
  fc.tuple(federationProps.map(parsed), federationProps.map(parsed)),
  federationProps.map((props) => [parsed(props), parsed(props)] as const),
  fc.constantFrom(...mutations).map(({ config }) => [rich, config] as const),
);

test('a review is empty exactly when nothing differs', () => {
  fc.assert(
    fc.property(pairs, ([a, b]) => {
      const { isEmpty, options } = review(a, b);
      const isSame = canonicalJson(a) === canonicalJson(b);
      assert.equal(isEmpty, isSame);
      assert.equal(options.length === 0, isSame);
    }),
  );
});

test('a review and its reverse are mirror images', () => {
  fc.assert(
    fc.property(pairs, ([a, b]) => {
      const [there, back] = [review(a, b), review(b, a)];
      assert.deepEqual(exposuresIn(back), exposuresIn(there, true));
      assert.deepEqual(optionsIn(back), optionsIn(there, true));
      assert.equal(back.blastRadius.users.gaining, there.blastRadius.users.losing);
      assert.equal(back.blastRadius.partners.removed, there.blastRadius.partners.added);
    }),
    { includeErrorInReport: true },
  );
});

test('a review is the same every time, fits its schema, and each change has an id of its own', () => {
  fc.assert(
    fc.property(pairs, ([a, b]) => {
      const found = review(a, b);
      assert.deepEqual(review(a, b), found);
      const all = [...found.exposures, ...found.options, ...found.resources, ...found.blastRadius.alarms];
      assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
      reviewReport.parse({ formatVersion: 1, reviews: [{ ...found, approval: judgeApproval(found, {}) }] });
    }),
  );
});

const OPPOSITE = { opened: 'closed', closed: 'opened', added: 'removed', removed: 'added' } as const;
const OTHER_WAY = { broadening: 'narrowing', narrowing: 'broadening', neutral: 'neutral' } as const;

// Without what is not symmetric: how risky a change is, and its words.
function exposuresIn({ exposures }: Review, isMirrored = false): readonly string[] {
  const facts = exposures.map(({ change, direction, kind, traffic, partners, remoteDomains, ...rest }: Exposure) => {
    const { localDomains, method, certificate, kinds, contact, reach } = rest;
    const mirrored = isMirrored ? [OPPOSITE[change], OTHER_WAY[direction]] : [change, direction];
    return [
      ...mirrored,
      kind,
      traffic,
      partners,
      remoteDomains,
      localDomains,
      method,
      certificate,
      kinds,
      contact,
      reach,
    ];
  });
  return facts.map((fact) => JSON.stringify(fact)).sort();
}

function optionsIn({ options }: Review, isMirrored = false): readonly string[] {
  const renames = options.filter(({ kind }) => kind === 'renamed');
  // A renamed partner is called by its new name, so it is another one in the mirror.
  const place = (path: string): string => {
    const rename = isMirrored
      ? renames.find((found) => found.path === path || path.startsWith(`${found.path.slice(0, -'.domain'.length)}.`))
      : undefined;
    return rename === undefined ? path : path.replace(/\[[^\]]*\]/, `[${rename.before}]`);
  };
  const facts = options.map(({ kind, direction, path, before, after, added, removed }: OptionChange) => {
    if (!isMirrored) return [kind, direction, path.replace(/#\d+\]/, ']'), before, after, added, removed];
    const opposite = kind === 'added' || kind === 'removed' ? OPPOSITE[kind] : kind;
    return [opposite, OTHER_WAY[direction], place(path).replace(/#\d+\]/, ']'), after, before, removed, added];
  });
  return facts.map((fact) => JSON.stringify(fact)).sort();
}

test('the riskiest comes first, and the whole is as risky as that', () => {
  const base = sampleFederation();
  const head = sampleFederation({
    xmppAllowedPartners: [{ domain: 'fabrikam.com', partnerType: 'Federated', tlsNegotiation: 'NotSupported' }],
    grants: [{ policyName: 'XmppUsers', users: ['contoso.com'] }],
  });
  const found = review(base, head);
  assert.deepEqual([found.risk, found.direction], ['critical', 'mixed']);
  const order = ['critical', 'high', 'medium', 'low', 'none'];
  const ranks = found.exposures.map(({ risk }) => order.indexOf(risk));
  assert.deepEqual(
    ranks,
    ranks.toSorted((a, b) => a - b),
  );
  assert.deepEqual(
    found.options.map(({ path, rule }) => `${path} ${rule}`),
    [
      'grants[XmppUsers].users whole-domain-allowed',
      'xmppAllowedPartners[fabrikam.com].supportDialbackNegotiation dialback-on-without-tls',
      'xmppAllowedPartners[fabrikam.com].tlsNegotiation tls-off-with-dialback',
    ],
  );
});

test('an environment that is new, or gone', () => {
  const created = review(undefined, sampleFederation());
  assert.deepEqual([created.base.digest, created.head.digest], [null, federationDigest(sampleFederation())]);
  assert.equal(created.options[0]?.rule, 'environment-added');
  assert.ok(created.exposures.some(({ rule }) => rule === 'strangers-reach-users'));
  const gone = review(sampleFederation(), undefined);
  assert.deepEqual(
    [gone.risk, gone.direction, gone.options[0]?.rule],
    ['critical', 'narrowing', 'environment-removed'],
  );
  assert.throws(() => review(undefined, undefined), TypeError);
});

test('the digest is that of what was reviewed, wherever it was read from', () => {
  const [base, head] = [sampleFederation(), parsed(sampleProps({ xmppAllowedPartners: [] }))];
  const one = reviewFederation({ label: 'a file', config: base }, { label: 'another', config: head });
  assert.equal(one.digest, review(base, head).digest);
  assert.notEqual(one.digest, review(head, base).digest);
  const described = sampleFederation({
    externalAccessPolicies: [
      { identity: 'XmppUsers', description: 'x', enableFederationAccess: true, enableXmppAccess: true },
    ],
  });
  assert.notEqual(one.digest, review(described, head).digest, 'another base is another review');
  const withPlan = reviewFederation(
    { label: 'base', config: base },
    { label: 'head', config: head },
    { terraform: { resources: [], isComplete: true } },
  );
  assert.notEqual(one.digest, withPlan.digest);
});

test('a change without risk is a change', () => {
  const [partner] = sampleProps().xmppAllowedPartners ?? [];
  assert.ok(partner);
  const head = sampleFederation({ xmppAllowedPartners: [{ ...partner, description: 'Ask for Pat.' }] });
  const found = review(sampleFederation(), head);
  assert.deepEqual([found.isEmpty, found.risk, found.direction, found.exposures], [false, 'none', 'neutral', []]);
});

test('long lists are counted', () => {
  const users = Array.from({ length: 30 }, (_, i) => `user${10 + i}@contoso.com`);
  const policy = { identity: 'More', enableFederationAccess: true, enableXmppAccess: true };
  const { externalAccessPolicies = [], grants = [] } = sampleProps();
  const head = sampleFederation({
    externalAccessPolicies: [...externalAccessPolicies, policy],
    grants: [...grants, { policyName: 'More', users }],
  });
  const found = review(sampleFederation(), head).options.find(({ path }) => path === 'grants[More]');
  assert.deepEqual(found?.after, { policyName: 'More', users: { count: 30, samples: users.slice(0, 20) } });
});
