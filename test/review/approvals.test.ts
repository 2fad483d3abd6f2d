import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import {
  type ApprovalFacts,
  judgeApproval,
  type ReviewPolicy,
  readApprovals,
  readReviewPolicy,
  reviewPolicyJsonSchema,
} from '../../src/review/approvals.ts';
import { REVIEW_SCENARIOS, reviewed } from '../support/review-scenarios.ts';

const POLICY = {
  version: 1,
  groups: { security: ['Ann', 'bob'], operations: ['cyd', 'bob'] },
  requirements: [
    { environments: ['prod'], risk: 'high', approvers: ['security'], count: 2 },
    {
      environments: ['prod*', 'staging'],
      risk: 'medium',
      directions: ['broadening'],
      approvers: ['security', 'operations'],
    },
  ],
};

function policyWith(changes: object = {}): ReviewPolicy {
  const result = readReviewPolicy(JSON.stringify({ ...POLICY, ...changes }));
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

function reviewOf(name: string) {
  const scenario = REVIEW_SCENARIOS.find((candidate) => candidate.name === name);
  assert.ok(scenario);
  return reviewed(scenario).review;
}

const broadened = reviewOf('partner-type'); // high, broadening
const narrowed = reviewOf('dialback-off'); // low, narrowing

function judge(review: typeof broadened, facts: ApprovalFacts, ...people: readonly string[]) {
  const approvals = people.map((by) => ({ by, digest: review.digest }));
  const { outcome, requirements, ignored } = judgeApproval(review, { approvals, ...facts });
  return [
    outcome,
    ...requirements.map(({ source, approvedBy, isMet }) => `${source} ${isMet} ${approvedBy.join(',')}`.trim()),
    ...ignored.map(({ by, why }) => `${by} ${why}`),
  ];
}

test('nothing changed, nothing to approve', () => {
  assert.deepEqual(judge(reviewOf('nothing'), { policy: policyWith(), failOn: 'none' }), ['unchanged']);
});

test('all requirements that apply must be met', () => {
  const policy = policyWith();
  assert.deepEqual(judge(broadened, { policy }), ['needed', 'requirements[0] false', 'requirements[1] false']);
  assert.deepEqual(judge(broadened, { policy }, 'cyd'), [
    'needed',
    'requirements[0] false',
    'requirements[1] true cyd',
  ]);
  assert.deepEqual(judge(broadened, { policy }, 'bob'), [
    'needed',
    'requirements[0] false bob',
    'requirements[1] true bob',
  ]);
  assert.deepEqual(judge(broadened, { policy }, 'BOB', 'ann'), [
    'approved',
    'requirements[0] true BOB,ann',
    'requirements[1] true BOB,ann',
  ]);
});

test('the same person counts once, and strangers do not', () => {
  const policy = policyWith();
  assert.deepEqual(judge(broadened, { policy }, 'bob', 'Bob', 'mallory'), [
    'needed',
    'requirements[0] false Bob',
    'requirements[1] true Bob',
  ]);
});

test('an approval is of one review, and not by its author', () => {
  const policy = policyWith();
  const other = { by: 'ann', digest: narrowed.digest };
  assert.deepEqual(
    judge(broadened, { policy, author: 'Bob', approvals: [other, { by: 'bob', digest: broadened.digest }] }),
    ['needed', 'requirements[0] false', 'requirements[1] false', 'ann approved another review', 'bob is the author'],
  );
});

test('requirements apply by environment, risk, direction and rule', () => {
  const only = (changes: object) =>
    policyWith({ requirements: [{ risk: 'low', approvers: ['security'], ...changes }] });
  assert.deepEqual(judge(narrowed, { policy: only({}) })[0], 'needed');
  assert.deepEqual(judge(narrowed, { policy: only({ environments: ['staging'] }) }), ['not-needed']);
  assert.deepEqual(judge(narrowed, { policy: only({ environments: ['pro*'] }) })[0], 'needed');
  assert.deepEqual(judge(narrowed, { policy: only({ risk: 'medium' }) }), ['not-needed']);
  assert.deepEqual(judge(narrowed, { policy: only({ directions: ['broadening', 'neutral'] }) }), ['not-needed']);
  assert.deepEqual(judge(narrowed, { policy: only({ rules: ['dialback-off'] }) })[0], 'needed');
  assert.deepEqual(judge(narrowed, { policy: only({ rules: ['dialback-on'] }) }), ['not-needed']);
});

test('--fail-on asks for anybody where nobody is asked', () => {
  assert.deepEqual(judge(narrowed, {}), ['needed', 'fail-on false'], 'without a policy every risk counts');
  assert.deepEqual(judge(narrowed, { author: 'ann' }, 'ann', 'zoe'), [
    'approved',
    'fail-on true zoe',
    'ann is the author',
  ]);
  assert.deepEqual(judge(narrowed, { failOn: 'high' }), ['not-needed']);
  assert.deepEqual(judge(broadened, { failOn: 'high' }), ['needed', 'fail-on false']);
  assert.deepEqual(judge(broadened, { failOn: 'never' }), ['not-needed']);
  const policy = policyWith();
  assert.deepEqual(judge(narrowed, { policy }), ['not-needed'], 'with a policy it decides');
  assert.deepEqual(judge(narrowed, { policy, failOn: 'low' }, 'mallory'), ['needed', 'fail-on false']);
  assert.deepEqual(judge(narrowed, { policy, failOn: 'low' }, 'cyd'), ['approved', 'fail-on true cyd']);
});

test('a change without risk needs nobody, unless asked for', () => {
  const described = { ...narrowed, risk: 'none', options: [], exposures: [] } as const;
  assert.deepEqual(judge(described, {}), ['not-needed']);
  assert.deepEqual(judge(described, { failOn: 'none' }), ['needed', 'fail-on false']);
});

test('a policy with mistakes says all of them', () => {
  const problems = (changes: object) => {
    const result = readReviewPolicy(JSON.stringify({ ...POLICY, ...changes }));
    return result.ok ? [] : result.errors.map(({ path, message }) => `${path}: ${message}`);
  };
  assert.deepEqual(problems({ version: 2, group: {}, requirements: [{ risk: 'huge', approvers: [] }] }), [
    'version: expected 1, the only version of this document there is, got 2',
    'requirements[0].risk: expected one of low, medium, high, critical, got "huge"',
    'requirements[0].approvers: expected at least one group, got a list of 0 entries',
    'group: expected a known option, got "group"; did you mean "groups"?',
  ]);
  assert.deepEqual(problems({ requirements: [{ risk: 'low', approvers: ['securty', 'constructor'] }] }), [
    'requirements[0].approvers[0]: expected one of the groups, got "securty"; did you mean "security"?',
    'requirements[0].approvers[1]: expected one of the groups, got "constructor"',
  ]);
  assert.deepEqual(problems({ requirements: [{ risk: 'low', approvers: ['security', 'operations'], count: 4 }] }), [
    'requirements[0].count: expected at most as many as the groups have people (3), got 4',
  ]);
  assert.equal(readReviewPolicy('{').ok, false);
});

test('approvals are read strictly', () => {
  const approval = { by: 'ann', digest: `sha256:${'a'.repeat(64)}` };
  assert.deepEqual(readApprovals(JSON.stringify([approval])), { ok: true, value: [approval] });
  for (const wrong of [{ ...approval, digest: 'sha256:a' }, { ...approval, by: '' }, { ...approval, x: 1 }, 'ann']) {
    assert.equal(readApprovals(JSON.stringify([wrong])).ok, false);
  }
});

test('the published schema of the policy is this one', async () => {
  const committed = await readFile(new URL('../../schema/review-policy.schema.json', import.meta.url), 'utf8');
  const schema = `${JSON.stringify(reviewPolicyJsonSchema(), null, 2)}\n`;
  assert.equal(committed, schema, 'out of date: run node --import tsx scripts/generate-docs.ts');
});
