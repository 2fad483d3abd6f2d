import assert from 'node:assert/strict';
import test from 'node:test';
import type { FederationConfigProps } from '../../src/config/index.ts';
import { optionLines } from '../../src/review/option-lines.ts';
import { reviewFederation } from '../../src/review/review.ts';
import { sampleFederation } from '../support/federations.ts';

function linesOf(before: Partial<FederationConfigProps>, after: Partial<FederationConfigProps>): readonly string[] {
  const review = reviewFederation(
    { label: 'base', config: sampleFederation(before) },
    { label: 'head', config: sampleFederation(after) },
  );
  return optionLines(review.options).map(({ what, before: old, after: fresh }) => `${what} | ${old} | ${fresh}`);
}

const partners = (count: number, changes: object = {}) => ({
  xmppAllowedPartners: Array.from({ length: count }, (_, i) => ({ domain: `p${i}.example`, ...changes })),
});

test('up to three alike are lines of their own, four are one', () => {
  const off = { enableKeepAlive: false };
  assert.deepEqual(linesOf(partners(3), partners(3, off)), [
    'xmppAllowedPartners[p0.example].enableKeepAlive | true | false',
    'xmppAllowedPartners[p1.example].enableKeepAlive | true | false',
    'xmppAllowedPartners[p2.example].enableKeepAlive | true | false',
  ]);
  assert.deepEqual(linesOf(partners(4), partners(4, off)), [
    'enableKeepAlive of 4 partners (p0.example, p1.example, p2.example, …) | true | false',
  ]);
});

test('entries that come, go or move are counted, whatever is in them', () => {
  assert.deepEqual(linesOf(partners(9), partners(4)), [
    '5 partners (p4.example, p5.example, p6.example, …) removed |  | ',
  ]);
  const domains = ['w.example', 'x.example', 'y.example', 'z.example'];
  const withDomains = (owner: number) => ({
    xmppAllowedPartners: [0, 1].map((i) => ({
      domain: `p${i}.example`,
      additionalDomains: i === owner ? domains : [],
    })),
  });
  assert.deepEqual(linesOf(withDomains(0), withDomains(1)), [
    '4 partner domains (w.example, x.example, y.example, …) moved |  | ',
  ]);
});

test('lists say what they lost and gained, added up for many', () => {
  const users = (...names: readonly string[]) => ({
    grants: [{ policyName: 'XmppUsers', users: names.map((name) => `${name}@contoso.com`) }],
  });
  assert.deepEqual(linesOf(users('ann'), users('bob', 'cyd')), [
    'grants[XmppUsers].users | without ann@contoso.com | with bob@contoso.com, cyd@contoso.com',
  ]);
  assert.deepEqual(linesOf(users('z'), users('a', 'b', 'c', 'd', 'z')), [
    'grants[XmppUsers].users |  | with 4: a@contoso.com, b@contoso.com, c@contoso.com and 1 more',
  ]);
  assert.deepEqual(linesOf(partners(5), partners(5, { allowedStanzaKinds: ['message'] })), [
    'allowedStanzaKinds of 5 partners (p0.example, p1.example, p2.example, …) | without 10: iq, iq, iq and 7 more | ',
  ]);
});

test('an option that was not set, and one that is no more', () => {
  assert.deepEqual(linesOf(partners(1), partners(1, { connectionLimit: 4 })), [
    'xmppAllowedPartners[p0.example].connectionLimit | not set | 4',
  ]);
  assert.deepEqual(linesOf(partners(1, { proxyFqdn: 'x.example' }), partners(1)), [
    'xmppAllowedPartners[p0.example].proxyFqdn | x.example | not set',
  ]);
});

test('an entry is told by its options, in bounded length', () => {
  const [line = ''] = linesOf(
    partners(0),
    partners(1, { additionalDomains: Array.from({ length: 30 }, (_, i) => `d${i}.example`) }),
  );
  assert.match(
    line,
    /^xmppAllowedPartners\[p0\.example\] \| {2}\| additionalDomains 30: d0\.example, d1\.example, d10\.example and 27 more, partnerType PublicUnverified/,
  );
  assert.ok(line.length < 250);
});
