import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { scanJson } from '../../src/config/json-text.ts';

const BROKEN: readonly (readonly [string, string])[] = [
  ['', 'line 1, column 1: expected a value, got the end of the text'],
  ['{\n  "a": 1,\n}', 'line 3, column 1: expected a key in double quotes, got "}"'],
  ['[1,\n2,]', 'line 2, column 3: expected a value, got "]"'],
  ['{"a" 1}', 'line 1, column 6: expected ":", got "1"'],
  ['{"a": 1 "b": 2}', 'line 1, column 9: expected "," or "}", got "\\""'],
  ['[1 2]', 'line 1, column 4: expected "," or "]", got "2"'],
  ["{'a': 1}", 'line 1, column 2: expected a key in double quotes, got "\'"'],
  ['{"a": yes}', 'line 1, column 7: expected a value, got "y"'],
  ['{"a": 01}', 'line 1, column 8: expected "," or "}", got "1"'],
  ['"abc', 'line 1, column 5: expected a closing quote, got the end of the text'],
  ['"a\nb"', 'line 1, column 3: expected a closing quote, got "\\n"'],
  ['"\\x"', 'line 1, column 2: expected an escape of JSON, got "\\\\"'],
  ['"\\u12"', 'line 1, column 2: expected an escape of JSON, got "\\\\"'],
  ['1 2', 'line 1, column 3: expected nothing after the value, got "2"'],
  ['{} // done', 'line 1, column 4: expected nothing after the value, got "/"'],
  ['{', 'line 1, column 2: expected a key in double quotes, got the end of the text'],
  [']', 'line 1, column 1: expected a value, got "]"'],
  ['[}', 'line 1, column 2: expected a value, got "}"'],
  ['\u{1f600}', 'line 1, column 1: expected a value, got "\u{1f600}"'],
];

test('a syntax error is located', () => {
  for (const [text, message] of BROKEN) {
    assert.throws(() => JSON.parse(text));
    assert.deepEqual(scanJson(text), [{ rule: 'json-syntax', severity: 'error', path: '', message }], text);
  }
});

test('a key given twice is found where it stands', () => {
  const text = '{"a": [0, {"b": 1, "c": {}, "\\u0062": 2}], "a": 3}';
  assert.deepEqual(
    scanJson(text).map(({ rule, path }) => [rule, path]),
    [
      ['duplicate-key', 'a[1].b'],
      ['duplicate-key', 'a'],
    ],
  );
  assert.deepEqual(scanJson('{"a": {"b": 1}, "b": {"a": 1}}'), []);
  assert.deepEqual(scanJson('{"__proto__": 1, "constructor": 2, "toString": 3}'), []);
});

test('nesting is bounded', () => {
  assert.match(scanJson('['.repeat(1e6))[0]?.message ?? '', /at most 32 levels/);
  assert.match(scanJson('{"a":'.repeat(1e5))[0]?.message ?? '', /at most 32 levels/);
});

test('agrees with JSON.parse on what is JSON', () => {
  const json = fc.json({ maxDepth: 6 });
  const damaged = fc
    .tuple(json, fc.nat(), fc.constantFrom('', ',', '"', '}', ']', '[', '0', '-', '.', 'e', '\\', ' ', '\u0001'))
    .map(([text, at, piece]) => {
      const cut = at % (text.length + 1);
      return text.slice(0, cut) + piece + text.slice(cut + 1);
    });
  fc.assert(
    fc.property(fc.oneof(json, damaged, fc.string()), (text) => {
      const isJson = !scanJson(text).some(({ rule }) => rule === 'json-syntax');
      assert.equal(isJson, isReadable(text));
    }),
    { numRuns: 1000 },
  );
});

function isReadable(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
