import assert from 'node:assert/strict';
import test from 'node:test';
import { ALLOW, failClosed, refuse } from '../../src/policy/decision.ts';

test('a judgement that throws is a refusal', () => {
  const broken = () => {
    throw new Error('bug');
  };
  assert.deepEqual(failClosed(broken, {}, {}), { verdict: 'refuse', reason: 'internal-error', path: '' });
  assert.equal(
    failClosed(() => ALLOW, {}, {}),
    ALLOW,
  );
});

test('the yes cannot be turned into a no, nor the other way round', () => {
  assert.ok(Object.isFrozen(ALLOW));
  assert.deepEqual(refuse('rate-limited', 'x'), { verdict: 'refuse', reason: 'rate-limited', path: 'x' });
});
