import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { CallSequence } from '../../../src/runtime/sip/call-sequence.ts';

test('numbers start at the clock and grow from there', () => {
  const calls = new CallSequence(10);
  assert.deepEqual([calls.next('a', 100), calls.next('a', 100), calls.next('b', 100)], [100, 101, 100]);
  assert.equal(calls.next('a', 500), 500);
  assert.equal(calls.next('a', 400), 501);
});

test('numbers of a Call-ID grow even when it was pushed out and the clock stands still', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(6), { maxLength: 200 }), (which) => {
      const calls = new CallSequence(3);
      const last = new Map<number, number>();
      for (const call of which) {
        const number = calls.next(`call ${call}`, 7);
        assert.ok(number > (last.get(call) ?? 0));
        last.set(call, number);
      }
    }),
  );
});
