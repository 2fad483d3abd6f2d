import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDnsServer, parseResolvConf, systemDnsServers } from '../../../src/runtime/net/dns-servers.ts';

test('server addresses', () => {
  assert.deepEqual(parseDnsServer('192.0.2.1'), { address: '192.0.2.1', port: 53 });
  assert.deepEqual(parseDnsServer('192.0.2.1:5353'), { address: '192.0.2.1', port: 5353 });
  assert.deepEqual(parseDnsServer('2001:db8::1'), { address: '2001:db8::1', port: 53 });
  assert.deepEqual(parseDnsServer('[2001:db8::1]:5353'), { address: '2001:db8::1', port: 5353 });
  assert.deepEqual(parseDnsServer('[2001:db8::1]'), { address: '2001:db8::1', port: 53 });
  const wrong = [
    '',
    'dns.example',
    '192.0.2.1:',
    '192.0.2.1:0',
    '192.0.2.1:65536',
    '[192.0.2.1]:53',
    '256.0.0.1',
    ':53',
  ];
  for (const text of wrong) assert.equal(parseDnsServer(text), undefined, text);
});

test('resolv.conf', async () => {
  const text =
    '# comment\nnameserver 192.0.2.1\n\tnameserver\t2001:db8::1 # second\noptions edns0\nnameserver bad\nnameserver';
  assert.deepEqual(
    parseResolvConf(text).map(({ address }) => address),
    ['192.0.2.1', '2001:db8::1'],
  );
  assert.equal(parseResolvConf('nameserver 192.0.2.1\n'.repeat(9)).length, 3);
  assert.deepEqual(await systemDnsServers('/nonexistent/resolv.conf'), [{ address: '127.0.0.1', port: 53 }]);
});
