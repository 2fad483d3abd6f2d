import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { renderJson, reportOf, reviewJsonSchema, reviewReport } from '../../src/review/report.ts';
import { REVIEW_SCENARIOS, reviewed } from '../support/review-scenarios.ts';

test('the published schema is that of the report', async () => {
  const committed = await readFile(new URL('../../schema/review.schema.json', import.meta.url), 'utf8');
  assert.equal(
    committed,
    `${JSON.stringify(reviewJsonSchema(), null, 2)}\n`,
    'out of date: run node --import tsx scripts/generate-docs.ts',
  );
});

test('every review fits it', () => {
  const environments = REVIEW_SCENARIOS.map(reviewed);
  const parsed = reviewReport.parse(JSON.parse(renderJson(environments)));
  assert.deepEqual(parsed, JSON.parse(JSON.stringify(reportOf(environments))));
  assert.equal(parsed.formatVersion, 1);
});

test('every object of the schema is closed, and lists what it has', () => {
  const open: string[] = [];
  const visit = (path: string, value: unknown) => {
    if (typeof value !== 'object' || value === null) return;
    if ('properties' in value && !('additionalProperties' in value && value.additionalProperties === false))
      open.push(path);
    for (const [key, part] of Object.entries(value)) visit(`${path}.${key}`, part);
  };
  visit('', reviewJsonSchema());
  assert.deepEqual(open, []);
});
