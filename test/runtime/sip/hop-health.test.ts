import assert from 'node:assert/strict';
import test from 'node:test';
import { type HopHealth, retryAfterSeconds, stepHealth } from '../../../src/runtime/sip/hop-health.ts';

const UNTRIED = { state: 'untried' } as HopHealth;

test('up since the first answer', () => {
  const up = stepHealth(UNTRIED, { event: 'answered' }, 10, 0);
  assert.deepEqual(up, { state: 'up', sinceMs: 10 });
  assert.equal(stepHealth(up, { event: 'answered' }, 20, 0), up);
});

test('down since the first failure, asked again later and later', () => {
  const waits: number[] = [];
  let health = UNTRIED;
  for (let i = 0; i < 8; i++) {
    health = stepHealth(health, { event: 'failed', reason: 'refused' }, 100, 1);
    assert.ok(health.state === 'down');
    assert.equal(health.sinceMs, 100);
    waits.push(health.retryAtMs - 100);
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  const jittered = stepHealth(UNTRIED, { event: 'failed', reason: 'refused' }, 0, 0);
  assert.equal(jittered.state === 'down' && jittered.retryAtMs, 500);
  const up = stepHealth(health, { event: 'answered' }, 200, 0);
  const again = stepHealth(up, { event: 'failed', reason: 'refused' }, 300, 1);
  assert.equal(again.state === 'down' && again.retryAtMs, 1_300);
});

test('503: as long as it says, but never for long', () => {
  const wait = (retryAfterSeconds: number | undefined) => {
    const health = stepHealth(UNTRIED, { event: 'unavailable', retryAfterSeconds }, 0, 1);
    return health.state === 'down' ? health.retryAtMs : undefined;
  };
  assert.equal(wait(5), 5_000);
  assert.equal(wait(86_400), 60_000);
  assert.equal(wait(undefined), 1_000);
});

test('Retry-After', () => {
  assert.equal(retryAfterSeconds('18000;duration=3600'), 18_000);
  assert.equal(retryAfterSeconds('120 (in a meeting)'), 120);
  for (const text of [undefined, '', 'soon', '-1']) assert.equal(retryAfterSeconds(text), undefined);
  assert.equal(retryAfterSeconds('949302838503028349304023988'), 9_493_028_385);
});
