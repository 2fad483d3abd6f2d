import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type Direction,
  isAtLeast,
  overallDirection,
  RISKS,
  type Risk,
  ratingOf,
  worstRisk,
} from '../../src/review/rating.ts';

const rated = (risk: Risk, direction: Direction = 'neutral') => ({ risk, direction });

test('risks are ordered', () => {
  assert.deepEqual(
    RISKS.map((risk) => isAtLeast(risk, 'medium')),
    [false, false, true, true, true],
  );
  assert.equal(worstRisk([]), 'none');
  assert.equal(worstRisk([rated('low'), rated('critical'), rated('medium')]), 'critical');
});

test('the direction of several', () => {
  assert.equal(overallDirection([]), 'neutral');
  assert.equal(overallDirection([rated('low', 'broadening'), rated('none', 'narrowing')]), 'broadening');
  assert.equal(overallDirection([rated('low', 'broadening'), rated('low', 'narrowing')]), 'mixed');
  assert.equal(overallDirection([rated('low'), rated('low', 'narrowing')]), 'narrowing');
});

test('a rating names its rule', () => {
  const rule = { id: 'x', risk: 'low', direction: 'neutral', reason: 'Because.' } as const;
  assert.deepEqual(ratingOf(rule), { rule: 'x', risk: 'low', direction: 'neutral', reason: 'Because.' });
});
