import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import {
  createAuthority,
  issue,
  selfSigned,
  sentChain,
  temporaryDirectory,
  writeCertificate,
  x509,
} from '../support/certificates.ts';

test('a chain of root, intermediate and leaf verifies in OpenSSL', async () => {
  const root = await createAuthority('Test root');
  const middle = await issue(root, { commonName: 'Test intermediate', isCa: true, pathLength: 0 });
  const leaf = await issue(middle, { dnsNames: ['partner.example'], eku: ['serverAuth'] });

  assert.equal(x509(root).verify(x509(root).publicKey), true);
  assert.equal(x509(root).ca, true);
  assert.equal(x509(middle).checkIssued(x509(root)), true);
  assert.equal(x509(middle).verify(x509(root).publicKey), true);
  assert.equal(x509(leaf).checkIssued(x509(middle)), true);
  assert.equal(x509(leaf).verify(x509(middle).publicKey), true);
  assert.equal(x509(leaf).ca, false);
  assert.equal(x509(leaf).checkPrivateKey(createPrivateKey(leaf.privateKeyPem)), true);
  assert.deepEqual(x509(leaf).keyUsage, ['1.3.6.1.5.5.7.3.1']);
  assert.deepEqual(sentChain(leaf), [x509(leaf).raw, x509(middle).raw]);
});

test('all kinds of names are in the certificate', async () => {
  const certificate = await selfSigned({
    commonName: 'partner.example',
    dnsNames: ['partner.example', '*.partner.example'],
    srvNames: ['_xmpp-server.partner.example'],
    xmppAddrs: ['bücher.example'],
    uris: ['xmpp:partner.example'],
    ipAddresses: ['192.0.2.1'],
  });
  const text = x509(certificate).subjectAltName ?? '';
  for (const part of [
    'DNS:partner.example',
    'DNS:*.partner.example',
    'URI:xmpp:partner.example',
    'IP Address:192.0.2.1',
  ]) {
    assert.ok(text.includes(part), part);
  }
  assert.match(text, /SRVName:_xmpp-server\.partner\.example/);
  assert.match(text, /XmppAddr:/);
});

test('every key type signs', async () => {
  for (const keyType of ['ecdsa-p256', 'ecdsa-p384', 'ed25519', 'rsa-2048'] as const) {
    const certificate = x509(await selfSigned({ dnsNames: ['partner.example'], keyType }));
    assert.equal(certificate.verify(certificate.publicKey), true, keyType);
  }
});

test('dates and an existing key are taken over', async () => {
  const first = await selfSigned({ dnsNames: ['a.example'] });
  const second = await selfSigned({
    dnsNames: ['a.example'],
    privateKeyPem: first.privateKeyPem,
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('2060-01-01T00:00:00Z'),
  });
  assert.deepEqual(x509(second).publicKey.export({ format: 'jwk' }), x509(first).publicKey.export({ format: 'jwk' }));
  assert.equal(new Date(x509(second).validFrom).toISOString(), '2020-01-01T00:00:00.000Z');
  assert.equal(new Date(x509(second).validTo).toISOString(), '2060-01-01T00:00:00.000Z');
});

test('files are written, the key for the owner only', async (t) => {
  const directory = await temporaryDirectory(t);
  const certificate = await selfSigned({ dnsNames: ['a.example'] });
  const files = await writeCertificate(directory, 'default', certificate);
  assert.equal((await stat(files.key)).mode & 0o777, 0o600);
  assert.equal(new X509Certificate(await readFile(files.chain)).fingerprint256, x509(certificate).fingerprint256);
});
