import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, type TestContext, test } from 'node:test';
import type { Finding, Result } from '../../../src/config/finding.ts';
import { TlsFiles, type TlsGeneration, type TlsReferences } from '../../../src/runtime/net/tls-files.ts';
import {
  type CertificateFields,
  createAuthority,
  issue,
  selfSigned,
  sentChain,
  type ThrowawayCertificate,
  temporaryDirectory,
  writeCertificate,
  x509,
} from '../../support/certificates.ts';

const DAY = 86_400_000;
const now = Date.now();
const ONE: TlsReferences = { domains: [{ domain: 'a.example', certificate: 'default' }], anchors: [] };

let root: ThrowawayCertificate;
before(async () => {
  root = await createAuthority('Root');
});

async function setUp(context: TestContext, fields: CertificateFields = { dnsNames: ['a.example'] }) {
  const directory = await temporaryDirectory(context);
  const certificate = await issue(root, fields);
  const paths = await writeCertificate(directory, 'default', certificate);
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, root.certificatePem);
  return { directory, certificate, paths, caFile, files: new TlsFiles({ directory, caFile }) };
}

function rules(findings: readonly Finding[]): string[] {
  return findings.map(({ rule, path }) => `${rule} ${path}`);
}

function loaded(result: Result<TlsGeneration>): TlsGeneration {
  assert.ok(result.ok, result.ok ? '' : JSON.stringify(result.errors));
  return result.value;
}

async function errorsOf(result: Promise<Result<TlsGeneration>>): Promise<string[]> {
  const value = await result;
  assert.ok(!value.ok);
  return rules(value.errors);
}

test('a certificate, its settings and its end', async (t) => {
  const { files, certificate } = await setUp(t);
  const generation = loaded(await files.load(ONE, now));
  assert.deepEqual(generation.findings, []);
  assert.equal(generation.context('default'), generation.context('default'));
  assert.equal(generation.notAfter.get('default'), Date.parse(x509(certificate).validTo));
  assert.deepEqual(generation.pem('default'), { chainPem: certificate.chainPem, keyPem: certificate.privateKeyPem });
  assert.throws(() => generation.context('other'), RangeError);
});

test('a certificate that serves no domain', async (t) => {
  const { files, directory } = await setUp(t);
  await writeCertificate(directory, 'sip', await issue(root, { dnsNames: ['sip.example'] }));
  const generation = loaded(await files.load({ ...ONE, certificates: ['sip', 'default'] }, now));
  assert.deepEqual(generation.findings, []);
  assert.deepEqual([...generation.notAfter.keys()].sort(), ['default', 'sip']);
});

describe('warnings', () => {
  const rows: readonly (readonly [string, CertificateFields])[] = [
    ['certificate-expired', { notBefore: new Date(now - 2 * DAY), notAfter: new Date(now - DAY) }],
    ['certificate-expires-soon', { notAfter: new Date(now + 13 * DAY) }],
    ['certificate-not-yet-valid', { notBefore: new Date(now + DAY) }],
    ['certificate-name', { dnsNames: ['b.example'] }],
    ['certificate-name', { dnsNames: [], commonName: 'a.example' }],
  ];
  for (const [rule, fields] of rows) {
    test(rule, async (t) => {
      const { files } = await setUp(t, { dnsNames: ['a.example'], ...fields });
      assert.deepEqual(rules(loaded(await files.load(ONE, now)).findings), [`${rule} default.crt`]);
    });
  }

  test('key-permissions', async (t) => {
    const { files, paths } = await setUp(t);
    await chmod(paths.key, 0o644);
    assert.deepEqual(rules(loaded(await files.load(ONE, now)).findings), ['key-permissions default.key']);
    await chmod(paths.key, 0o640);
    assert.deepEqual(loaded(await files.load(ONE, now)).findings, []);
  });

  test('certificate-chain-order', async (t) => {
    const { files, paths, certificate } = await setUp(t);
    await writeFile(paths.chain, certificate.chainPem + (await selfSigned({ commonName: 'Stray' })).certificatePem);
    assert.deepEqual(rules(loaded(await files.load(ONE, now)).findings), ['certificate-chain-order default.crt']);
  });
});

describe('errors', () => {
  test('all at once', async (t) => {
    const { files, directory, paths } = await setUp(t);
    await writeFile(paths.key, 'no key');
    await writeFile(join(directory, 'odd.pem'), 'no certificate');
    const references: TlsReferences = {
      domains: [
        { domain: 'a.example', certificate: 'default' },
        { domain: 'b.example', certificate: 'missing' },
        { domain: 'c.example', certificate: '../default' },
      ],
      anchors: ['odd', 'gone'],
    };
    assert.deepEqual((await errorsOf(files.load(references, now))).sort(), [
      'anchor-unreadable odd.pem',
      'file-unreadable gone.pem',
      'file-unreadable missing.crt',
      'file-unreadable missing.key',
      'key-unreadable default.key',
      'reference-name ../default.crt',
      'reference-name ../default.key',
    ]);
  });

  test('the key of another certificate', async (t) => {
    const { files, paths } = await setUp(t);
    await writeFile(paths.key, (await selfSigned({})).privateKeyPem);
    assert.deepEqual(await errorsOf(files.load(ONE, now)), ['key-mismatch default.key']);
  });

  test('no certificate in the chain file, no authorities in the CA file', async (t) => {
    const { files, paths, caFile } = await setUp(t);
    await writeFile(paths.chain, 'nothing');
    await writeFile(caFile, 'nothing');
    assert.deepEqual((await errorsOf(files.load(ONE, now))).sort(), [
      `ca-file-unreadable ${caFile}`,
      'certificate-unreadable default.crt',
    ]);
  });
});

describe('trust', () => {
  test('by default the CA file; without one the public authorities', async (t) => {
    const { files, directory, certificate } = await setUp(t);
    const chain = sentChain(certificate);
    assert.equal(
      loaded(await files.load(ONE, now))
        .trustFor([])
        .judge(chain, now).valid,
      true,
    );
    const open = loaded(await new TlsFiles({ directory }).load(ONE, now));
    assert.equal(open.trustFor([]), open.defaultTrust);
    assert.equal(open.defaultTrust.judge(chain, now).reason, 'unknown-issuer');
  });

  test('a partner with own anchors is judged by these alone', async (t) => {
    const { files, directory, certificate } = await setUp(t);
    const authority = await createAuthority('Private root');
    await writeCertificate(directory, 'private', authority);
    const generation = loaded(await files.load({ ...ONE, anchors: ['private'] }, now));
    const trust = generation.trustFor([{ certificate: 'private' }]);
    assert.equal(trust, generation.trustFor([{ certificate: 'private' }]));
    assert.equal(trust.judge(sentChain(await issue(authority, { dnsNames: ['p.example'] })), now).valid, true);
    assert.equal(trust.judge(sentChain(certificate), now).valid, false);
    assert.throws(() => generation.trustFor([{ certificate: 'unknown' }]), RangeError);
  });

  test('anchors may have a directory of their own', async (t) => {
    const { directory, caFile } = await setUp(t);
    const anchorsDirectory = await temporaryDirectory(t);
    const authority = await createAuthority('Private root');
    await writeCertificate(anchorsDirectory, 'private', authority);
    const files = new TlsFiles({ directory, anchorsDirectory, caFile });
    const generation = loaded(await files.load({ ...ONE, anchors: ['private'] }, now));
    const chain = sentChain(await issue(authority, { dnsNames: ['p.example'] }));
    assert.equal(generation.trustFor([{ certificate: 'private' }]).judge(chain, now).valid, true);
  });

  test('a pinned key', async (t) => {
    const { files } = await setUp(t);
    const partner = await selfSigned({ dnsNames: ['p.example'] });
    const spki = x509(partner).publicKey.export({ type: 'spki', format: 'der' });
    const publicKeySha256 = createHash('sha256').update(spki).digest('base64');
    const trust = loaded(await files.load(ONE, now)).trustFor([{ publicKeySha256 }]);
    assert.equal(trust.judge(sentChain(partner), now).proves('p.example'), true);
    assert.equal(trust.judge(sentChain(await selfSigned({ dnsNames: ['p.example'] })), now).valid, false);
  });
});

test('changes are noticed, also of a file that was missing, and also after a failed load', async (t) => {
  const { files, paths, caFile, certificate } = await setUp(t);
  assert.equal(await files.hasChanged(), false);
  await files.load(ONE, now);
  assert.equal(await files.hasChanged(), false);

  const renewed = await issue(root, { dnsNames: ['a.example'] });
  await writeFile(paths.chain, renewed.chainPem);
  assert.equal(await files.hasChanged(), true);
  assert.deepEqual(await errorsOf(files.load(ONE, now)), ['key-mismatch default.key']);
  assert.equal(await files.hasChanged(), false);
  await writeFile(paths.key, renewed.privateKeyPem);
  assert.equal(await files.hasChanged(), true);
  const generation = loaded(await files.load(ONE, now));
  assert.notEqual(generation.defaultTrust.judge(sentChain(certificate), now), undefined);

  await rm(caFile);
  assert.equal(await files.hasChanged(), true);
  await files.load(ONE, now);
  await writeFile(caFile, root.certificatePem);
  assert.equal(await files.hasChanged(), true);
});
