import assert from 'node:assert/strict';
import test from 'node:test';
import { reviewFederation } from '../../src/review/review.ts';
import { parsed } from '../support/federations.ts';
import { mutationsOf, richProps } from '../support/mutations.ts';
import { everybodyIn, flipsBetween } from '../support/verdicts.ts';

// Every single-option change that the schema allows, found by walking the schema: a new option is here by itself.

const base = parsed(richProps());
const { mutations, options } = mutationsOf(richProps());
const reviews = mutations.map((mutation) => ({
  mutation,
  there: reviewFederation({ label: 'base', config: base }, { label: 'head', config: mutation.config }),
  back: reviewFederation({ label: 'base', config: mutation.config }, { label: 'head', config: base }),
}));

test('every option of the schema can be changed by itself', () => {
  const changed = new Set(mutations.map(({ option }) => option));
  assert.deepEqual(
    [...options].filter((option) => !changed.has(option)),
    ['sip.dialect'], // has one value today
  );
  assert.ok(options.size > 45 && mutations.length > 150, `${options.size} options, ${mutations.length} mutations`);
});

test('every change gives a line about that option, rated by a rule of its own', () => {
  for (const { mutation, there, back } of reviews) {
    const what = `${mutation.option}: ${mutation.what}`;
    for (const review of [there, back]) {
      assert.ok(review.options.length > 0, what);
      assert.ok(
        review.options.every(({ rule }) => rule !== 'unrated-option'),
        what,
      );
      const words = mutation.option.split(/[.[\]]+/).filter((word) => word !== '');
      assert.ok(
        review.options.some(({ path }) => words.some((word) => path.includes(word))),
        what,
      );
    }
  }
});

test('every change that alters a verdict gives a line about it, and no other does', () => {
  let altering = 0;
  for (const { mutation, there, back } of reviews) {
    const flips = flipsBetween(base, mutation.config, everybodyIn(base, mutation.config));
    const what = `${mutation.option}: ${mutation.what}`;
    assert.equal(there.exposures.length > 0, flips.length > 0, what);
    assert.equal(back.exposures.length > 0, flips.length > 0, what);
    const opened = flips.some(({ change }) => change === 'opened');
    assert.equal(
      there.exposures.some(({ direction }) => direction === 'broadening'),
      opened,
      what,
    );
    if (flips.length > 0) altering++;
  }
  assert.ok(altering > 40, `only ${altering} mutations alter a verdict`);
});

test('a change and its reverse are rated in opposite directions', () => {
  const opposite = { broadening: 'narrowing', narrowing: 'broadening', neutral: 'neutral' };
  for (const { mutation, there, back } of reviews) {
    const what = `${mutation.option}: ${mutation.what}`;
    assert.deepEqual(
      there.options.map(({ option, direction }) => `${option} ${opposite[direction]}`),
      back.options.map(({ option, direction }) => `${option} ${direction}`),
      what,
    );
  }
});
