import assert from 'node:assert/strict';
import { createHash, X509Certificate } from 'node:crypto';
import { describe, test } from 'node:test';
import { rootCertificates } from 'node:tls';
import fc from 'fast-check';
import { KEY_USAGE, readCertificate } from '../../../src/runtime/pki/certificate.ts';
import { validatePath } from '../../../src/runtime/pki/path-validation.ts';
import { TrustStore } from '../../../src/runtime/pki/trust-store.ts';
import {
  type CertificateFields,
  createAuthority,
  issue,
  selfSigned,
  sentChain,
  x509,
} from '../../support/certificates.ts';

async function read(fields: CertificateFields) {
  const certificate = readCertificate(x509(await selfSigned(fields)).raw);
  assert.ok(certificate !== undefined);
  return certificate;
}

test('all fields of a certificate', async () => {
  const made = await selfSigned({
    commonName: 'cn.example',
    dnsNames: ['Partner.Example', '*.partner.example'],
    srvNames: ['_xmpp-server.partner.example'],
    xmppAddrs: ['bücher.example'],
    eku: ['serverAuth'],
    notBefore: new Date('2020-01-01T00:00:00Z'),
    notAfter: new Date('2060-06-07T08:09:10Z'),
  });
  const reference = x509(made);
  const certificate = readCertificate(reference.raw);
  assert.ok(certificate !== undefined);
  assert.equal(certificate.fingerprintSha256, reference.fingerprint256.replaceAll(':', '').toLowerCase());
  assert.equal(certificate.notBefore, Date.UTC(2020, 0, 1));
  assert.equal(certificate.notAfter, Date.UTC(2060, 5, 7, 8, 9, 10));
  const spki = reference.publicKey.export({ type: 'spki', format: 'der' });
  assert.equal(certificate.publicKeySha256, createHash('sha256').update(spki).digest('base64'));
  assert.ok(certificate.issuer.equals(certificate.subject));
  assert.deepEqual(certificate.names.dnsNames, ['partner.example', '*.partner.example']);
  assert.deepEqual(certificate.names.srvNames, ['_xmpp-server.partner.example']);
  assert.deepEqual(certificate.names.xmppAddrs, ['xn--bcher-kva.example']);
  assert.deepEqual(certificate.purposes, ['1.3.6.1.5.5.7.3.1']);
  assert.equal(certificate.keyUsage, KEY_USAGE.digitalSignature);
  assert.equal(certificate.isCa, false);
  assert.equal(certificate.pathLength, undefined);
  assert.equal(certificate.hasUnknownCriticalExtension, false);
});

test('authority fields, absent extensions, unknown critical extension', async () => {
  const authority = await read({ commonName: 'CA', isCa: true, pathLength: 2, eku: [] });
  assert.equal(authority.isCa, true);
  assert.equal(authority.pathLength, 2);
  assert.equal(authority.purposes, undefined);
  const bare = await read({ eku: [], keyUsage: [] });
  assert.equal(bare.keyUsage, undefined);
  assert.deepEqual(bare.names.dnsNames, []);
  const extension = { oid: '1.3.6.1.4.1.99999.1', value: Buffer.from('0500', 'hex') };
  assert.equal((await read({ extensions: [{ ...extension, critical: true }] })).hasUnknownCriticalExtension, true);
  assert.equal((await read({ extensions: [{ ...extension, critical: false }] })).hasUnknownCriticalExtension, false);
});

describe('names that only look like others', () => {
  // The printed form of these would show `DNS:victim.example` (CVE-2021-44532).
  const disguises: Record<string, CertificateFields> = {
    'in a URI': { uris: ['http://a.example/, DNS:victim.example'] },
    'in a dNSName': { dnsNames: ['a.example, DNS:victim.example'] },
    'in an XmppAddr': { xmppAddrs: ['a.example, DNS:victim.example'] },
    'in an SRVName': { srvNames: ['_xmpp-server.a.example, DNS:victim.example'] },
    'before a NUL': { dnsNames: ['victim.example\0.a.example'] },
    'after a NUL': { xmppAddrs: ['\0victim.example'] },
    'in a common name': { commonName: 'victim.example', organizationalUnit: 'CN=victim.example,' },
  };
  for (const [name, fields] of Object.entries(disguises)) {
    test(`victim.example ${name} is no name`, async () => {
      const { names } = await read(fields);
      assert.deepEqual([names.dnsNames, names.srvNames, names.xmppAddrs], [[], [], []]);
    });
  }
});

test('every root certificate of Node is readable and agrees with OpenSSL', () => {
  for (const pem of rootCertificates) {
    const reference = new X509Certificate(pem);
    const certificate = readCertificate(reference.raw);
    assert.ok(certificate !== undefined, reference.subject);
    assert.equal(certificate.isCa, reference.ca);
    assert.equal(certificate.notAfter, Date.parse(reference.validTo));
    assert.equal(certificate.notBefore, Date.parse(reference.validFrom));
  }
});

describe('malformed input', () => {
  test('is undefined, never an exception', async () => {
    const raw = x509(await selfSigned({ dnsNames: ['a.example'] })).raw;
    assert.equal(readCertificate(Buffer.alloc(0)), undefined);
    assert.equal(readCertificate(Buffer.concat([raw, Buffer.from([0])])), undefined);
    assert.equal(readCertificate(Buffer.alloc(100_000, 0x30)), undefined);
    for (let length = 0; length < raw.length; length += 1) {
      assert.equal(readCertificate(raw.subarray(0, length)), undefined, `cut at ${length}`);
    }
  });

  test('an extension twice is refused', async () => {
    const subjectAltName = { oid: '2.5.29.17', critical: false, value: Buffer.from('3000', 'hex') };
    const made = await selfSigned({ dnsNames: ['a.example'], extensions: [subjectAltName] });
    assert.equal(readCertificate(x509(made).raw), undefined);
  });

  test('mutated certificates and random bytes never throw, and nothing unsigned becomes valid', async () => {
    const root = await createAuthority('Root', { nameConstraints: { permitted: { dns: ['a.example'] } } });
    const leaf = await issue(root, {
      dnsNames: ['a.example'],
      srvNames: ['_xmpp-server.a.example'],
      xmppAddrs: ['a.example'],
    });
    const raw = sentChain(leaf)[0];
    assert.ok(raw !== undefined);
    const now = Date.now();
    const trust = new TrustStore(() => [x509(root).raw]);
    assert.equal(validatePath({ chain: [raw], trust, now }).valid, true);

    const mutation = fc.record({ at: fc.nat(raw.length - 1), value: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (mutations) => {
        const mutated = Buffer.from(raw);
        for (const { at, value } of mutations) mutated[at] = value;
        if (mutated.equals(raw)) return;
        readCertificate(mutated);
        assert.equal(validatePath({ chain: [mutated], trust, now }).valid, false);
        // As an authority: a trust store of mutated anchors must not fall over either.
        validatePath({ chain: [raw, mutated], trust: new TrustStore(() => [mutated]), now });
        const anchor = Buffer.from(x509(root).raw);
        for (const { at, value } of mutations) anchor[at % anchor.length] = value;
        validatePath({ chain: [raw], trust: new TrustStore(() => [anchor]), now });
      }),
      { numRuns: 2_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        readCertificate(Buffer.from(bytes));
        readCertificate(Buffer.concat([raw.subarray(0, raw.length >> 1), bytes]));
      }),
      { numRuns: 3_000 },
    );
  });
});
