import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { federationJsonSchema, type OptionSchema, optionsMarkdown } from '../../src/config/options-document.ts';

const AGAIN = 'out of date: run node --import tsx scripts/generate-docs.ts';

test('the committed documents are those of the schema', async () => {
  const committed = (file: string) => readFile(new URL(`../../${file}`, import.meta.url), 'utf8');
  assert.equal(await committed('docs/options.md'), optionsMarkdown(), AGAIN);
  const schema = `${JSON.stringify(federationJsonSchema(), null, 2)}\n`;
  assert.equal(await committed('schema/federation.schema.json'), schema, AGAIN);
});

test('every option says what it means, and every object refuses what it does not know', () => {
  const undescribed: string[] = [];
  const visit = (path: string, schema: OptionSchema & { readonly additionalProperties?: boolean }) => {
    if (schema.properties !== undefined) assert.equal(schema.additionalProperties, false, path);
    for (const [name, option] of Object.entries(schema.properties ?? {})) {
      if (option.description === undefined) undescribed.push(`${path}.${name}`);
      visit(`${path}.${name}`, option);
    }
    for (const part of schema.anyOf ?? []) visit(path, part);
    if (schema.items !== undefined) visit(`${path}[]`, schema.items);
  };
  visit('', federationJsonSchema());
  assert.deepEqual(undescribed, []);
});

test('links in the tables lead to headings', () => {
  const markdown = optionsMarkdown();
  const headings = [...markdown.matchAll(/^## (.*)$/gm)].map(([, title = '']) =>
    title.toLowerCase().replace(/[^a-z]/g, ''),
  );
  const links = [...markdown.matchAll(/\]\(#([a-z]+)\)/g)].map(([, anchor = '']) => anchor);
  assert.ok(links.length > 5);
  for (const link of links) assert.ok(headings.includes(link), link);
});
