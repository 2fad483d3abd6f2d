import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SelectorIndex } from '../../src/policy/selector-index.ts';

function indexOf(selectors: readonly string[]): SelectorIndex<string> {
  const index = new SelectorIndex<string>();
  for (const selector of selectors) index.add([selector], selector);
  return index;
}

function find(index: SelectorIndex<string>, user: string): string | undefined {
  return index.find(user, user.slice(user.indexOf('@') + 1));
}

test('an address beats a prefix, a longer prefix a shorter one, any prefix the domain', () => {
  const index = indexOf(['*@a.com', 's*@a.com', 'sales*@a.com', 'sales.ann@a.com', 'x*@b.com']);
  assert.equal(find(index, 'sales.ann@a.com'), 'sales.ann@a.com');
  assert.equal(find(index, 'sales.bob@a.com'), 'sales*@a.com');
  assert.equal(find(index, 'sales@a.com'), 'sales*@a.com');
  assert.equal(find(index, 'sale@a.com'), 's*@a.com');
  assert.equal(find(index, 'bob@a.com'), '*@a.com');
  assert.equal(find(index, 'xena@b.com'), 'x*@b.com');
  assert.equal(find(index, 'bob@b.com'), undefined);
  assert.equal(find(index, 'sales.ann@sub.a.com'), undefined);
});

test('a prefix never reaches into the domain', () => {
  const index = indexOf(['bob*@a.com']);
  assert.equal(find(index, 'bo@a.com'), undefined);
  assert.equal(find(index, 'bob@a.com'), 'bob*@a.com');
});

test('what was added first stays', () => {
  const index = new SelectorIndex<number>();
  index.add(['ann@a.com', 'a*@a.com', '*@a.com'], 1);
  index.add(['ann@a.com', 'a*@a.com', '*@a.com'], 2);
  assert.deepEqual(
    ['ann@a.com', 'abe@a.com', 'bob@a.com'].map((user) => index.find(user, 'a.com')),
    [1, 1, 1],
  );
});

test('prefixes with one hash are told apart', () => {
  // 31 * 'a' + 'b' = 31 * 'b' + 'C': the hash of a prefix is the familiar polynomial.
  const index = indexOf(['ab*@a.com', 'bC*@a.com']);
  assert.equal(find(index, 'abx@a.com'), 'ab*@a.com');
  assert.equal(find(index, 'bCx@a.com'), 'bC*@a.com');
});

test('finds what comparing with every selector finds', () => {
  const localpart = fc.string({ unit: fc.constantFrom('a', 'b', 'é', '.'), minLength: 1, maxLength: 5 });
  const domain = fc.constantFrom('a.com', 'b.com');
  const selector = fc
    .tuple(fc.constantFrom('user', 'prefix', 'domain'), localpart, domain)
    .map(([kind, local, name]) =>
      kind === 'user' ? `${local}@${name}` : kind === 'prefix' ? `${local}*@${name}` : `*@${name}`,
    );
  fc.assert(
    fc.property(fc.array(selector), localpart, domain, (selectors, local, name) => {
      const user = `${local}@${name}`;
      const matching = selectors.filter((text) => {
        const [left = '', right = ''] = text.split('@');
        return right === name && (left.endsWith('*') ? local.startsWith(left.slice(0, -1)) : left === local);
      });
      const best = matching.sort((a, b) => weight(b) - weight(a))[0];
      assert.equal(find(indexOf(selectors), user), best);
    }),
    { numRuns: 500 },
  );
});

function weight(selector: string): number {
  return selector.includes('*') ? selector.indexOf('*') : Number.POSITIVE_INFINITY;
}
