import assert from 'node:assert/strict';
import test from 'node:test';
import { entryFact, recordFacts, type Subject } from '../../src/review/option-facts.ts';

const subject: Subject = { kind: 'sip', name: 'sip' };
const factsOf = (before: object, after: object) =>
  recordFacts('x', subject, before, after).map(({ subject: _, ...fact }) => fact);

test('scalars, by what they are', () => {
  assert.deepEqual(factsOf({ a: 1, b: true, c: 'x' }, { a: 1, b: false, d: 'y' }), [
    { kind: 'changed', option: 'b', path: 'x.b', before: true, after: false },
    { kind: 'removed', option: 'c', path: 'x.c', before: 'x' },
    { kind: 'added', option: 'd', path: 'x.d', after: 'y' },
  ]);
});

test('lists of texts and of objects, as sets', () => {
  assert.deepEqual(factsOf({ list: ['a', 'b'] }, { list: ['b', 'c'] }), [
    { kind: 'changed', option: 'list', path: 'x.list', removed: ['a'], added: ['c'] },
  ]);
  assert.deepEqual(factsOf({ list: [{ b: 1, a: 2 }] }, { list: [{ a: 2, b: 1 }] }), []);
  assert.deepEqual(factsOf({}, { list: [{ b: 1, a: 2 }] }), [
    { kind: 'changed', option: 'list', path: 'x.list', removed: [], added: ['{"a":2,"b":1}'] },
  ]);
});

test('options that a later version may nest', () => {
  assert.deepEqual(factsOf({ part: { a: 1 } }, { part: { a: 2 } }), [
    { kind: 'changed', option: 'a', path: 'x.part.a', before: 1, after: 2 },
  ]);
});

test('whole entries', () => {
  const after = { domain: 'contoso.com', certificate: 'default' };
  const domain: Subject = { kind: 'domain', name: 'contoso.com', after };
  assert.deepEqual(entryFact('domains', domain), {
    subject: domain,
    kind: 'added',
    option: '',
    path: 'domains[contoso.com]',
    after,
  });
});
