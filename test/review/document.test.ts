import assert from 'node:assert/strict';
import test from 'node:test';
import { z } from 'zod';
import { readDocument } from '../../src/review/document.ts';

const schema = z.strictObject({ a: z.number() });

test('a document, with or without a byte order mark', () => {
  assert.deepEqual(readDocument(schema, '{"a":1}'), { ok: true, value: { a: 1 } });
  assert.deepEqual(readDocument(schema, '\ufeff{"a":1}'), { ok: true, value: { a: 1 } });
});

test('mistakes are found before the schema is asked, and by it', () => {
  const rules = (json: string) => {
    const result = readDocument(schema, json);
    return result.ok ? [] : result.errors.map(({ rule }) => rule);
  };
  assert.deepEqual(rules('{"a":1'), ['json-syntax']);
  assert.deepEqual(rules('{"a":1,"a":2}'), ['duplicate-key']);
  assert.deepEqual(rules('{"b":1}'), ['missing-option', 'unknown-option']);
});
