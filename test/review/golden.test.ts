import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import test from 'node:test';
import { renderMarkdown } from '../../src/review/markdown.ts';
import { renderJson } from '../../src/review/report.ts';
import { renderText } from '../../src/review/text.ts';
import { REVIEW_SCENARIOS, reviewed } from '../support/review-scenarios.ts';

// What people see of typical changes. UPDATE_GOLDEN=1 writes the files anew; read the difference before you commit it.

const folder = new URL('../golden/review/', import.meta.url);

for (const scenario of REVIEW_SCENARIOS) {
  test(scenario.name, () => {
    const environments = [reviewed(scenario)];
    const renderings = {
      md: renderMarkdown(environments, 'prod'),
      txt: renderText(environments, (_colour, text) => text),
      json: renderJson(environments),
    };
    for (const [ending, text] of Object.entries(renderings)) {
      const file = new URL(`${scenario.name}.${ending}`, folder);
      if (process.env.UPDATE_GOLDEN === '1') {
        mkdirSync(folder, { recursive: true });
        writeFileSync(file, text);
      }
      assert.equal(text, readFileSync(file, 'utf8'), `${scenario.name}.${ending}: see UPDATE_GOLDEN in this test`);
    }
  });
}
