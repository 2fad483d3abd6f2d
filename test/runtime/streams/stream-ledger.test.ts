import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexFederation } from '../../../src/policy/index.ts';
import { StreamLedger } from '../../../src/runtime/streams/stream-ledger.ts';
import { sampleFederation } from '../../support/federations.ts';

const index = indexFederation(
  sampleFederation({
    xmppGatewayConfiguration: { connectionLimit: 100, partnerConnectionLimit: 2 },
    xmppAllowedPartners: [
      { domain: 'fabrikam.com', additionalDomains: ['chat.fabrikam.com'] },
      { domain: 'litware.com', connectionLimit: 3 },
    ],
  }),
);

test('strangers: 20 from one address, and half of all streams from all of them', () => {
  const ledger = new StreamLedger();
  const open = (address: string): string => {
    const refusal = ledger.refusalFor(address, index);
    if (refusal === undefined) ledger.open(address);
    return refusal ?? 'open';
  };
  for (let i = 0; i < 20; i++) assert.equal(open('192.0.2.1'), 'open');
  assert.equal(open('192.0.2.1'), 'address-limit');
  for (let i = 0; i < 30; i++) assert.equal(open(`198.51.100.${i}`), 'open');
  assert.equal(open('203.0.113.1'), 'unproved-limit');
});

test('one address: an IPv4 address in either form, a network of IPv6', () => {
  const fill = (addresses: readonly string[], another: string) => {
    const ledger = new StreamLedger();
    for (let i = 0; i < 20; i++) ledger.open(addresses[i % addresses.length] ?? '');
    return ledger.refusalFor(another, index);
  };
  assert.equal(fill(['192.0.2.1', '::ffff:192.0.2.1'], '::ffff:192.0.2.1'), 'address-limit');
  assert.equal(fill(['2001:db8:1:2::1', '2001:db8:1:2:ffff::9'], '2001:db8:1:2:0:0:0:7'), 'address-limit');
  assert.equal(fill(['2001:db8:1:2::1'], '2001:db8:1:3::1'), undefined);
  assert.equal(fill(['fe80::1%eth0'], 'fe80::2%eth0'), 'address-limit');
  assert.equal(fill([''], ''), 'address-limit');
});

test('a proved stream makes room for strangers, and counts for its partner', () => {
  const ledger = new StreamLedger();
  const entries = Array.from({ length: 20 }, () => ledger.open('192.0.2.1'));
  entries[0]?.admit('fabrikam.com');
  assert.equal(ledger.refusalFor('192.0.2.1', index), undefined);
  assert.deepEqual([ledger.total, ledger.unproved], [20, 19]);
});

test('streams of a partner, by whichever of its domains, up to its own limit or the common one', () => {
  const ledger = new StreamLedger();
  const refusal = (domain: string) => ledger.open('192.0.2.1').limitFor(domain, index)?.path;
  const first = ledger.open('192.0.2.1');
  first.admit('fabrikam.com');
  assert.equal(refusal('chat.fabrikam.com'), undefined);
  ledger.open('192.0.2.1').admit('fabrikam.com');
  assert.equal(refusal('chat.fabrikam.com'), 'xmppGatewayConfiguration.partnerConnectionLimit');
  assert.equal(first.limitFor('chat.fabrikam.com', index), undefined, 'the stream counts already');
  for (let i = 0; i < 3; i++) ledger.open('192.0.2.1').admit('litware.com');
  assert.equal(refusal('litware.com'), 'xmppAllowedPartners[1].connectionLimit');
  assert.equal(
    first.limitFor('litware.com', index)?.reason,
    'partner-connection-limit',
    'a second partner on it would',
  );
  assert.equal(refusal('stranger.example'), undefined);
});

test('a stream with domains of two partners counts once for each', () => {
  const ledger = new StreamLedger();
  const entry = ledger.open('192.0.2.1');
  for (const partner of ['fabrikam.com', 'fabrikam.com', 'litware.com']) entry.admit(partner);
  ledger.open('192.0.2.1').admit('fabrikam.com');
  assert.equal(ledger.open('192.0.2.1').limitFor('fabrikam.com', index)?.reason, 'partner-connection-limit');
  entry.settle();
  assert.equal(ledger.open('192.0.2.1').limitFor('fabrikam.com', index), undefined);
});

test('streams of our own count in the total, and stop at it', () => {
  const ledger = new StreamLedger();
  for (let i = 0; i < 99; i++) ledger.open();
  assert.equal(ledger.outboundRefusal(index), undefined);
  const last = ledger.open();
  assert.equal(ledger.refusalFor('192.0.2.1', index), 'connection-limit');
  assert.deepEqual(ledger.outboundRefusal(index), {
    verdict: 'refuse',
    reason: 'connection-limit',
    path: 'xmppGatewayConfiguration.connectionLimit',
  });
  assert.equal(ledger.unproved, 0);
  last.settle();
  assert.equal(ledger.refusalFor('192.0.2.1', index), undefined);
});

test('X5: 20 000 connections that come and go leave nothing behind', () => {
  const ledger = new StreamLedger();
  for (let i = 0; i < 20_000; i++) {
    const entry = ledger.open(`198.51.${i % 256}.${(i >> 8) % 256}`);
    if (i % 3 === 0) entry.admit('fabrikam.com');
    entry.settle();
    entry.settle();
    entry.admit('litware.com');
  }
  assert.deepEqual([ledger.total, ledger.unproved], [0, 0]);
  assert.equal(ledger.open('192.0.2.1').limitFor('litware.com', index), undefined);
});
