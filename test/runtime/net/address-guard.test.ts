import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPublicAddress, ownEndpoints } from '../../../src/runtime/net/address-guard.ts';

test('public addresses', () => {
  for (const address of ['9.9.9.9', '2620:fe::fe', '::ffff:9.9.9.9', '64:ff9b::909:909']) {
    assert.equal(isPublicAddress(address), true, address);
  }
});

test('addresses that are not', () => {
  const addresses = [
    '127.0.0.1',
    '127.8.8.8',
    '0.0.0.0',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.169.254',
    '100.64.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '192.0.2.1',
    '198.18.0.1',
    '240.0.0.1',
    '::1',
    '::',
    'fe80::1',
    'fc00::1',
    'fd12::1',
    'ff02::1',
    '2001:db8::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '64:ff9b::7f00:1',
    '64:ff9b:1::1',
    '2002:7f00:1::1',
    '2001::1',
    'localhost',
    '0x7f.1',
    '127.1',
    '',
    'fe80::1%eth0',
  ];
  for (const address of addresses) assert.equal(isPublicAddress(address), false, address);
});

test('own listeners, also behind a wildcard and in other spellings', () => {
  const interfaces = {
    eth0: [
      { address: '192.0.2.7', netmask: '', family: 'IPv4' as const, mac: '', internal: false, cidr: null },
      {
        address: '2001:db8::7',
        netmask: '',
        family: 'IPv6' as const,
        mac: '',
        internal: false,
        cidr: null,
        scopeid: 0,
      },
    ],
  };
  const isOwn = ownEndpoints(
    [
      { address: '0.0.0.0', port: 5269 },
      { address: '127.0.0.9', port: 5270 },
    ],
    interfaces,
  );
  assert.equal(isOwn('192.0.2.7', 5269), true);
  assert.equal(isOwn('2001:0DB8:0::7', 5269), true);
  assert.equal(isOwn('::ffff:192.0.2.7', 5269), true);
  assert.equal(isOwn('127.0.0.1', 5269), true);
  assert.equal(isOwn('127.0.0.9', 5270), true);
  assert.equal(isOwn('192.0.2.7', 5270), false);
  assert.equal(isOwn('192.0.2.8', 5269), false);
});
