import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { subjectLine } from '../../../src/runtime/interwork/subject.ts';

it('is one trimmed line', () => {
  assert.equal(subjectLine('Feud'), 'Feud');
  assert.equal(subjectLine(' a\r\n\tb\0c\u0085d\u2028e '), 'a b c d e');
  assert.equal(subjectLine('\r\n '), undefined);
  assert.equal(subjectLine(''), undefined);
});

it('keeps at most 256 characters and no half of one', () => {
  assert.equal(subjectLine('a'.repeat(10_000)), 'a'.repeat(256));
  assert.equal(subjectLine(`${'a'.repeat(255)}🌹🌹`), 'a'.repeat(255));
  assert.equal(subjectLine(`${'a'.repeat(254)}🌹🌹`), `${'a'.repeat(254)}🌹`);
});

it('never breaks a line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (text) => {
      const line = subjectLine(text);
      if (line === undefined) return;
      assert.doesNotMatch(line, /[\0-\x1f\x7f-\x9f\u2028\u2029]/);
    }),
  );
});
