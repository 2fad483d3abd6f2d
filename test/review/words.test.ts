import assert from 'node:assert/strict';
import test from 'node:test';
import type { UserReach } from '../../src/review/model.ts';
import { sampleOf } from '../../src/review/sample.ts';
import { counted, enumerated, named, namedFirst, numeral, usersInWords } from '../../src/review/words.ts';

test('numbers and counts', () => {
  assert.deepEqual([0, 999, 1240, 1_000_000].map(numeral), ['0', '999', '1 240', '1 000 000']);
  assert.deepEqual(
    [counted(1, 'policy', 'policies'), counted(2, 'policy', 'policies'), counted(0, 'user')],
    ['1 policy', '2 policies', '0 users'],
  );
});

test('names', () => {
  assert.deepEqual([[], ['a'], ['a', 'b'], ['a', 'b', 'c']].map(enumerated), ['', 'a', 'a and b', 'a, b and c']);
  assert.equal(named(sampleOf(['a', 'b']), 'partner'), 'a and b');
  assert.equal(named(sampleOf(['a', 'b', 'c', 'd']), 'partner'), '4 partners (a, b, c, …)');
  assert.equal(namedFirst(sampleOf(['a', 'b', 'c', 'd', 'e'])), 'a, b, c and 2 more');
});

test('users', () => {
  const none = sampleOf([]);
  const reach = (parts: Partial<UserReach>): UserReach => ({
    users: none,
    patterns: none,
    restOf: none,
    policies: sampleOf(['Sales']),
    ...parts,
  });
  assert.equal(usersInWords(reach({ users: sampleOf(['ann@contoso.com']) }), 'some'), 'ann@contoso.com (policy Sales)');
  assert.equal(
    usersInWords(
      reach({
        users: sampleOf(['a', 'b', 'c', 'd']),
        patterns: sampleOf(['x*@contoso.com']),
        restOf: sampleOf(['contoso.com']),
        policies: sampleOf(['Sales', 'global']),
      }),
      'some',
    ),
    '4 users, everyone named x*@contoso.com and everyone else at contoso.com (policies Sales and global)',
  );
  assert.equal(
    usersInWords(reach({ users: sampleOf(['a']), restOf: sampleOf(['contoso.com']) }), 'everybody'),
    'everyone at contoso.com (policy Sales)',
  );
});
