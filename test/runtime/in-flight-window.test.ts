import assert from 'node:assert/strict';
import test from 'node:test';
import { InFlightWindow } from '../../src/runtime/in-flight-window.ts';

test('the window grows with the way to the pool, within bounds', () => {
  const window = new InFlightWindow();
  assert.equal(window.limit, 256);
  window.sample(100, 0);
  assert.equal(window.limit, 2_000);
  window.sample(5, 1);
  assert.equal(window.limit, 256);
  for (let now = 0; now < 60_000; now += 1_000) window.sample(10_000, now);
  assert.equal(window.limit, 8_192);
});

test('one message of 32 is timed', () => {
  const window = new InFlightWindow();
  assert.equal(Array.from({ length: 320 }, () => window.isSampleDue()).filter(Boolean).length, 10);
});
