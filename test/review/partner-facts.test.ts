import assert from 'node:assert/strict';
import test from 'node:test';
import type { XmppAllowedPartner } from '../../src/config/index.ts';
import { partnerFacts } from '../../src/review/partner-facts.ts';
import { partnerWith } from '../support/partners.ts';

const partner = (domain: string, additionalDomains: readonly string[] = [], more: Partial<XmppAllowedPartner> = {}) =>
  partnerWith({ domain, additionalDomains: [...additionalDomains], ...more });

function factsOf(before: readonly XmppAllowedPartner[], after: readonly XmppAllowedPartner[]): readonly string[] {
  return partnerFacts(before, after).map(({ kind, path, before: old, after: fresh, removed, added }) => {
    const isEntry = typeof (old ?? fresh) === 'object';
    const values = isEntry ? [] : [old, fresh].filter((value) => value !== undefined);
    const lists = [...(removed ?? []).map((text) => `-${text}`), ...(added ?? []).map((text) => `+${text}`)];
    return [kind, path, ...values, ...lists].join(' ');
  });
}

test('a partner that came, went, changed', () => {
  const [a, b] = [partner('a.example'), partner('b.example')];
  assert.deepEqual(factsOf([a], [b]), [
    'removed xmppAllowedPartners[a.example]',
    'added xmppAllowedPartners[b.example]',
  ]);
  assert.deepEqual(factsOf([a], [partner('a.example', [], { enableKeepAlive: false, messageRateLimit: 5 })]), [
    'changed xmppAllowedPartners[a.example].enableKeepAlive true false',
    'added xmppAllowedPartners[a.example].messageRateLimit 5',
  ]);
  assert.deepEqual(factsOf([a, b], [b, a]), []);
});

test('another primary domain is a renaming', () => {
  assert.deepEqual(factsOf([partner('a.example', ['b.example'])], [partner('b.example', ['a.example'])]), [
    'renamed xmppAllowedPartners[b.example].domain a.example b.example',
  ]);
});

test('a renaming that also lets domains in, or out, says so', () => {
  assert.deepEqual(factsOf([partner('a.example', ['b.example'])], [partner('c.example', ['b.example', 'd.example'])]), [
    'renamed xmppAllowedPartners[c.example].domain a.example c.example',
    'changed xmppAllowedPartners[c.example].additionalDomains -a.example +c.example +d.example',
  ]);
});

test('partners that share no domain are different partners, however alike', () => {
  const [old, fresh] = [
    partner('fabrikan.example', [], { description: 'Parts' }),
    partner('fabrikam.example', [], { description: 'Parts' }),
  ];
  assert.deepEqual(factsOf([old], [fresh]).length, 2);
});

test('of two that could be the renamed one, the one with more in common is', () => {
  const facts = factsOf(
    [partner('a.example', ['b.example', 'c.example', 'd.example'])],
    [partner('c.example', ['a.example', 'b.example']), partner('e.example', ['d.example'])],
  );
  assert.deepEqual(facts, [
    'renamed xmppAllowedPartners[c.example].domain a.example c.example',
    'added xmppAllowedPartners[e.example]',
    'moved xmppAllowedPartners[*].additionalDomains[d.example] a.example e.example',
  ]);
});

test('a domain that changes hands is moved', () => {
  const [a, b] = [partner('a.example', ['x.example']), partner('b.example')];
  assert.deepEqual(factsOf([a, b], [partner('a.example'), partner('b.example', ['x.example'])]), [
    'moved xmppAllowedPartners[*].additionalDomains[x.example] a.example b.example',
  ]);
  // Split off into a partner of its own.
  assert.deepEqual(factsOf([a], [partner('a.example'), partner('x.example')]), [
    'added xmppAllowedPartners[x.example]',
    'moved xmppAllowedPartners[*].additionalDomains[x.example] a.example x.example',
  ]);
});

test("a domain that two claim is nobody's, and so it does not move", () => {
  const before = [partner('a.example', ['x.example']), partner('b.example', ['x.example'])];
  assert.deepEqual(factsOf(before, [partner('a.example'), partner('b.example', ['x.example'])]), [
    'changed xmppAllowedPartners[a.example].additionalDomains -x.example',
  ]);
});

test('ten thousand renamed partners take no longer than they must', () => {
  const before = Array.from({ length: 10_000 }, (_, i) => partner(`a${i}.example`, [`b${i}.example`, 'all.example']));
  const after = Array.from({ length: 10_000 }, (_, i) => partner(`b${i}.example`, [`a${i}.example`, 'all.example']));
  assert.ok(partnerFacts(before, after).every(({ kind }) => kind === 'renamed'));
});
