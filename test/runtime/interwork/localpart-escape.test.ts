import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { escapeLocal, unescapeLocal } from '../../../src/runtime/interwork/localpart-escape.ts';

// XEP-0106 section 3 and its examples.
const PAIRS: readonly (readonly [text: string, local: string])[] = [
  ['space cadet', 'space\\20cadet'],
  ['call me "ishmael"', 'call\\20me\\20\\22ishmael\\22'],
  ['at&t guy', 'at\\26t\\20guy'],
  ["d'artagnan", 'd\\27artagnan'],
  ['/.fanboy', '\\2f.fanboy'],
  ['::foo::', '\\3a\\3afoo\\3a\\3a'],
  ['<foo>', '\\3cfoo\\3e'],
  ['user@host', 'user\\40host'],
  ['c:\\net', 'c\\3a\\net'],
  ['c:\\\\net', 'c\\3a\\\\net'],
  ['c:\\cool stuff', 'c\\3a\\cool\\20stuff'],
  ['c:\\5commas', 'c\\3a\\5commas'],
  ['\\2plus\\2is\\4', '\\2plus\\2is\\4'],
  ['foo\\bar', 'foo\\bar'],
  ['foob\\41r', 'foob\\41r'],
  ['a\\26b', 'a\\5c26b'],
  ['a\\5c26b', 'a\\5c5c26b'],
  ['a\\5c41b', 'a\\5c41b'],
];

for (const [text, local] of PAIRS) {
  it(`${text} <-> ${local}`, () => {
    assert.equal(escapeLocal(text), local);
    assert.equal(unescapeLocal(local), text);
  });
}

const character = fc.constantFrom(...' "&\'/:<>@\\', '2', '5', 'c', '0', '6', '\\26', '\\5c', 'a', 'ü');
const anyText = fc.string({ unit: character, maxLength: 24 });

it('takes back what it wrote', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const local = escapeLocal(text);
      assert.doesNotMatch(local, /[ "&'/:<>@]/);
      assert.equal(unescapeLocal(local), text);
    }),
    { numRuns: 2000 },
  );
});

it('writes back what it took', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      const local = text.replace(/[ "&'/:<>@]/g, '');
      assert.equal(escapeLocal(unescapeLocal(local)), local);
    }),
    { numRuns: 2000 },
  );
});

it('knows an upper-case code, which lower-casing would make one', () => {
  assert.equal(unescapeLocal(escapeLocal('a\\2Fb').toLowerCase()), 'a\\2fb');
});
