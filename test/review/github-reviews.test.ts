import assert from 'node:assert/strict';
import test from 'node:test';
import { readGithubReviews } from '../../src/review/github-reviews.ts';

const DIGESTS = ['a', 'b'].map((digit) => `sha256:${digit.repeat(64)}`);
const [one = '', two = ''] = DIGESTS;
const review = (login: string, state: string, body: string | null = `approve ${one}`) => ({
  user: { login },
  state,
  body,
  id: 1,
});

function approvals(...reviews: readonly unknown[]): readonly string[] {
  const result = readGithubReviews(JSON.stringify(reviews));
  assert.ok(result.ok, JSON.stringify(result));
  return result.value.map(({ by, digest }) => `${by} ${DIGESTS.indexOf(digest)}`);
}

test('approvals with a digest in their text', () => {
  assert.deepEqual(
    approvals(
      review('ann', 'APPROVED'),
      review('bob', 'APPROVED', `Fine: approve ${one}\nand approve ${two}.`),
      review('cyd', 'APPROVED', 'Looks good.'),
      review('dan', 'APPROVED', null),
      review('eve', 'COMMENTED'),
      review('fay', 'APPROVED', `approve ${one}0`),
    ),
    ['ann 0', 'bob 0', 'bob 1'],
  );
});

test('the last word of each counts', () => {
  assert.deepEqual(approvals(review('ann', 'APPROVED'), review('ann', 'CHANGES_REQUESTED', '')), []);
  assert.deepEqual(approvals(review('ann', 'DISMISSED')), []);
  assert.deepEqual(approvals(review('ann', 'CHANGES_REQUESTED', ''), review('ann', 'APPROVED')), ['ann 0']);
  assert.deepEqual(approvals(review('ann', 'APPROVED'), review('ann', 'COMMENTED', 'By the way')), ['ann 0']);
});

test('pages, and reviewers who are gone', () => {
  assert.deepEqual(approvals([review('ann', 'APPROVED')], [review('bob', 'APPROVED')]), ['ann 0', 'bob 0']);
  assert.deepEqual(approvals({ ...review('x', 'APPROVED'), user: null }), []);
  assert.deepEqual(approvals(), []);
});

test('what is no list of reviews says so', () => {
  assert.equal(readGithubReviews('{"message":"Not Found"}').ok, false);
  assert.equal(readGithubReviews('x').ok, false);
});
