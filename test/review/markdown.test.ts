import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { judgeApproval } from '../../src/review/approvals.ts';
import { commentMarker, MAX_MARKDOWN_LENGTH, renderMarkdown } from '../../src/review/markdown.ts';
import type { Review } from '../../src/review/model.ts';
import type { ReviewedEnvironment } from '../../src/review/report.ts';
import { reviewFederation } from '../../src/review/review.ts';
import { sampleFederation } from '../support/federations.ts';
import { REVIEW_SCENARIOS, reviewed } from '../support/review-scenarios.ts';

const scenario = (name: string): ReviewedEnvironment => {
  const found = REVIEW_SCENARIOS.find((candidate) => candidate.name === name);
  assert.ok(found);
  return reviewed(found);
};

/** A review of more changes than any comment holds. */
function hugeReview(): ReviewedEnvironment {
  const partners = (keepAlive: (i: number) => number) =>
    Array.from({ length: 3000 }, (_, i) => ({ domain: `partner${i}.example`, connectionLimit: keepAlive(i) }));
  const review = reviewFederation(
    { label: 'base', config: sampleFederation({ xmppAllowedPartners: partners((i) => i + 1) }) },
    { label: 'head', config: sampleFederation({ xmppAllowedPartners: partners((i) => i + 2) }) },
  );
  return { review, approval: judgeApproval(review, {}) };
}

test('nothing is said about nothing', () => {
  assert.equal(renderMarkdown([scenario('nothing'), scenario('nothing')], 'prod'), '');
});

test('the marker comes first, and cannot be broken out of', () => {
  assert.equal(commentMarker('prod'), '<!-- xmpp-federation-review: prod -->');
  assert.equal(commentMarker('--> <b>'), '<!-- xmpp-federation-review: --___b_ -->');
  assert.ok(
    renderMarkdown([scenario('rename')], '*').startsWith(`${commentMarker('*')}\n## Federation review of \`prod\`\n`),
  );
});

test('environments without a change are left out', () => {
  const text = renderMarkdown([scenario('nothing'), scenario('rename')], '*');
  assert.equal(text.match(/^## /gm)?.length, 1);
});

test('what does not fit is counted, and the riskiest lines stay', () => {
  const text = renderMarkdown([hugeReview()], 'prod');
  assert.ok(text.length <= MAX_MARKDOWN_LENGTH);
  assert.ok(text.length > MAX_MARKDOWN_LENGTH - 2000, 'the room is used');
  const [, left = '', all = ''] = /\*\*Cut short: ([0-9 ]+) of ([0-9 ]+) lines did not fit/.exec(text) ?? [];
  const shown = text.match(/^\| low \|/gm)?.length ?? 0;
  assert.equal(Number(left.replace(' ', '')) + shown, Number(all.replace(' ', '')));
  assert.match(text, /- A change of low risk or more needs 1 approval/);
  assert.match(text, /review `sha256:[0-9a-f]{64}`<\/sub>\n$/);
  assert.equal(text.match(/<details>/g)?.length, text.match(/<\/details>/g)?.length);
});

test('no length is exceeded, with however many environments', () => {
  const pool = ['rename', 'weakened-tls', 'terraform-plan', 'nothing', 'new-environment']
    .map(scenario)
    .concat(hugeReview());
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...pool), { maxLength: 60 }),
      fc.integer({ min: 2000, max: 20_000 }),
      (list, length) => {
        const text = renderMarkdown(list, 'key', length);
        assert.ok(text.length <= length, `${text.length} of ${length}`);
        const changed = list.filter(({ review }) => !review.isEmpty).length;
        const shown = text.match(/^## /gm)?.length ?? 0;
        if (shown < changed) assert.match(text, new RegExp(`Cut short: ${changed - shown} more environment`));
      },
    ),
    { numRuns: 50 },
  );
});

test('names and values from outside cannot become markup', () => {
  const hostile = [
    '`x`',
    '``',
    'a|b',
    '</details><script>',
    '@team',
    '[x](http://x)',
    '![x](y)',
    'a\u202eb',
    '| x |',
    '*x*',
    '-->',
    'a\\|@team',
    'a\\\\|`@team`',
  ];
  const { review, approval } = scenario('weakened-tls');
  fc.assert(
    fc.property(fc.constantFrom(...hostile), fc.constantFrom(...hostile), (one, two) => {
      const [option] = review.options;
      assert.ok(option);
      const changed: Review = {
        ...review,
        name: one,
        base: { ...review.base, label: two },
        options: [{ ...option, path: one, before: two, after: `${one}${two}` }],
        exposures: review.exposures.map((exposure) => ({
          ...exposure,
          sentence: `${one.replaceAll(' ', '')}: contacts (${two.replaceAll(' ', '')}), now`,
        })),
      };
      const text = renderMarkdown([{ review: changed, approval }], 'key');
      const visible = text.split('\n').slice(1).map(withoutCells).join('\n');
      assert.doesNotMatch(visible, /<script|@team|\]\(|-->|\u202e/);
      for (const line of visible.split('\n').filter((candidate) => candidate.startsWith('| '))) {
        assert.ok([5, 7].includes(line.split(' | ').length + 1) || line.startsWith('| --- '), line);
      }
      assert.equal(visible.match(/<details>/g)?.length, visible.match(/<\/details>/g)?.length);
    }),
  );
});

// Takes out code spans cell by cell, as tables are read: a bar ends a cell unless a backslash escapes it, also in code.
function withoutCells(line: string): string {
  if (!line.startsWith('| ')) return withoutCode(line);
  const cells = Array.from(line.slice(1).matchAll(/((?:\\[!-/:-@[-`{-~]|[^|])*)\|/g), ([, cell = '']) => cell);
  return `|${cells.map((cell) => ` ${withoutCode(cell.replaceAll('\\|', '|').trim())} `).join('|')}|`;
}

// Takes out code spans as CommonMark reads them: from a run of backticks to the next run of the same length.
function withoutCode(line: string): string {
  let rest = line;
  let visible = '';
  for (;;) {
    const open = /`+/.exec(rest);
    if (open === null) return visible + rest;
    const after = rest.slice(open.index + open[0].length);
    const close = Array.from(after.matchAll(/`+/g)).find(([run]) => run.length === open[0].length);
    if (close === undefined) return visible + rest;
    visible += `${rest.slice(0, open.index)}CODE`;
    rest = after.slice(close.index + close[0].length);
  }
}

test('a table keeps its columns', () => {
  const { review, approval } = scenario('partner-type');
  const [exposure] = review.exposures;
  assert.ok(exposure);
  const odd = { ...review, exposures: [{ ...exposure, sentence: 'a|b@contoso.com: c|d' }] };
  const text = renderMarkdown([{ review: odd, approval }], 'key');
  const row = text.split('\n').find((line) => line.includes('b@contoso.com'));
  assert.equal(row, `| **high** | + | \`a\\|b@contoso.com\`: \`c\\|d\` | \`${exposure.rule}\` |`);
});
