import assert from 'node:assert/strict';
import test from 'node:test';
import type { ResourceChange } from '../../src/review/model.ts';
import { resourceText } from '../../src/review/resource-lines.ts';

const change = (more: Partial<ResourceChange>): ResourceChange => ({
  id: '0123456789abcdef',
  rule: 'x',
  risk: 'low',
  direction: 'neutral',
  reason: '',
  address: 'aws_eip.x',
  type: 'aws_eip',
  action: 'changed',
  attributes: [],
  ...more,
});

test('what happens, and to which attributes', () => {
  assert.equal(resourceText(change({ action: 'destroyed' })), 'destroyed');
  assert.equal(resourceText(change({ action: 'moved', previousAddress: 'aws_eip.y' })), 'moved from aws_eip.y');
  assert.equal(
    resourceText(
      change({
        attributes: [
          { name: 'a', state: 'shown', before: '1', after: '2' },
          { name: 'b', state: 'shown', after: '3' },
          { name: 'c', state: 'unknown', before: '4', replaces: true },
          { name: 'd', state: 'unknown' },
          { name: 'e', state: 'sensitive' },
          { name: 'f', state: 'hidden' },
        ],
      }),
    ),
    'changed; a: 1 -> 2; b: 3; c: 4 -> known after apply (forces the replacement); d: known after apply; e: sensitive; f',
  );
});
