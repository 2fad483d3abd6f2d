import assert from 'node:assert/strict';
import test from 'node:test';
import { makePair, pairEntries } from '../../src/review/pairing.ts';

interface Entry {
  readonly key: string;
  readonly value: number;
}

const pair = (before: readonly Entry[], after: readonly Entry[]) => pairEntries(before, after, ({ key }) => key);

test('entries are found by key, in order of it', () => {
  const [old, fresh, gone, come] = [
    { key: 'b', value: 1 },
    { key: 'b', value: 2 },
    { key: 'c', value: 3 },
    { key: 'a', value: 4 },
  ];
  assert.deepEqual(pair([gone, old], [fresh, come]), [
    { name: 'a', after: come },
    { name: 'b', before: old, after: fresh },
    { name: 'c', before: gone },
  ]);
});

test('of several with one key the equal ones are taken out, the others are paired and numbered', () => {
  const entry = (value: number) => ({ key: 'a', value });
  assert.deepEqual(pair([entry(1), entry(2), entry(3)], [entry(3), entry(4)]), [
    { name: 'a', before: entry(1), after: entry(4) },
    { name: 'a#2', before: entry(2) },
  ]);
  assert.deepEqual(pair([entry(1), entry(1)], [entry(1)]), [{ name: 'a', before: entry(1) }]);
  assert.deepEqual(pair([entry(1), entry(1)], [entry(1), entry(1)]), []);
});

test('a side that is missing is left out', () => {
  assert.deepEqual(makePair('a', undefined, 1), { name: 'a', after: 1 });
  assert.deepEqual(makePair('a', 1, undefined), { name: 'a', before: 1 });
});
