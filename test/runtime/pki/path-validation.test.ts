import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { type PathVerdict, type Purpose, validatePath } from '../../../src/runtime/pki/path-validation.ts';
import { TrustStore } from '../../../src/runtime/pki/trust-store.ts';
import {
  type CertificateFields,
  createAuthority,
  issue,
  selfSigned,
  sentChain,
  type ThrowawayCertificate,
  x509,
} from '../../support/certificates.ts';

const HOUR = 3_600_000;
const now = Date.now();
const past = { notBefore: new Date(now - 48 * HOUR), notAfter: new Date(now - HOUR) };
const future = { notBefore: new Date(now + HOUR), notAfter: new Date(now + 48 * HOUR) };

let root: ThrowawayCertificate;
let middle: ThrowawayCertificate;

before(async () => {
  root = await createAuthority('Root');
  middle = await issue(root, { commonName: 'Intermediate', isCa: true });
});

function store(...anchors: ThrowawayCertificate[]): TrustStore {
  return new TrustStore(() => anchors.map((anchor) => x509(anchor).raw));
}

function judge(
  certificate: ThrowawayCertificate | readonly Buffer[],
  options: { trust?: TrustStore; now?: number; purposes?: readonly Purpose[] } = {},
): PathVerdict {
  const chain = 'certificatePem' in certificate ? sentChain(certificate) : certificate;
  return validatePath({ chain, trust: store(root), now, ...options });
}

function outcome(verdict: PathVerdict): string {
  return verdict.valid ? 'valid' : verdict.reason;
}

describe('the leaf', () => {
  const fromRoot: readonly (readonly [string, CertificateFields, string])[] = [
    ['server and client purposes', {}, 'valid'],
    ['serverAuth only', { eku: ['serverAuth'] }, 'valid'],
    ['clientAuth only', { eku: ['clientAuth'] }, 'valid'],
    ['no extended key usage', { eku: [] }, 'valid'],
    ['any purpose', { eku: ['any'] }, 'valid'],
    ['code signing only', { eku: ['codeSigning'] }, 'eku'],
    ['expired', past, 'expired'],
    ['not yet valid', future, 'not-yet-valid'],
    ['no key usage', { keyUsage: [] }, 'valid'],
    ['key usage only for signing certificates', { keyUsage: ['keyCertSign'] }, 'key-usage'],
    ['RSA of 2048 bits', { keyType: 'rsa-2048' }, 'valid'],
    ['RSA of 1024 bits', { keyType: 'rsa-1024' }, 'weak-key'],
    ['Ed25519', { keyType: 'ed25519' }, 'valid'],
    ['P-384', { keyType: 'ecdsa-p384' }, 'valid'],
    ['signed with SHA-1', { digest: 'sha1' }, 'weak-signature'],
    [
      'an unknown critical extension',
      { extensions: [{ oid: '1.3.6.1.4.1.99999.1', critical: true, value: Buffer.from([5, 0]) }] },
      'unknown-critical-extension',
    ],
  ];
  for (const [name, fields, expected] of fromRoot) {
    test(`${name}: ${expected}`, async () => {
      assert.equal(outcome(judge(await issue(root, { dnsNames: ['a.example'], ...fields }))), expected);
    });
  }

  // Node calls the first of these INVALID_PURPOSE, the same as a serverAuth-only leaf of a trusted authority.
  test('self-signed, serverAuth only: self-signed', async () => {
    assert.equal(outcome(judge(await selfSigned({ dnsNames: ['a.example'], eku: ['serverAuth'] }))), 'self-signed');
  });

  test('of an unknown authority: unknown-issuer', async () => {
    const other = await createAuthority('Other root');
    assert.equal(outcome(judge(await issue(other, { dnsNames: ['a.example'] }))), 'unknown-issuer');
  });

  test('of an authority that took the name of a trusted one: bad-signature', async () => {
    const impostor = await createAuthority('Root');
    assert.equal(outcome(judge(await issue(impostor, { dnsNames: ['a.example'] }))), 'bad-signature');
  });

  test('purposes asked for', async () => {
    const leaf = await issue(root, { dnsNames: ['a.example'], eku: ['serverAuth'] });
    assert.equal(outcome(judge(leaf, { purposes: ['clientAuth'] })), 'eku');
    assert.equal(outcome(judge(leaf, { purposes: ['serverAuth'] })), 'valid');
  });

  test('both ends of the validity are valid', async () => {
    const notBefore = new Date(Math.floor(now / 1000) * 1000);
    const leaf = await issue(root, { notBefore, notAfter: new Date(notBefore.getTime() + HOUR) });
    const at = (time: number) => outcome(judge(leaf, { now: time }));
    assert.equal(at(notBefore.getTime() - 1), 'not-yet-valid');
    assert.equal(at(notBefore.getTime()), 'valid');
    assert.equal(at(notBefore.getTime() + HOUR), 'valid');
    assert.equal(at(notBefore.getTime() + HOUR + 1), 'expired');
  });

  test('nothing, or no certificate: malformed', () => {
    assert.equal(outcome(judge([])), 'malformed');
    assert.equal(outcome(judge([Buffer.from('no certificate')])), 'malformed');
  });
});

describe('intermediate authorities', () => {
  test('in any order, with others in between', async () => {
    const leaf = await issue(middle, { dnsNames: ['a.example'] });
    const [own, ...rest] = sentChain(leaf);
    assert.ok(own !== undefined);
    const stray = x509(await selfSigned({ commonName: 'Stray' })).raw;
    const junk = Buffer.from('junk');
    assert.equal(outcome(judge([own, ...rest])), 'valid');
    assert.equal(outcome(judge([own, stray, junk, x509(root).raw, ...rest])), 'valid');
    assert.equal(outcome(judge([own])), 'unknown-issuer');
  });

  test('the path and its dates', async () => {
    const leaf = await issue(middle, { dnsNames: ['a.example'], notAfter: new Date(now + HOUR) });
    const verdict = judge(leaf);
    assert.ok(verdict.valid);
    assert.deepEqual(
      verdict.path.map(({ raw }) => raw),
      [...sentChain(leaf), x509(root).raw],
    );
    assert.equal(verdict.notAfter, verdict.leaf.notAfter);
  });

  test('an anchor may be an intermediate', async () => {
    const leaf = await issue(middle, { dnsNames: ['a.example'] });
    assert.equal(outcome(judge(leaf, { trust: store(middle) })), 'valid');
  });

  const authorities: readonly (readonly [string, CertificateFields, string])[] = [
    ['serverAuth only', { isCa: true, eku: ['serverAuth'] }, 'valid'],
    ['code signing only', { isCa: true, eku: ['codeSigning'] }, 'eku'],
    ['no authority', { isCa: false, keyUsage: ['digitalSignature', 'keyCertSign'] }, 'not-a-ca'],
    ['no right to sign certificates', { isCa: true, keyUsage: ['digitalSignature'] }, 'not-a-ca'],
    ['expired', { isCa: true, ...past }, 'expired'],
    ['RSA of 1024 bits', { isCa: true, keyType: 'rsa-1024' }, 'weak-key'],
    ['signed with SHA-1', { isCa: true, digest: 'sha1' }, 'weak-signature'],
    [
      'an unknown critical extension',
      { isCa: true, extensions: [{ oid: '1.3.6.1.4.1.99999.1', critical: true, value: Buffer.from([5, 0]) }] },
      'unknown-critical-extension',
    ],
  ];
  for (const [name, fields, expected] of authorities) {
    test(`${name}: ${expected}`, async () => {
      const authority = await issue(root, { commonName: 'Intermediate', ...fields });
      assert.equal(outcome(judge(await issue(authority, { dnsNames: ['a.example'] }))), expected);
    });
  }

  test('path length', async () => {
    const limited = await createAuthority('Limited root', { pathLength: 1 });
    const trust = store(limited);
    const first = await issue(limited, { commonName: 'First', isCa: true });
    const second = await issue(first, { commonName: 'Second', isCa: true });
    assert.equal(outcome(judge(await issue(first, {}), { trust })), 'valid');
    assert.equal(outcome(judge(await issue(second, {}), { trust })), 'path-length');
    const last = await issue(limited, { commonName: 'Last', isCa: true, pathLength: 0 });
    const beyond = await issue(last, { commonName: 'Beyond', isCa: true });
    assert.equal(outcome(judge(await issue(last, {}), { trust })), 'valid');
    assert.equal(outcome(judge(await issue(beyond, {}), { trust })), 'path-length');
  });

  test('an expired cross-certificate beside a valid anchor does no harm', async () => {
    const old = await createAuthority('Old root');
    const crossed = await issue(old, { commonName: 'Root', isCa: true, privateKeyPem: root.privateKeyPem, ...past });
    const leaf = await issue(middle, { dnsNames: ['a.example'] });
    assert.equal(outcome(judge([...sentChain(leaf), x509(crossed).raw])), 'valid');
  });

  test('an expired anchor', async () => {
    const old = await createAuthority('Old root', past);
    assert.equal(outcome(judge(await issue(old, {}), { trust: store(old) })), 'expired');
  });

  test('a long chain, and a maze of certificates that all sign each other, end soon', async () => {
    let authority = root;
    for (let depth = 0; depth < 6; depth += 1) {
      authority = await issue(authority, { commonName: `Level ${depth}`, isCa: true });
    }
    assert.equal(outcome(judge(await issue(authority, {}))), 'valid');
    authority = await issue(authority, { commonName: 'Level 6', isCa: true });
    authority = await issue(authority, { commonName: 'Level 7', isCa: true });
    assert.equal(outcome(judge(await issue(authority, {}))), 'too-long');

    const maze = await selfSigned({ commonName: 'Maze', isCa: true });
    const walls = await Promise.all(
      Array.from({ length: 7 }, () =>
        issue(maze, { commonName: 'Maze', isCa: true, privateKeyPem: maze.privateKeyPem }),
      ),
    );
    const lost = await issue(maze, {});
    assert.equal(judge([x509(lost).raw, ...walls.map((wall) => x509(wall).raw)]).valid, false);
  });
});

describe('name constraints', () => {
  const rows: readonly (readonly [string, CertificateFields['nameConstraints'], CertificateFields, boolean])[] = [
    ['within', { permitted: { dns: ['example.com'] } }, { dnsNames: ['im.example.com', 'example.com'] }, true],
    ['outside', { permitted: { dns: ['example.com'] } }, { dnsNames: ['example.com', 'victim.example'] }, false],
    ['same ending, other label', { permitted: { dns: ['example.com'] } }, { dnsNames: ['badexample.com'] }, false],
    ['leading dot, below', { permitted: { dns: ['.example.com'] } }, { dnsNames: ['im.example.com'] }, true],
    ['leading dot, itself', { permitted: { dns: ['.example.com'] } }, { dnsNames: ['example.com'] }, false],
    ['wildcard within', { permitted: { dns: ['example.com'] } }, { dnsNames: ['*.example.com'] }, true],
    ['excluded', { excluded: { dns: ['victim.example'] } }, { dnsNames: ['im.victim.example'] }, false],
    ['not excluded', { excluded: { dns: ['victim.example'] } }, { dnsNames: ['a.example'] }, true],
    ['wildcard over excluded', { excluded: { dns: ['im.example.com'] } }, { dnsNames: ['*.example.com'] }, false],
    ['all excluded', { excluded: { dns: [''] } }, { dnsNames: ['a.example'] }, false],
    ['XmppAddr outside dNSName', { permitted: { dns: ['example.com'] } }, { xmppAddrs: ['victim.example'] }, false],
    ['XmppAddr within dNSName', { permitted: { dns: ['example.com'] } }, { xmppAddrs: ['example.com'] }, true],
    [
      'SRVName outside dNSName',
      { permitted: { dns: ['example.com'] } },
      { srvNames: ['_xmpp-server.victim.example'] },
      false,
    ],
    [
      'SRVName within dNSName',
      { permitted: { dns: ['example.com'] } },
      { srvNames: ['_xmpp-server.example.com'] },
      true,
    ],
    [
      'SRVName permitted by its own form',
      { permitted: { dns: ['other.example'], srv: ['_xmpp-server.example.com'] } },
      { srvNames: ['_xmpp-server.example.com'] },
      true,
    ],
    [
      'SRVName of another service',
      { permitted: { srv: ['_sips'] } },
      { srvNames: ['_xmpp-server.example.com'] },
      false,
    ],
    ['SRVName excluded', { excluded: { srv: ['example.com'] } }, { srvNames: ['_xmpp-server.example.com'] }, false],
    ['a form not evaluated, present', { permitted: { uri: ['example.com'] } }, { uris: ['xmpp:example.com'] }, false],
    ['a form not evaluated, absent', { permitted: { uri: ['example.com'] } }, { dnsNames: ['a.example'] }, true],
    ['no names', { permitted: { dns: ['example.com'] } }, { commonName: 'victim.example' }, true],
  ];
  for (const [name, nameConstraints, fields, isValid] of rows) {
    test(`${name}: ${isValid ? 'valid' : 'refused'}`, async () => {
      const authority = await issue(root, {
        commonName: 'Limited',
        isCa: true,
        ...(nameConstraints && { nameConstraints }),
      });
      const expected = isValid ? 'valid' : 'name-constraints';
      assert.equal(outcome(judge(await issue(authority, fields))), expected);
    });
  }

  test('of distinguished names', async () => {
    const limited = judge(await selfSigned({ organizationalUnit: 'Limited' })).leaf;
    assert.ok(limited !== undefined);
    const wrap = (tag: number, content: Buffer) => Buffer.concat([Buffer.from([tag, content.length]), content]);
    const value = wrap(0x30, wrap(0xa0, wrap(0x30, wrap(0xa4, limited.subject))));
    const authority = await issue(root, {
      commonName: 'Limited',
      isCa: true,
      extensions: [{ oid: '2.5.29.30', critical: true, value }],
    });
    const below = async (fields: CertificateFields) => outcome(judge(await issue(authority, fields)));
    assert.equal(await below({ organizationalUnit: 'Limited', commonName: 'a.example' }), 'valid');
    assert.equal(await below({ organizationalUnit: 'Other', commonName: 'a.example' }), 'name-constraints');
    assert.equal(await below({ dnsNames: ['a.example'] }), 'valid');
  });

  test('reach through further authorities', async () => {
    const authority = await issue(root, {
      commonName: 'Limited',
      isCa: true,
      nameConstraints: { permitted: { dns: ['example.com'] } },
    });
    const below = await issue(authority, { commonName: 'Below', isCa: true });
    assert.equal(outcome(judge(await issue(below, { dnsNames: ['victim.example'] }))), 'name-constraints');
    assert.equal(outcome(judge(await issue(below, { dnsNames: ['example.com'] }))), 'valid');
  });

  test('of an anchor hold too', async () => {
    const authority = await createAuthority('Limited root', {
      nameConstraints: { permitted: { dns: ['example.com'] } },
    });
    const trust = store(authority);
    assert.equal(
      outcome(judge(await issue(authority, { dnsNames: ['victim.example'] }), { trust })),
      'name-constraints',
    );
  });

  test('cost little however many there are', async () => {
    const many = Array.from({ length: 900 }, (_, index) => `n${index}.example`);
    const authority = await createAuthority('Root of many', { nameConstraints: { permitted: { dns: many } } });
    const leaf = await issue(authority, { dnsNames: many });
    assert.equal(outcome(judge(leaf, { trust: store(authority) })), 'name-constraints');
  });
});

describe('direct trust', () => {
  const unusual: CertificateFields = { dnsNames: ['a.example'], eku: ['codeSigning'] };

  test('a self-signed certificate that is an anchor itself', async () => {
    const certificate = await selfSigned(unusual);
    assert.equal(outcome(judge(certificate, { trust: store(certificate) })), 'valid');
  });

  test('is not inherited by what it signs', async () => {
    const certificate = await selfSigned({ ...unusual, eku: [] });
    const below = await issue(certificate, { dnsNames: ['victim.example'] });
    assert.equal(outcome(judge(below, { trust: store(certificate) })), 'not-a-ca');
  });

  test('a pinned key, also in a renewed certificate, but within its dates', async () => {
    const first = await selfSigned(unusual);
    const probe = judge(first);
    assert.ok(probe.leaf !== undefined);
    const trust = new TrustStore(() => [], [probe.leaf.publicKeySha256]);
    assert.equal(outcome(judge(first, { trust })), 'valid');
    const { privateKeyPem } = first;
    assert.equal(outcome(judge(await issue(root, { privateKeyPem }), { trust })), 'valid');
    assert.equal(outcome(judge(await selfSigned({ privateKeyPem, ...past }), { trust })), 'expired');
    assert.equal(outcome(judge(await selfSigned({ privateKeyPem, ...future }), { trust })), 'not-yet-valid');
    assert.equal(outcome(judge(await selfSigned({ dnsNames: ['a.example'] }), { trust })), 'self-signed');
  });
});

test('malformed anchors are left out', async () => {
  const trust = new TrustStore(() => [Buffer.from('junk'), x509(root).raw]);
  assert.equal(outcome(judge(await issue(root, {}), { trust })), 'valid');
});
