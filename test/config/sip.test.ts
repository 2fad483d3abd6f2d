import assert from 'node:assert/strict';
import test from 'node:test';
import { normalizeAddress } from '../../src/config/sip.ts';

test('addresses and networks have one spelling', () => {
  assert.equal(normalizeAddress('192.0.2.1'), '192.0.2.1');
  assert.equal(normalizeAddress('192.0.2.0/24'), '192.0.2.0/24');
  assert.equal(normalizeAddress('2001:DB8:0::1'), '2001:db8::1');
  assert.equal(normalizeAddress('2001:db8::/32'), '2001:db8::/32');
  assert.equal(normalizeAddress('0.0.0.0/0'), '0.0.0.0/0');
});

test('whatever could be read in two ways is refused', () => {
  const wrong = [
    '',
    '/',
    'pool.contoso.com',
    '192.0.2.1/24',
    '192.0.2.0/33',
    '192.0.2.0/024',
    '192.0.2.0/',
    '192.0.2.0/-1',
    '2001:db8::1/64',
    '2001:db8::/129',
    '0x7f.1',
    '127.1',
    '010.0.0.1',
    '::ffff:192.0.2.1',
    'fe80::1%eth0',
    '192.0.2.1 ',
    '1'.repeat(100_000),
  ];
  for (const text of wrong) assert.equal(normalizeAddress(text), undefined, text.slice(0, 40));
});
