import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { gatewayCommand } from '../../src/cli/gateway.ts';
import { DEFAULT_SETTINGS, type HostSettings } from '../../src/runtime/settings.ts';
import { createAuthority, issue, temporaryDirectory, writeCertificate } from '../support/certificates.ts';
import { type RunningCommand, startCommand } from '../support/command-line.ts';
import { sampleProps } from '../support/federations.ts';

/** What the flags and the environment come to; a mistake is thrown with its message. */
async function settings(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<HostSettings> {
  let read: HostSettings | undefined;
  const command = gatewayCommand(async (made) => {
    read = made;
  });
  command.exitOverride().configureOutput({ writeErr: () => {} });
  const before = { ...process.env };
  Object.assign(process.env, env);
  try {
    await command.parseAsync(['--config', 'federation.json', ...args], { from: 'user' });
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
    Object.assign(process.env, before);
  }
  assert(read !== undefined);
  return read;
}

test('without flags everything but the configuration is as it is by default', async () => {
  assert.deepEqual(await settings([]), { ...DEFAULT_SETTINGS, configFile: 'federation.json' });
});

test('every flag has its setting', async () => {
  const made = await settings([
    ...['--certificates', 'certs', '--ca', 'ca.pem', '--secrets', 'secrets'],
    ...['--xmpp-listen', '192.0.2.1:5269', '--xmpp-direct-tls-listen', '[2001:db8::1]:5270'],
    ...[
      '--sip-listen',
      'udp:10.0.0.1:5060',
      '--sip-next-hop',
      'tls:pool.contoso.com',
      '--sip-host',
      'Edge1.contoso.com',
    ],
    ...['--sip-certificate', 'sip', '--resolver', '192.0.2.53', '--outbound-address', '192.0.2.1'],
    ...['--allow-private-addresses', '--admin-listen', 'off', '--drain-timeout', '30', '--log-level', 'warn'],
  ]);
  assert.deepEqual(made, {
    configFile: 'federation.json',
    certificatesFolder: 'certs',
    caFile: 'ca.pem',
    secretsFolder: 'secrets',
    xmppListen: [{ address: '192.0.2.1', port: 5269 }],
    xmppDirectTlsListen: [{ address: '2001:db8::1', port: 5270 }],
    sipListen: [{ transport: 'udp', address: '10.0.0.1', port: 5060 }],
    sipNextHops: [{ transport: 'tls', fqdn: 'pool.contoso.com', port: 5061 }],
    sipHost: 'edge1.contoso.com',
    sipCertificate: 'sip',
    resolvers: [{ address: '192.0.2.53', port: 53 }],
    outboundAddress: '192.0.2.1',
    allowPrivateAddresses: true,
    adminListen: undefined,
    drainTimeout: 30,
    logLevel: 'warn',
  } satisfies HostSettings);
});

test('a list grows with each flag and each comma, and takes the place of the default', async () => {
  const { xmppListen, sipListen } = await settings([
    ...['--xmpp-listen', '192.0.2.1:5269', '--xmpp-listen', '192.0.2.2:5269, 192.0.2.3:5269'],
    ...['--sip-listen', 'tls:10.0.0.1:5061', '--sip-listen', 'udp:10.0.0.1:5060'],
  ]);
  assert.deepEqual(
    xmppListen.map(({ address }) => address),
    ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
  );
  assert.deepEqual(
    sipListen.map(({ transport }) => transport),
    ['tls', 'udp'],
  );
  // Once more, from the start.
  assert.equal((await settings(['--xmpp-listen', '192.0.2.9:1'])).xmppListen.length, 1);
  assert.deepEqual((await settings([])).xmppListen, DEFAULT_SETTINGS.xmppListen);
});

test('the environment counts where there is no flag', async () => {
  const env = {
    XMPP_FEDERATION_XMPP_LISTEN: '192.0.2.1:5269,[2001:db8::1]:5269',
    XMPP_FEDERATION_RESOLVER: '192.0.2.53',
    XMPP_FEDERATION_ADMIN_LISTEN: 'off',
    XMPP_FEDERATION_LOG_LEVEL: 'error',
  };
  const made = await settings(['--resolver', '192.0.2.54', '--resolver', '192.0.2.55'], env);
  assert.deepEqual(
    made.xmppListen.map(({ address }) => address),
    ['192.0.2.1', '2001:db8::1'],
  );
  assert.deepEqual(
    made.resolvers.map(({ address }) => address),
    ['192.0.2.54', '192.0.2.55'],
  );
  assert.deepEqual([made.adminListen, made.logLevel], [undefined, 'error']);
});

test('a switch in the environment says yes or no', async () => {
  const allowed = async (text: string, ...args: readonly string[]) =>
    (await settings(args, { XMPP_FEDERATION_ALLOW_PRIVATE_ADDRESSES: text })).allowPrivateAddresses;
  assert.deepEqual([await allowed('yes'), await allowed('0'), await allowed('false')], [true, false, false]);
  assert.equal(await allowed('yes', '--allow-private-addresses', 'no'), false);
  await assert.rejects(allowed(''), /expected yes or no, got nothing/);
});

test('a value of no use says what was expected', async () => {
  const cases: [args: readonly string[], expected: RegExp][] = [
    [
      ['--xmpp-listen', 'localhost:5269'],
      /--xmpp-listen <address>' argument .* expected an address and port .* got "localhost:5269"/,
    ],
    [['--xmpp-listen', '192.0.2.1:1,'], /expected an address and port .* got nothing/],
    [['--sip-listen', '5061'], /expected a transport, address and port/],
    [['--sip-next-hop', 'pool.contoso.com'], /expected a transport, host and port/],
    [['--sip-host', 'a b'], /expected a host name or an IP address/],
    [['--resolver', 'dns.contoso.com'], /expected the IP address of a name server/],
    [['--outbound-address', 'eth0'], /expected an IP address of this host/],
    [['--admin-listen', 'none'], /expected an address and port/],
    [['--drain-timeout', 'soon'], /expected whole seconds/],
    [['--log-level', 'loud'], /Allowed choices are trace, debug, info/],
  ];
  for (const [args, expected] of cases) await assert.rejects(settings(args), { message: expected });
  await assert.rejects(
    settings([], { XMPP_FEDERATION_SIP_LISTEN: 'x' }),
    /XMPP_FEDERATION_SIP_LISTEN.*expected a transport/,
  );
});

// -- the process -------------------------------------------------------------------------------------------------------

interface Host {
  readonly folder: string;
  readonly args: readonly string[];
  declare(environment: string): Promise<void>;
}

async function host(t: TestContext): Promise<Host> {
  const folder = await temporaryDirectory(t);
  const authority = await createAuthority('Test authority');
  await writeCertificate(folder, 'default', await issue(authority, { dnsNames: ['contoso.com'] }));
  await writeFile(join(folder, 'ca.pem'), authority.certificatePem);
  const config = join(folder, 'federation.json');
  const args = [
    ...['gateway', '--config', config, '--certificates', folder, '--ca', join(folder, 'ca.pem')],
    ...['--xmpp-listen', '127.0.0.1:0', '--sip-listen', 'tls:127.0.0.1:0', '--admin-listen', '127.0.0.1:0'],
    ...['--resolver', '127.0.0.1:9'],
  ];
  const declare = (environment: string) => writeFile(config, JSON.stringify(sampleProps({ environment })));
  return { folder, args, declare };
}

async function nextEvent({ lines }: RunningCommand, event: string): Promise<Record<string, unknown>> {
  return JSON.parse(await lines.next((line) => line.includes(`"event":"${event}"`)));
}

test('it starts, shows its state, reloads on SIGHUP and stops on SIGTERM with nothing left open', async (t) => {
  const { args, declare } = await host(t);
  await declare('one');
  const running = startCommand(args);
  t.after(() => running.process.kill('SIGKILL'));
  const { admin } = await nextEvent(running, 'listening');
  assert.equal((await nextEvent(running, 'configuration-in-force')).environment, 'one');
  const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  assert.match(metrics, /^xmpp_federation_configuration_info\{.*environment="one"\} 1$/m);

  await declare('two');
  running.process.kill('SIGHUP');
  assert.equal((await nextEvent(running, 'configuration-in-force')).environment, 'two');
  running.process.kill('SIGTERM');
  const { status, err } = await running.ended;
  assert.deepEqual([status, err], [0, '']);
  await nextEvent(running, 'stopped');
});

test('what cannot start says everything that is wrong on standard error', async (t) => {
  const { args, declare, folder } = await host(t);
  await declare('');
  const refused = startCommand(args).ended;
  const missing = startCommand([
    ...args,
    '--secrets',
    folder,
    '--sip-certificate',
    'sip',
    '--config',
    join(folder, 'none.json'),
  ]).ended;
  const { status, out, err } = await refused;
  assert.deepEqual([status, out], [1, '']);
  assert.match(
    err,
    /^error {4}environment: expected .*\[.*\]\nxmpp-federation gateway: the configuration cannot be used\n$/,
  );
  assert.equal((await missing).status, 1);
  assert.match((await missing).err, /expected a readable file, got ENOENT.*\[unreadable-file\]\n/);
});
