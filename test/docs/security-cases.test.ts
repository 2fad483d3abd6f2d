import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs', 'security-cases.md'), 'utf8').replace(/\n(?![\n|#])/g, ' ');

/** `path` followed by words of a test's name, up to `;`, `)` or the end of a cell. */
const REFERENCE = /`((?:[a-z0-9]+\/)+[a-z0-9-]+)` ([^;)|]+)/g;

const references = [...page.matchAll(REFERENCE)].map(([, path = '', words = '']) => ({ path, words: words.trim() }));

test('every test that the page of security cases names is there', () => {
  assert.ok(references.length > 60, `${references.length} references`);
  const missing = references.filter(({ path, words }) => {
    const file = join(root, 'test', `${path}.test.ts`);
    return !existsSync(file) || !readFileSync(file, 'utf8').includes(words);
  });
  assert.deepEqual(missing, []);
});

test('every case of a letter is there, in order', () => {
  const ids = [...page.matchAll(/^\| ([A-Z])(\d+) \|/gm)].map(([, letter = '', number]) => ({
    letter,
    number: Number(number),
  }));
  for (const letter of new Set(ids.map((id) => id.letter))) {
    const numbers = ids.filter((id) => id.letter === letter).map(({ number }) => number);
    assert.deepEqual(
      numbers,
      Array.from(numbers, (_, i) => i + 1),
      letter,
    );
  }
});
