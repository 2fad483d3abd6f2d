import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import ts from 'typescript';
import { temporaryFolder } from '../support/temporary-folder.ts';

// The examples in docs/constructs.md are compiled with the project's own strictness, and each is run.

const root = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(root, 'docs/constructs.md'), 'utf8');
const examples = Array.from(page.matchAll(/^```ts\n(.*?)^```$/gms), (match) => match[1] ?? '');

const folder = realpathSync(temporaryFolder('docs'));
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
const files = examples.map((text, index) => {
  const file = join(folder, `example-${index + 1}.ts`);
  const entry = JSON.stringify(relative(folder, join(root, 'src/constructs/index.ts')));
  writeFileSync(file, text.replaceAll("'cdktf-xmpp-federation'", entry));
  return file;
});

test('the examples compile', () => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  const program = ts.createProgram(files, { ...options, typeRoots: [join(root, 'node_modules/@types')] });
  const problems = ts
    .getPreEmitDiagnostics(program)
    .filter((found) => found.file?.fileName.startsWith(folder) !== false)
    .map((found) => ts.flattenDiagnosticMessageText(found.messageText, '\n'));
  assert.deepEqual(problems, []);
});

test('the examples synthesize', async () => {
  assert.equal(examples.length, 5);
  const run = async (file: string, index: number) => {
    const outdir = join(folder, `out-${index + 1}`);
    const env = { ...process.env, CDKTF_OUTDIR: outdir };
    await promisify(execFile)(process.execPath, ['--import', 'tsx', file], { cwd: folder, env });
    const writes = (name: string) => existsSync(join(outdir, 'stacks/prod', name));
    assert.equal(writes('cdk.tf.json'), true, `example ${index + 1}`);
    assert.equal(writes('federation.json'), examples[index]?.includes('new XmppFederation('), `example ${index + 1}`);
  };
  await Promise.all(files.map(run));
});

test('links lead somewhere', () => {
  for (const [, target = ''] of page.matchAll(/\]\(([^)#:]+)\)/g)) {
    assert.ok(existsSync(join(root, 'docs', target)), target);
  }
});
