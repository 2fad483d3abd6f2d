import assert from 'node:assert/strict';
import test from 'node:test';
import type { ApprovalStatus } from '../../src/review/approvals.ts';
import { printable, shortDigest } from '../../src/review/printable.ts';
import { approvalInWords, changesInWords } from '../../src/review/summary.ts';
import { REVIEW_SCENARIOS, reviewed } from '../support/review-scenarios.ts';

test('what changed, in one clause', () => {
  const clauses = new Map(
    REVIEW_SCENARIOS.map((scenario) => [scenario.name, changesInWords(reviewed(scenario).review)]),
  );
  assert.equal(clauses.get('nothing'), 'nothing changed');
  assert.equal(clauses.get('rename'), '1 option changed');
  assert.equal(clauses.get('dialback-off'), '1 verdict and 1 option changed');
  assert.equal(clauses.get('terraform-plan'), '6 resources changed');
});

test('approvals, and those that do not count, up to five', () => {
  const status: ApprovalStatus = {
    outcome: 'needed',
    requirements: [
      { source: 'x', risk: 'high', approvers: ['a', 'b'], count: 2, approvedBy: ['ann'], isMet: false },
      { source: 'y', risk: 'low', approvers: [], count: 1, approvedBy: ['ann'], isMet: true },
    ],
    ignored: Array.from({ length: 7 }, () => ({ by: 'bob', why: 'is the author' })),
  };
  assert.deepEqual(approvalInWords(status), [
    'A change of high risk or more needs 2 approvals of a and b: not there yet, given by ann.',
    'A change of low risk or more needs 1 approval of somebody other than the author: given by ann.',
    ...Array.from({ length: 5 }, () => 'The approval of bob does not count: bob is the author.'),
    '2 more approvals do not count.',
  ]);
  const none = { requirements: [], ignored: [] };
  assert.deepEqual(approvalInWords({ outcome: 'not-needed', ...none }), ['No approval is needed.']);
  assert.equal(approvalInWords({ outcome: 'unchanged', ...none }).length, 1);
});

test('what is not seen is shown, and digests are short', () => {
  assert.equal(printable('a\u0000\u200bb c'), 'a\\u{0}\\u{200b}b c');
  assert.equal(shortDigest(`sha256:${'ab'.repeat(32)}`), 'sha256:abababababab');
  assert.equal(shortDigest(null), 'nothing');
});
