import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { type CheckOptions, checkCommand, runCheck } from '../../src/cli/check.ts';
import { federationDigest } from '../../src/config/index.ts';
import { sampleFederation, sampleProps } from '../support/federations.ts';
import { recordedTerminal } from '../support/terminal.ts';

const sound = JSON.stringify(sampleProps());
const questionable = JSON.stringify(sampleProps({ xmppAllowedPartners: [{ domain: 'fabrikam.com' }] }));
const wrong = JSON.stringify(sampleProps({ environment: '', xmppAllowedPartners: [{ domain: '*' }] }));

async function check(stdin: string, options: Partial<CheckOptions> = {}) {
  const terminal = recordedTerminal({ stdin });
  const status = await runCheck({ config: '-', ...options }, terminal);
  return { status, out: terminal.out(), err: terminal.err() };
}

test('a sound configuration', async () => {
  assert.deepEqual(await check(sound), {
    status: 0,
    out: `ok: 0 errors, 0 warnings, ${federationDigest(sampleFederation())}\n`,
    err: '',
  });
  assert.equal((await check(sound, { strict: true })).status, 0);
});

test('warnings fail only a strict check', async () => {
  const lenient = await check(questionable);
  assert.equal(lenient.status, 0);
  assert.match(
    lenient.out,
    /^warning {2}xmppAllowedPartners\[0\]\.supportDialbackNegotiation: .* \[dialback-inert\]\nok: 0 errors, 1 warning, sha256:/,
  );
  const strict = await check(questionable, { strict: true });
  assert.equal(strict.status, 1);
  assert.match(strict.out, /\nnot ok: 0 errors, 1 warning, /);
});

test('all errors at once', async () => {
  const { status, out } = await check(wrong);
  assert.equal(status, 1);
  assert.match(
    out,
    /^error {4}environment: expected .*\nerror {4}xmppAllowedPartners\[0\]\.domain: expected .*\nnot ok: 2 errors, 0 warnings\n$/,
  );
});

test('--json gives {ok, errors, warnings}', async () => {
  assert.deepEqual(JSON.parse((await check(sound, { json: true })).out), { ok: true, errors: [], warnings: [] });
  const warned = JSON.parse((await check(questionable, { json: true })).out);
  assert.deepEqual(Object.keys(warned), ['ok', 'errors', 'warnings']);
  assert.deepEqual([warned.ok, warned.errors.length, warned.warnings.length], [true, 0, 1]);
  assert.deepEqual(Object.keys(warned.warnings[0]), ['rule', 'path', 'message']);
  const strict = await check(questionable, { json: true, strict: true });
  assert.deepEqual([strict.status, JSON.parse(strict.out).ok], [1, false]);
  const refused = await check(wrong, { json: true });
  assert.equal(refused.status, 1);
  assert.deepEqual(
    JSON.parse(refused.out).errors.map(({ path }: { readonly path: string }) => path),
    ['environment', 'xmppAllowedPartners[0].domain'],
  );
});

test('JSON errors have line and column', async () => {
  const { status, out } = await check('{\n  "version": 1,\n}');
  assert.equal(status, 1);
  assert.match(out, /^error {4}line 3, column 1: expected a key in double quotes, got "}" {2}\[json-syntax\]/);
});

test('a file, a missing file, a directory', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'check-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'federation.json');
  await writeFile(file, sound);
  assert.equal((await check('', { config: file })).status, 0);
  assert.equal((await check('', { config: folder })).status, 0);
  const missing = await check('', { config: join(folder, 'none.json'), json: true });
  assert.equal(missing.status, 1);
  assert.equal(JSON.parse(missing.out).errors[0].rule, 'unreadable-file');
});

test('colours only where there are any', async () => {
  const terminal = recordedTerminal({ stdin: wrong, hasColour: true });
  await runCheck({ config: '-' }, terminal);
  assert.ok(terminal.out().includes('\u001b['));
  assert.ok(!(await check(wrong)).out.includes('\u001b'));
});

test('the command has the options the help promises', () => {
  const command = checkCommand();
  assert.equal(command.name(), 'check');
  assert.deepEqual(
    command.options.map(({ long }) => long),
    ['--config', '--environment', '--strict', '--json'],
  );
});
