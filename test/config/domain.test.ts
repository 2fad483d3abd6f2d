import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { domainName, normalizeDomain } from '../../src/config/domain.ts';

const SAME: readonly (readonly [string, string])[] = [
  ['fabrikam.com', 'fabrikam.com'],
  ['Fabrikam.COM', 'fabrikam.com'],
  ['fabrikam.com.', 'fabrikam.com'],
  ['localhost', 'localhost'],
  ['r3---sn.example', 'r3---sn.example'],
  ['4chan.example', '4chan.example'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['BÜCHER.example', 'xn--bcher-kva.example'],
  ['bu\u0308cher.example', 'xn--bcher-kva.example'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['例え.jp', 'xn--r8jz45g.jp'],
];

const NO_DOMAINS: readonly string[] = [
  '',
  '.',
  '..',
  'a..b',
  '.fabrikam.com',
  'fabrikam.com..',
  '*.fabrikam.com',
  '*',
  '192.0.2.1',
  '192.0.2.1.',
  '[2001:db8::1]',
  '2001:db8::1',
  '0x7f.1',
  '127.1',
  '1',
  '0x',
  'fabrikam.0X7F',
  '-a.com',
  'a-.com',
  'a_b.com',
  'a b.com',
  'fabrikam.com/x',
  'ann@fabrikam.com',
  'fabrikam.com:5269',
  'xn--.com',
  'xn--a.com',
  'xn--fabrikam-.com',
  'ｆabrikam.com',
  '\u212aabrikam.com',
  'fabrikam。com',
  '１９２.0.2.1',
  'a\u200bb.com',
  'a\u202eb.com',
  'fabrikam.com\n',
  'fabrikam\u0000.com',
  `${'a'.repeat(64)}.com`,
  `${'a.'.repeat(127)}com`,
  'ü'.repeat(600),
];

test('normal form: lower-case A-labels without trailing dot', () => {
  for (const [text, domain] of SAME) assert.equal(normalizeDomain(text), domain, text);
});

test('what is no domain name is undefined', () => {
  for (const text of NO_DOMAINS) assert.equal(normalizeDomain(text), undefined, JSON.stringify(text));
});

test('the longest label and the longest name', () => {
  assert.equal(normalizeDomain(`${'a'.repeat(63)}.com`), `${'a'.repeat(63)}.com`);
  const longest = `${'a.'.repeat(125)}com`;
  assert.equal(longest.length, 253);
  assert.equal(normalizeDomain(longest), longest);
  assert.equal(normalizeDomain(`a${longest}`), undefined);
});

test('normalizing twice changes nothing, and the form is plain ASCII', () => {
  fc.assert(
    fc.property(fc.oneof(fc.domain(), fc.string({ unit: 'grapheme', maxLength: 40 })), (text) => {
      const domain = normalizeDomain(text);
      if (domain === undefined) return;
      assert.match(domain, /^[a-z0-9.-]+$/);
      assert.equal(normalizeDomain(domain), domain);
    }),
  );
});

test('the schema transforms, and says what it wanted', () => {
  assert.equal(domainName.parse('Fabrikam.com.'), 'fabrikam.com');
  for (const wrong of ['*.fabrikam.com', 7]) {
    const result = domainName.safeParse(wrong);
    assert.equal(result.success, false);
    assert.match(result.error?.issues[0]?.message ?? '', /^a domain name without wildcard/);
  }
});
