import assert from 'node:assert/strict';
import test from 'node:test';
import {
  DEFAULT_SETTINGS,
  formatListenAddress,
  parseAddress,
  parseHost,
  parseListenAddress,
  parseNextHop,
  parseResolver,
  parseSeconds,
  parseSipListenAddress,
  parseSwitch,
  SettingError,
} from '../../src/runtime/settings.ts';

/** Each text is refused, with what was expected and what was found. */
function refuses(parse: (text: string) => unknown, expected: RegExp, texts: readonly string[]): void {
  for (const text of texts) {
    assert.throws(
      () => parse(text),
      (error) => {
        assert(error instanceof SettingError, text);
        assert.match(error.message, expected);
        assert.match(error.message, text === '' ? /, got nothing$/ : /, got "/);
        assert.ok(error.message.length < 250);
        return true;
      },
      text,
    );
  }
}

test('addresses to listen on', () => {
  const everywhere = { address: undefined, port: 5269 };
  for (const text of ['5269', ':5269', '*:5269']) assert.deepEqual(parseListenAddress(text), everywhere);
  assert.deepEqual(parseListenAddress('192.0.2.1:0'), { address: '192.0.2.1', port: 0 });
  assert.deepEqual(parseListenAddress('[2001:DB8::1]:65535'), { address: '2001:db8::1', port: 65_535 });
  refuses(parseListenAddress, /^expected an address and port such as/, [
    '',
    ' 5269',
    'localhost:5269',
    '192.0.2.1',
    '2001:db8::1',
    '[2001:db8::1]',
    '[192.0.2.1]x:1',
    '192.0.2.1:65536',
    '192.0.2.1:-1',
    '192.0.2.1:5269:1',
    '192.0.2.256:5269',
    '010.0.0.1:5269',
    '192.0.2.0/24:5269',
    '[fe80::1%eth0]:5269',
    '5269 ',
    '0x10',
    '1'.repeat(1_000),
  ]);
});

test('what is written is read back', () => {
  for (const text of ['*:5269', '192.0.2.1:5269', '[2001:db8::1]:5269']) {
    assert.equal(formatListenAddress(parseListenAddress(text)), text);
  }
});

test('addresses for the pool', () => {
  assert.deepEqual(parseSipListenAddress('tls:5061'), { transport: 'tls', address: undefined, port: 5061 });
  assert.deepEqual(parseSipListenAddress('UDP:[::1]:5060'), { transport: 'udp', address: '::1', port: 5060 });
  refuses(parseSipListenAddress, /^expected a transport, address and port such as tls:/, [
    '',
    '5061',
    'sctp:5060',
    'tls',
    'tls:',
    'tls:pool.contoso.com:5061',
    ':5061',
  ]);
});

test('next hops', () => {
  assert.deepEqual(parseNextHop('tls:Pool.Contoso.com'), { transport: 'tls', fqdn: 'pool.contoso.com', port: 5061 });
  assert.deepEqual(parseNextHop('tcp:pool.contoso.com'), { transport: 'tcp', fqdn: 'pool.contoso.com', port: 5060 });
  assert.deepEqual(parseNextHop('udp:192.0.2.7:5070'), { transport: 'udp', fqdn: '192.0.2.7', port: 5070 });
  assert.deepEqual(parseNextHop('tcp:[2001:db8::7]:5070'), { transport: 'tcp', fqdn: '2001:db8::7', port: 5070 });
  refuses(parseNextHop, /^expected a transport, host and port such as tls:pool/, [
    '',
    'pool.contoso.com:5061',
    'tls:',
    'tls::5061',
    'tls:pool.contoso.com:0',
    'tls:pool.contoso.com:99999',
    'tls:pool..contoso.com',
    'tls:*.contoso.com',
    'tls:-pool',
    'tls:127.1:5061',
    'tls:[pool.contoso.com:5061',
    'tls:pool.contoso.com:5061/udp',
  ]);
});

test('name servers', () => {
  assert.deepEqual(parseResolver('192.0.2.53'), { address: '192.0.2.53', port: 53 });
  assert.deepEqual(parseResolver('192.0.2.53:5353'), { address: '192.0.2.53', port: 5353 });
  assert.deepEqual(parseResolver('2001:db8::53'), { address: '2001:db8::53', port: 53 });
  assert.deepEqual(parseResolver('[2001:db8::53]:5353'), { address: '2001:db8::53', port: 5353 });
  refuses(parseResolver, /^expected the IP address of a name server/, [
    '',
    'dns.contoso.com',
    '192.0.2.53:0',
    '192.0.2.53:',
    '[2001:db8::53',
    '53',
  ]);
});

test('addresses, hosts and switches', () => {
  assert.equal(parseAddress('2001:DB8:0::1'), '2001:db8::1');
  refuses(parseAddress, /^expected an IP address of this host/, ['', 'eth0', '192.0.2.0/24', '0']);
  assert.equal(parseHost('Edge1.Contoso.com.'), 'edge1.contoso.com');
  assert.equal(parseHost('192.0.2.1'), '192.0.2.1');
  refuses(parseHost, /^expected a host name or an IP address/, ['', 'edge1:5061', 'a b', 'a\r\nVia: x', 'edge_1..com']);
  assert.deepEqual(['0', '10', '3600'].map(parseSeconds), [0, 10, 3_600]);
  refuses(parseSeconds, /^expected whole seconds from 0 to 3600/, ['', '-1', '1.5', '3601', '1e3', '10s', '99999']);
  for (const text of ['yes', 'True', 'on', '1']) assert.equal(parseSwitch(text), true);
  for (const text of ['no', 'FALSE', 'off', '0']) assert.equal(parseSwitch(text), false);
  refuses(parseSwitch, /^expected yes or no/, ['', 'maybe', '2', 'yes ']);
});

test('only streams of partners are taken on every address by default', () => {
  const { xmppListen, sipListen, adminListen, allowPrivateAddresses } = DEFAULT_SETTINGS;
  assert.deepEqual(
    xmppListen.map(({ address }) => address),
    [undefined],
  );
  assert.deepEqual(
    [...sipListen, adminListen].map((listen) => listen?.address),
    ['127.0.0.1', '127.0.0.1'],
  );
  assert.equal(allowPrivateAddresses, false);
});
