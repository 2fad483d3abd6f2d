import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { orderSrv } from '../../../src/runtime/net/srv-order.ts';

const record = (name: string, priority: number, weight: number) => ({ name, priority, weight });
const names = (records: readonly { name: string }[]) => records.map(({ name }) => name).join(' ');

test('lower priority first', () => {
  const records = [record('c', 30, 5), record('a', 10, 0), record('b', 20, 9)];
  assert.equal(names(orderSrv(records, () => 0)), 'a b c');
});

test('the draw walks the running sum, the weightless first (RFC 2782)', () => {
  const records = [record('two', 1, 2), record('none', 1, 0), record('six', 1, 6)];
  const first = (draw: number) => orderSrv(records, (max) => Math.min(draw, max))[0]?.name;
  assert.deepEqual([0, 1, 2, 3, 8].map(first), ['none', 'two', 'two', 'six', 'six']);
});

test('the bound of the draw is the sum of what is left', () => {
  const bounds: number[] = [];
  orderSrv([record('a', 1, 2), record('b', 1, 3), record('c', 2, 7)], (max) => {
    bounds.push(max);
    return 0;
  });
  assert.deepEqual(bounds, [5, 3, 7]);
});

test('weights decide how often one comes first', () => {
  const counts = { light: 0, heavy: 0 };
  for (let draw = 0; draw <= 100; draw += 1) {
    const [first] = orderSrv([record('light', 1, 10), record('heavy', 1, 90)], (max) => Math.min(draw, max));
    if (first?.name === 'light') counts.light += 1;
    else counts.heavy += 1;
  }
  assert.deepEqual(counts, { light: 11, heavy: 90 });
});

test('any input: the same records, priorities never descend', () => {
  const records = fc.array(fc.record({ priority: fc.nat(65_535), weight: fc.nat(65_535) }), { maxLength: 64 });
  fc.assert(
    fc.property(records, fc.float({ min: 0, max: 1, noNaN: true }), (input, share) => {
      const ordered = orderSrv(input, (max) => Math.floor(max * share));
      assert.equal(new Set(ordered).size, input.length);
      assert.ok(ordered.every((each, index) => index === 0 || (ordered[index - 1]?.priority ?? 0) <= each.priority));
    }),
  );
});
