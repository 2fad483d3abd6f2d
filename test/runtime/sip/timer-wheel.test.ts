import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { TimerWheel, WheelTimer } from '../../../src/runtime/sip/timer-wheel.ts';

test('a timer fires once, at the first advance at or after its deadline', () => {
  const wheel = new TimerWheel<string>(100, 8, 1_000);
  const timer = new WheelTimer('a');
  const fired: string[] = [];
  const fire = ({ owner }: WheelTimer<string>) => fired.push(owner);
  wheel.start(timer, 1_000, 250);
  assert.equal(timer.isRunning, true);
  wheel.advance(1_249, fire);
  wheel.advance(1_299, fire);
  assert.deepEqual(fired, []);
  wheel.advance(1_300, fire);
  assert.deepEqual(fired, ['a']);
  assert.equal(timer.isRunning, false);
  wheel.advance(5_000, fire);
  assert.deepEqual(fired, ['a']);
  assert.equal(wheel.running, 0);
});

test('stopping, starting anew, and delays longer than one round', () => {
  const wheel = new TimerWheel<string>(100, 8, 0);
  const fired: string[] = [];
  const fire = ({ owner }: WheelTimer<string>) => fired.push(owner);
  const stopped = new WheelTimer('stopped');
  const moved = new WheelTimer('moved');
  const long = new WheelTimer('long');
  wheel.start(stopped, 0, 100);
  wheel.start(moved, 0, 100);
  wheel.start(long, 0, 3_000);
  wheel.stop(stopped);
  wheel.stop(stopped);
  wheel.start(moved, 0, 500);
  for (let now = 100; now < 3_000; now += 100) wheel.advance(now, fire);
  assert.deepEqual(fired, ['moved']);
  wheel.advance(60_000, fire);
  assert.deepEqual(fired, ['moved', 'long']);
});

test('what fires may stop and start others', () => {
  const wheel = new TimerWheel<string>(100, 8, 0);
  const a = new WheelTimer('a');
  const b = new WheelTimer('b');
  const c = new WheelTimer('c');
  wheel.start(a, 0, 100);
  wheel.start(b, 0, 150);
  wheel.start(c, 0, 200);
  const fired: string[] = [];
  wheel.advance(1_000, ({ owner }) => {
    fired.push(owner);
    wheel.stop(b);
    wheel.start(c, 1_000, 100);
    if (owner === 'a') wheel.start(a, 1_000, 0);
  });
  assert.deepEqual(fired, ['a']);
  wheel.advance(1_100, ({ owner }) => fired.push(owner));
  assert.deepEqual(fired, ['a', 'a', 'c']);
});

test('against a plain list', () => {
  const step = fc.record({ which: fc.nat(9), delay: fc.nat(3_000), advance: fc.nat(400), stop: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let now = 12_345;
      const wheel = new TimerWheel<number>(100, 16, now);
      const timers = Array.from({ length: 10 }, (_, i) => new WheelTimer(i));
      const deadlines = new Map<number, number>();
      for (const { which, delay, advance, stop } of steps) {
        const timer = timers[which];
        assert.ok(timer);
        if (stop) {
          wheel.stop(timer);
          deadlines.delete(which);
        } else {
          wheel.start(timer, now, delay);
          deadlines.set(which, now + delay);
        }
        now += advance;
        wheel.advance(now, ({ owner, deadline }) => {
          assert.equal(deadlines.get(owner), deadline);
          assert.ok(deadline <= now);
          deadlines.delete(owner);
        });
        assert.equal(wheel.running, deadlines.size);
        // Nothing is late by more than a tick.
        for (const deadline of deadlines.values()) assert.ok(deadline > now - 100);
      }
    }),
  );
});
