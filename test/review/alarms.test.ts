import assert from 'node:assert/strict';
import test from 'node:test';
import { ALARM_RULES, type WholeChange } from '../../src/review/alarms.ts';
import { DEFAULT_THRESHOLDS, isLargeShare, thresholds } from '../../src/review/thresholds.ts';

const QUIET: WholeChange = {
  partners: { before: 100, after: 100, added: 0, removed: 0, changed: 0 },
  users: { known: 100, gaining: 0, losing: 0, openEnded: 'none' },
};

function alarms(change: Partial<WholeChange>, limits = DEFAULT_THRESHOLDS): readonly string[] {
  return ALARM_RULES.flatMap(({ id, sentenceFor }) => {
    const sentence = sentenceFor({ ...QUIET, ...change }, limits);
    return sentence === undefined ? [] : [`${id}: ${sentence}`];
  });
}

const partners = (changes: Partial<WholeChange['partners']>) => ({ partners: { ...QUIET.partners, ...changes } });
const users = (changes: Partial<WholeChange['users']>) => ({ users: { ...QUIET.users, ...changes } });

test('quiet changes raise none', () => {
  assert.deepEqual(alarms({}), []);
  assert.deepEqual(alarms(partners({ removed: 29, added: 29, changed: 29 })), []);
  assert.deepEqual(alarms(partners({ before: 9, after: 8, removed: 8 })), []);
});

test('many partners at once', () => {
  assert.deepEqual(alarms(partners({ removed: 30, after: 70 })), [
    'partners-removed-in-mass: 30 of 100 partners are removed (30 %).',
  ]);
  assert.deepEqual(alarms(partners({ before: 60, added: 40 })), [
    'partners-added-in-mass: 40 of 100 partners are new (40 %).',
  ]);
  assert.deepEqual(alarms(partners({ changed: 100 })), [
    'partners-changed-in-mass: 100 of 100 partners change (100 %).',
  ]);
});

test('all partners at once, however few', () => {
  assert.deepEqual(alarms(partners({ before: 3, after: 0, removed: 3 })), [
    'partners-removed-in-mass: All 3 partners are removed.',
  ]);
  assert.deepEqual(alarms(partners({ before: 1, after: 0, removed: 1 })), []);
});

test('many users at once', () => {
  assert.deepEqual(alarms(users({ gaining: 30 })), [
    'users-gain-in-mass: 30 of 100 users known by address gain something (30 %).',
  ]);
  assert.deepEqual(alarms(users({ losing: 99 })), [
    'users-lose-in-mass: 99 of 100 users known by address lose something (99 %).',
  ]);
});

test('thresholds can be set', () => {
  const strict = thresholds.parse({ partnerShare: 0.01, smallest: 1 });
  assert.equal(alarms(partners({ removed: 1 }), strict).length, 1);
  assert.equal(isLargeShare(0, 100, 0, 1), false);
});

test('a plan that is not of the configuration reviewed', () => {
  const plan = { reviewedDigest: 'sha256:a', isComplete: true };
  assert.deepEqual(alarms({ plan: { ...plan, federationDigest: 'sha256:a' } }), []);
  assert.deepEqual(alarms({ plan }), []);
  assert.deepEqual(alarms({ plan: { ...plan, federationDigest: 'sha256:b' } }), [
    'plan-of-another-configuration: The Terraform plan would deploy sha256:b, not the configuration reviewed.',
  ]);
  assert.deepEqual(alarms({ plan: { ...plan, isComplete: false } }), [
    'plan-incomplete: The Terraform plan leaves changes to a later run.',
  ]);
});
