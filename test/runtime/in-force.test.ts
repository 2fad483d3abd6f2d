import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import type { FederationConfigProps } from '../../src/config/index.ts';
import { InForceFiles } from '../../src/runtime/in-force.ts';
import { DEFAULT_SETTINGS, type HostSettings } from '../../src/runtime/settings.ts';
import { createAuthority, issue, temporaryDirectory, writeCertificate } from '../support/certificates.ts';
import { sampleProps } from '../support/federations.ts';

const authority = await createAuthority('Test authority');

async function host(t: TestContext, changes: Partial<HostSettings> = {}) {
  const folder = await temporaryDirectory(t);
  const certificatesFolder = join(folder, 'certificates');
  const secretsFolder = join(folder, 'secrets');
  await mkdir(certificatesFolder);
  await mkdir(secretsFolder);
  await writeFile(join(folder, 'ca.pem'), authority.certificatePem);
  const settings: HostSettings = {
    ...DEFAULT_SETTINGS,
    configFile: join(folder, 'federation.json'),
    certificatesFolder,
    caFile: join(folder, 'ca.pem'),
    secretsFolder,
    ...changes,
  };
  return {
    files: new InForceFiles(settings),
    declare: (props: Partial<FederationConfigProps> = {}) =>
      writeFile(settings.configFile, JSON.stringify(sampleProps(props))),
    declareText: (text: string) => writeFile(settings.configFile, text),
    certify: async (name: string) =>
      writeCertificate(certificatesFolder, name, await issue(authority, { dnsNames: ['contoso.com'] })),
    secret: (text: string, name = 'dialback-passphrase') => writeFile(join(secretsFolder, name), text),
    forget: (name: string) => rm(join(certificatesFolder, name)),
  };
}

const SECRET = 'a secret of some length';

test('configuration, certificates and secret are loaded together', async (t) => {
  const { files, declare, certify, secret } = await host(t);
  await Promise.all([declare(), certify('default'), secret(` ${SECRET}\n`)]);
  const { value, errors } = await files.load();
  assert.deepEqual(errors, []);
  assert.equal(value?.dialbackSecret, SECRET);
  assert.equal(value.index.config.environment, 'test');
  assert.deepEqual([...value.tls.notAfter.keys()], ['default']);
  assert.equal(await files.hasChanged(), false);
});

test('without a folder for secrets one is made up, and stays', async (t) => {
  const { files, declare, certify } = await host(t, { secretsFolder: undefined });
  await Promise.all([declare(), certify('default')]);
  const first = (await files.load()).value?.dialbackSecret ?? '';
  assert.ok(first.length >= 32);
  assert.equal((await files.load()).value?.dialbackSecret, first);
});

test('everything that is wrong with certificates and secrets is said at once', async (t) => {
  const { files, declare, secret } = await host(t, { sipCertificate: 'sip' });
  await declare({
    domains: [{ domain: 'contoso.com' }, { domain: 'corp.contoso.com', certificate: 'corp' }],
    xmppAllowedPartners: [{ domain: 'fabrikam.com', trustAnchors: [{ certificate: 'private-ca' }] }],
  });
  const places = async () => (await files.load()).errors.map(({ rule, path }) => `${rule} ${path}`).sort();
  const missing = ['default.crt', 'default.key', 'corp.crt', 'corp.key', 'sip.crt', 'sip.key', 'private-ca.pem'].map(
    (file) => `file-unreadable ${file}`,
  );
  const path = 'xmppGatewayConfiguration.dialbackPassphrase';
  assert.deepEqual(await places(), [...missing, `unreadable-secret ${path}`].sort());
  await secret('too short');
  assert.deepEqual(await places(), [...missing, `weak-secret ${path}`].sort());
});

test('a secret is never in a finding', async (t) => {
  const { files, declare, certify, secret } = await host(t);
  await Promise.all([declare(), certify('default'), secret('hunter2')]);
  assert.doesNotMatch(JSON.stringify(await files.load()), /hunter2/);
});

test('what stayed the same stays the same object', async (t) => {
  const { files, declare, certify, secret } = await host(t);
  await Promise.all([declare(), certify('default'), secret(SECRET)]);
  const { value: first } = await files.load();
  const { value: again } = await files.load(first);
  assert.equal(again?.index, first?.index);
  assert.equal(again?.tls, first?.tls);

  await declare({ environment: 'other' });
  assert.equal(await files.hasChanged(), true);
  const { value: declared } = await files.load(again);
  assert.notEqual(declared?.index, first?.index);
  assert.equal(declared?.tls, first?.tls);

  await certify('default');
  assert.equal(await files.hasChanged(), true);
  const { value: certified } = await files.load(declared);
  assert.equal(certified?.index, declared?.index);
  assert.notEqual(certified?.tls, first?.tls);

  await secret(`${SECRET}!`);
  assert.equal(await files.hasChanged(), true);
  const { value: secured } = await files.load(certified);
  assert.equal(secured?.tls, certified?.tls);
  assert.equal(secured?.dialbackSecret, `${SECRET}!`);
  assert.equal(await files.hasChanged(), false);
});

test('a renewed certificate does not wait for a broken configuration to be mended', async (t) => {
  const { files, declare, declareText, certify, secret } = await host(t);
  await Promise.all([declare(), certify('default'), secret(SECRET)]);
  const { value: first } = await files.load();
  await declareText('{');
  await certify('default');
  const { value, errors } = await files.load(first);
  assert.deepEqual(
    errors.map(({ rule }) => rule),
    ['json-syntax'],
  );
  assert.equal(value?.index, first?.index);
  assert.notEqual(value?.tls, first?.tls);
  // Refused once, not again every second.
  assert.equal(await files.hasChanged(), false);
});

test('a certificate that cannot be used keeps the others from being taken for new', async (t) => {
  const { files, declare, certify, secret, forget } = await host(t);
  await Promise.all([declare(), certify('default'), secret(SECRET)]);
  const { value: first } = await files.load();
  await declare({ domains: [{ domain: 'contoso.com' }, { domain: 'corp.contoso.com', certificate: 'corp' }] });
  assert.equal((await files.load(first)).value, undefined);
  // Renewed between the failure and the way back: the generation from before must not come back with it.
  await certify('default');
  await declare();
  const { value } = await files.load(first);
  assert.notEqual(value?.tls, first?.tls);

  await forget('default.key');
  assert.equal(await files.hasChanged(), true);
  assert.equal((await files.load(value)).value, undefined);
  await certify('default');
  assert.equal(await files.hasChanged(), true);
  assert.deepEqual((await files.load(value)).errors, []);
});
