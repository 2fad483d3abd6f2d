/**
 * Runs the tests: `npm test`, `npm test -- jid partner` (only files whose path has one of these words),
 * `npm run test:unit` (nothing under test/e2e). Unit files share the cores; e2e files run one at a time, since they
 * start servers. At the end it says which system tests were skipped and what to install for them.
 */
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';

interface Tally {
  passed: number;
  failed: number;
  readonly skipped: Map<string, number>; // reason -> tests
}

const root = fileURLToPath(new URL('..', import.meta.url));

function testFiles(words: readonly string[]): string[] {
  const entries = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => words.length === 0 || words.some((word) => relative(root, path).includes(word)))
    .sort();
}

async function runFiles(files: string[], concurrency: number, tally: Tally): Promise<void> {
  if (files.length === 0) return;
  const events = run({ files, concurrency });
  events.on('test:pass', ({ name, skip, details }) => {
    if (details.type === 'suite' || files.includes(name)) return; // a file or a group is not a test
    if (skip === undefined) tally.passed += 1;
    else tally.skipped.set(String(skip), (tally.skipped.get(String(skip)) ?? 0) + 1);
  });
  events.on('test:fail', ({ details }) => {
    if (details.type !== 'suite') tally.failed += 1;
  });
  for await (const text of events.compose(new spec())) process.stdout.write(text);
}

const words = process.argv.slice(2).filter((word) => !word.startsWith('--'));
const isUnitOnly = process.argv.includes('--unit');
const files = testFiles(words);
const isE2e = (path: string): boolean => relative(root, path).startsWith(join('test', 'e2e'));
const tally: Tally = { passed: 0, failed: 0, skipped: new Map() };

await runFiles(
  files.filter((path) => !isE2e(path)),
  availableParallelism(),
  tally,
);
if (!isUnitOnly) await runFiles(files.filter(isE2e), 1, tally);

let skipped = 0;
for (const [reason, count] of tally.skipped) {
  skipped += count;
  process.stdout.write(`skipped ${count}: ${reason}\n`);
}
process.stdout.write(`\n${tally.passed} passed, ${tally.failed} failed, ${skipped} skipped\n`);
if (tally.passed + tally.failed === 0) process.stderr.write(`no test was run for: ${words.join(' ') || 'test/'}\n`);
process.exitCode = tally.failed > 0 || tally.passed === 0 ? 1 : 0;
