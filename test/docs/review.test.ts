import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { reviewCommand, runReview } from '../../src/cli/review.ts';
import { readReviewPolicy } from '../../src/review/approvals.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { recordedTerminal } from '../support/terminal.ts';

// The examples in docs/review.md: files are written, commands followed by their output are run in order.
// UPDATE_GOLDEN=1 writes the output into the page; read the difference before you commit it.

const root = fileURLToPath(new URL('../..', import.meta.url));
const file = join(root, 'docs/review.md');
const page = readFileSync(file, 'utf8');
const folder = temporaryFolder('docs-review');

for (const [, name = '', text = ''] of page.matchAll(/^```json (\S+)\n(.*?)^```$/gms)) {
  writeFileSync(join(folder, name), text);
}

async function run(line: string): Promise<string> {
  const terminal = recordedTerminal();
  const command = reviewCommand().exitOverride();
  command.action(async (options) => {
    await runReview(options, { terminal, cwd: folder });
  });
  await command.parseAsync(line.split(' ').slice(2), { from: 'user' });
  assert.equal(terminal.err(), '');
  return terminal.out();
}

const EXAMPLE = /^```sh\n(xmpp-federation review [^\n]*)\n```\n\n```text\n(.*?)```$/gms;

test('commands print what the page says', async () => {
  let written = page;
  const examples = [...page.matchAll(EXAMPLE)];
  assert.equal(examples.length, 3);
  for (const [whole, line = '', expected = ''] of examples) {
    const output = await run(line);
    if (process.env.UPDATE_GOLDEN === '1')
      written = written.replace(whole, () => whole.replace(/```text\n.*```$/s, () => `\`\`\`text\n${output}\`\`\``));
    else assert.equal(output, expected, line);
  }
  if (written !== page) writeFileSync(file, written);
});

test('every option on the page exists, and every option is on the page', () => {
  const known = reviewCommand().options.map(({ long }) => long ?? '');
  const named = new Set(page.match(/(?<![-<\w])--[a-z][a-z-]*/g));
  assert.deepEqual(
    [...named].filter((option) => !known.includes(option)),
    [],
  );
  assert.deepEqual(
    known.filter((option) => !named.has(option)),
    [],
  );
});

test('the policy on the page is valid', () => {
  assert.equal(readReviewPolicy(readFileSync(join(folder, 'review-policy.json'), 'utf8')).ok, true);
});

test('links lead somewhere', () => {
  for (const [, target = ''] of page.matchAll(/\]\(([^)#:]+)\)/g)) {
    assert.ok(existsSync(join(root, 'docs', target)), target);
  }
});
