import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_PEER_CERTIFICATE, PeerTrust } from '../../../src/runtime/pki/peer-certificate.ts';
import { TrustStore } from '../../../src/runtime/pki/trust-store.ts';
import { createAuthority, issue, selfSigned, sentChain, x509 } from '../../support/certificates.ts';

const DAY = 86_400_000;

async function setUp() {
  const root = await createAuthority('Root');
  let loads = 0;
  const store = new TrustStore(() => {
    loads += 1;
    return [x509(root).raw];
  });
  return { root, trust: new PeerTrust(store), loads: () => loads };
}

test('facts of a valid certificate', async () => {
  const { root, trust } = await setUp();
  const leaf = await issue(root, {
    dnsNames: ['a.example', '*.sub.example'],
    srvNames: ['_xmpp-server.b.example'],
    xmppAddrs: ['c.example'],
  });
  const facts = trust.judge(sentChain(leaf), Date.now());
  assert.equal(facts.presented, true);
  assert.equal(facts.valid, true);
  assert.equal(facts.reason, undefined);
  assert.deepEqual(facts.names, [
    'dNSName:a.example',
    'dNSName:*.sub.example',
    'SRVName:_xmpp-server.b.example',
    'XmppAddr:c.example',
  ]);
  for (const domain of ['a.example', 'x.sub.example', 'b.example', 'c.example'])
    assert.ok(facts.proves(domain), domain);
  assert.equal(facts.proves('d.example'), false);
  assert.equal(facts.provesHost('a.example'), true);
  assert.equal(facts.provesHost('x.sub.example'), false);
  assert.equal(facts.provesHost('c.example'), false);
  assert.equal(facts.notAfter, Date.parse(x509(leaf).validTo));
  assert.equal(facts.fingerprintSha256, x509(leaf).fingerprint256.replaceAll(':', '').toLowerCase());
});

test('a certificate that is not valid proves nothing, though it mentions the domain', async () => {
  const { trust } = await setUp();
  const facts = trust.judge(sentChain(await selfSigned({ dnsNames: ['a.example'] })), Date.now());
  assert.equal(facts.valid, false);
  assert.equal(facts.reason, 'self-signed');
  assert.equal(facts.proves('a.example'), false);
  assert.equal(facts.provesHost('a.example'), false);
  assert.equal(facts.mentions('a.example'), true);
});

test('a common name is not a name', async () => {
  const { root, trust } = await setUp();
  const facts = trust.judge(sentChain(await issue(root, { commonName: 'a.example' })), Date.now());
  assert.equal(facts.valid, true);
  assert.equal(facts.proves('a.example'), false);
  const comma = await issue(root, {
    organizationalUnit: 'CN=a.example,',
    commonName: 'b.example',
    dnsNames: ['c.example'],
  });
  assert.deepEqual(
    ['a.example', 'b.example', 'c.example'].map((domain) => trust.judge(sentChain(comma), Date.now()).proves(domain)),
    [false, false, true],
  );
});

test('nothing presented, and nothing readable', async () => {
  const { trust } = await setUp();
  assert.equal(trust.judge([], 0), NO_PEER_CERTIFICATE);
  assert.equal(NO_PEER_CERTIFICATE.proves('a.example'), false);
  const facts = trust.judge([Buffer.from('junk')], 0);
  assert.equal(facts.presented, true);
  assert.equal(facts.reason, 'malformed');
});

test('verdicts are remembered, but not beyond their dates', async () => {
  const { root, trust, loads } = await setUp();
  const now = Date.now();
  const chain = sentChain(await issue(root, { dnsNames: ['a.example'], notAfter: new Date(now + DAY) }));
  const first = trust.judge(chain, now);
  assert.equal(trust.judge(chain, now + DAY / 2), first);
  assert.equal(trust.judge(chain, now + 2 * DAY).reason, 'expired');
  assert.equal(trust.judge(chain, now).valid, true);
  assert.equal(loads(), 1);
});

test('a refusal is asked again after a minute', async () => {
  const { root, trust } = await setUp();
  const now = Date.now();
  const chain = sentChain(await issue(root, { notBefore: new Date(now + 10_000) }));
  assert.equal(trust.judge(chain, now).reason, 'not-yet-valid');
  assert.equal(trust.judge(chain, now + 61_000).valid, true);
});

test('the same leaf with another chain is another question', async () => {
  const { root, trust } = await setUp();
  const now = Date.now();
  const middle = await issue(root, { commonName: 'Intermediate', isCa: true });
  const chain = sentChain(await issue(middle, { dnsNames: ['a.example'] }));
  assert.equal(trust.judge(chain.slice(0, 1), now).reason, 'unknown-issuer');
  assert.equal(trust.judge(chain, now).valid, true);
});
