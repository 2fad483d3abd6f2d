import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { domainOfSelector, normalizeUserSelector, userSelectors } from '../../src/config/user-selector.ts';
import { parseJid } from '../../src/runtime/xmpp/jid.ts';

const SAME: readonly (readonly [string, string])[] = [
  ['ann@contoso.com', 'ann@contoso.com'],
  ['Ann@Contoso.COM.', 'ann@contoso.com'],
  ['o\\27malley@contoso.com', 'o\\27malley@contoso.com'],
  ['a+b=c@contoso.com', 'a+b=c@contoso.com'],
  ['JÜRGEN@bücher.example', 'jürgen@xn--bcher-kva.example'],
  ['ju\u0308rgen@contoso.com', 'jürgen@contoso.com'],
  ['ΟΔΟΣ@contoso.com', 'οδοσ@contoso.com'],
  ['Sales*@contoso.com', 'sales*@contoso.com'],
  ['ü*@contoso.com', 'ü*@contoso.com'],
  ['*@contoso.com', '*@contoso.com'],
  ['contoso.com', '*@contoso.com'],
  ['Contoso.COM.', '*@contoso.com'],
];

const NO_SELECTORS: readonly string[] = [
  '',
  '@',
  '@contoso.com',
  'ann@',
  'ann@@contoso.com',
  'ann@contoso.com/desk',
  'a@b@contoso.com',
  '**@contoso.com',
  'a*b@contoso.com',
  '*ann@contoso.com',
  '*',
  'ann@*',
  'ann@*.contoso.com',
  'an n@contoso.com',
  'ann@192.0.2.1',
  'a"b@contoso.com',
  "o'malley@contoso.com",
  'a/b@contoso.com',
  'a<b@contoso.com',
  'sip:ann@contoso.com',
  'ann\u0000@contoso.com',
  '\u212aate@contoso.com\u0000',
  'ａnn@contoso.com',
  'a\u200bnn@contoso.com',
  'a\u202enn@contoso.com',
  '\ud800@contoso.com',
  '😀@contoso.com',
  `${'a'.repeat(1024)}@contoso.com`,
  `${'ü'.repeat(512)}@contoso.com`,
];

test('normal form of a selector', () => {
  for (const [text, selector] of SAME) {
    assert.equal(normalizeUserSelector(text), selector, text);
    assert.equal(normalizeUserSelector(selector), selector, selector);
  }
});

test('what is no selector is undefined', () => {
  for (const text of NO_SELECTORS) assert.equal(normalizeUserSelector(text), undefined, JSON.stringify(text));
});

test('neighbours with other domains do not mix', () => {
  const list = [
    'ann@contoso.com',
    'ann@CONTOSO.com',
    'ann@fabrikam.com',
    'ann@ntoso.com',
    'nn@xcontoso.com',
    'contoso.com',
  ];
  assert.deepEqual(userSelectors.parse(list), [
    'ann@contoso.com',
    'ann@contoso.com',
    'ann@fabrikam.com',
    'ann@ntoso.com',
    'nn@xcontoso.com',
    '*@contoso.com',
  ]);
});

test('the domain a selector speaks about', () => {
  assert.equal(domainOfSelector('ann@contoso.com'), 'contoso.com');
  assert.equal(domainOfSelector('*@contoso.com'), 'contoso.com');
});

test('each wrong entry is reported with its position, up to a bound', () => {
  const result = userSelectors.safeParse(['ann@contoso.com', 'an n@contoso.com', 7]);
  assert.deepEqual(
    result.error?.issues.map((issue) => issue.path),
    [[1], [2]],
  );
  const many = userSelectors.safeParse(new Array<string>(100_000).fill('@'));
  assert.equal(many.error?.issues.length, 101);
  assert.match(many.error?.issues.at(-1)?.message ?? '', /100000 of them are not/);
  assert.equal(userSelectors.safeParse('ann@contoso.com').success, false);
  assert.equal(userSelectors.safeParse(undefined).success, false);
});

test('an address means the same here and on a stream', () => {
  const pieces = fc.constantFrom(
    'a',
    'Z',
    '7',
    '.',
    'Σ',
    'ς',
    'İ',
    'ß',
    'ẞ',
    'ü',
    'u\u0308',
    'Å',
    'א',
    '\u0661',
    'ﬀ',
    'ａ',
    '한',
    'ǅ',
    '*',
  );
  const localpart = fc.oneof(
    fc.string({ unit: pieces, minLength: 1, maxLength: 6 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 }),
  );
  let same = 0;
  fc.assert(
    fc.property(localpart, fc.constantFrom('contoso.com', 'BÜCHER.example'), (local, domain) => {
      const selector = normalizeUserSelector(`${local}@${domain}`);
      const jid = parseJid(`${local}@${domain}`);
      if (selector === undefined || selector.includes('*') || jid === undefined) return;
      assert.equal(selector, jid.bare);
      same++;
    }),
    { numRuns: 2000 },
  );
  assert.ok(same > 200, `${same} compared`);
});
