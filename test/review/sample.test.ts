import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { mergeSorted, Sampler, sampleOf, sortedDifference, walkSorted } from '../../src/review/sample.ts';

const texts = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 3 }));

test('the first 20 in order, and how many there are', () => {
  fc.assert(
    fc.property(texts, (all) => {
      assert.deepEqual(sampleOf(all), { count: all.length, samples: all.toSorted().slice(0, 20) });
    }),
  );
});

test('samplers together are one sampler of all', () => {
  fc.assert(
    fc.property(texts, fc.nat(40), (all, at) => {
      const [one, two] = [new Sampler(), new Sampler()];
      all.forEach((text, i) => {
        (i < at ? one : two).add(text);
      });
      assert.deepEqual(Sampler.union([one, two]), sampleOf(all));
    }),
  );
});

test('what two sorted lists have in common, and what not', () => {
  fc.assert(
    fc.property(texts, texts, (one, two) => {
      const [before, after] = [one.toSorted(), two.toSorted()];
      const both: string[] = [];
      walkSorted(before, after, { both: (text) => both.push(text), removed: () => {}, added: () => {} });
      assert.deepEqual(
        both,
        before.filter((text) => two.includes(text)),
      );
      assert.deepEqual(sortedDifference(before, after), {
        removed: before.filter((text) => !two.includes(text)),
        added: after.filter((text) => !one.includes(text)),
      });
    }),
  );
});

test('sorted lists as one', () => {
  assert.deepEqual(mergeSorted([]), []);
  assert.deepEqual(mergeSorted([['a', 'c']]), ['a', 'c']);
  assert.deepEqual(
    mergeSorted([
      ['a', 'c'],
      ['b', 'c'],
    ]),
    ['a', 'b', 'c'],
  );
});
