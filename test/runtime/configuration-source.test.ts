import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { ConfigurationSource } from '../../src/runtime/configuration-source.ts';
import { temporaryDirectory } from '../support/certificates.ts';
import { sampleProps } from '../support/federations.ts';

const text = (environment = 'test'): string => JSON.stringify(sampleProps({ environment }));

async function source(t: TestContext, content?: string) {
  const folder = await temporaryDirectory(t);
  const file = join(folder, 'federation.json');
  if (content !== undefined) await writeFile(file, content);
  return { folder, file, made: new ConfigurationSource(file) };
}

test('a good file is read, and known to be the same until it is another', async (t) => {
  const { file, made } = await source(t, text());
  const first = await made.read();
  assert.equal(first.ok && first.value.environment, 'test');
  assert.equal(await made.hasChanged(), false);
  await writeFile(file, text('other'));
  assert.equal(await made.hasChanged(), true);
  const second = await made.read();
  assert.equal(second.ok && second.value.environment, 'other');
  assert.equal(await made.hasChanged(), false);
});

test('the same text is the same object, also after something else was there', async (t) => {
  const { file, made } = await source(t, text());
  const first = await made.read();
  await utimes(file, 1, 1);
  assert.equal(await made.hasChanged(), true);
  assert.equal(await made.read(), first);
  await writeFile(file, 'broken');
  assert.equal((await made.read()).ok, false);
  await writeFile(file, text());
  assert.equal(await made.read(), first);
});

test('a bad file gives all findings, and is not asked again until it changes', async (t) => {
  const { made } = await source(t, JSON.stringify({ ...sampleProps(), environment: '', domains: [] }));
  const read = await made.read();
  assert.deepEqual(read.ok ? [] : read.errors.map(({ path }) => path).sort(), ['domains', 'environment']);
  assert.equal(await made.hasChanged(), false);
});

test('a file that is missing or no file is a finding', async (t) => {
  const { file, made } = await source(t);
  const missing = await made.read();
  assert.deepEqual(missing.ok ? [] : missing.errors.map(({ rule }) => rule), ['unreadable-file']);
  assert.equal(await made.hasChanged(), false);
  await mkdir(file);
  assert.equal(await made.hasChanged(), true);
  const folder = await made.read();
  assert.match(folder.ok ? '' : (folder.errors[0]?.message ?? ''), /^expected a readable file, got EISDIR/);
});

test('a file that is replaced, removed or linked elsewhere has changed', async (t) => {
  const { folder, file, made } = await source(t, text());
  await made.read();
  await writeFile(`${file}.new`, text('other'));
  await rename(`${file}.new`, file);
  assert.equal(await made.hasChanged(), true);
  await made.read();
  await rm(file);
  assert.equal(await made.hasChanged(), true);

  // As Kubernetes does it: the file is a link through a link to a folder.
  for (const name of ['one', 'two']) {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, 'federation.json'), text(name));
  }
  await symlink('one', join(folder, 'data'));
  await symlink('data/federation.json', file);
  const one = await made.read();
  assert.equal(one.ok && one.value.environment, 'one');
  await symlink('two', join(folder, 'data.new'));
  await rename(join(folder, 'data.new'), join(folder, 'data'));
  assert.equal(await made.hasChanged(), true);
  const two = await made.read();
  assert.equal(two.ok && two.value.environment, 'two');
});
