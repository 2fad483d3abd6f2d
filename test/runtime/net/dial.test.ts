import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type DialOptions, type DialTarget, dial } from '../../../src/runtime/net/dial.ts';
import type { DnsAnswer, Resolver } from '../../../src/runtime/net/dns-resolver.ts';
import { GatewayError } from '../../../src/runtime/net/gateway-error.ts';

type Addresses = Readonly<Record<string, { readonly 4?: readonly string[]; readonly 6?: readonly string[] }>>;

const never = new Promise<never>(() => {});

function resolverOf(
  addresses: Addresses,
  failing: Readonly<Record<string, DnsAnswer<never> | 'never'>> = {},
): Resolver {
  const answer = (name: string, type: string): Promise<DnsAnswer<never>> => {
    const failure = failing[`${type} ${name}`] ?? failing[name];
    if (failure === 'never') return never;
    if (failure !== undefined) return Promise.resolve(failure);
    const records = addresses[name]?.[type === 'A' ? 4 : 6];
    if (records === undefined) return Promise.resolve({ outcome: 'nodata', ttl: 0, authenticated: false });
    return Promise.resolve({ outcome: 'found', records: records as never[], ttl: 60, authenticated: false });
  };
  return { resolve: answer };
}

function target(name: string, port: number, mayBePrivate = true): DialTarget {
  return { name, port, mayBePrivate };
}

async function listener(context: TestContext, address = '127.0.0.1') {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, address);
  await once(server, 'listening');
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { port, sockets };
}

async function closedPort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** Attempts that the test decides about. */
function scripted() {
  const attempts = new Map<string, Socket>();
  const order: string[] = [];
  let onStart = (): void => {};
  const open = (address: string): Socket => {
    const socket = new Socket();
    attempts.set(address, socket);
    order.push(address);
    onStart();
    return socket;
  };
  const started = async (count: number): Promise<void> => {
    while (order.length < count) {
      await new Promise<void>((resolve) => {
        onStart = resolve;
      });
    }
  };
  return { attempts, order, open, started };
}

async function fails(options: DialOptions<DialTarget>, code: string): Promise<GatewayError> {
  const error: unknown = await dial(options).then(
    ({ socket }) => socket.destroy(),
    (reason) => reason,
  );
  assert.ok(error instanceof GatewayError, 'expected a refusal');
  assert.equal(error.code, code, error.message);
  return error;
}

describe('over loopback', () => {
  test('connects and says what it connected to', async (t) => {
    const { port } = await listener(t);
    const wanted = target('a.example', port);
    const dialled = await dial({ targets: [wanted], resolver: resolverOf({ 'a.example': { 4: ['127.0.0.1'] } }) });
    t.after(() => dialled.socket.destroy());
    assert.equal(dialled.target, wanted);
    assert.deepEqual([dialled.address, dialled.family], ['127.0.0.1', 4]);
    assert.equal(dialled.socket.remotePort, port);
  });

  test('goes on to the next target when one refuses', async (t) => {
    const { port } = await listener(t);
    const refused = target('127.0.0.1', await closedPort());
    const dialled = await dial({ targets: [refused, target('127.0.0.1', port)], resolver: resolverOf({}) });
    t.after(() => dialled.socket.destroy());
    assert.equal(dialled.socket.remotePort, port);
  });

  test('from a given source address, to its family alone', async (t) => {
    const { port } = await listener(t);
    const resolver = resolverOf({ 'a.example': { 4: ['127.0.0.1'], 6: ['::1'] } });
    const dialled = await dial({ targets: [target('a.example', port)], resolver, localAddress: '127.0.0.5' });
    t.after(() => dialled.socket.destroy());
    assert.equal(dialled.socket.localAddress, '127.0.0.5');
    await fails({ targets: [target('a.example', port)], resolver, localAddress: '192.0.2.1' }, 'connect-failed');
  });

  test('everything refused', async () => {
    const port = await closedPort();
    const error = await fails({ targets: [target('127.0.0.1', port)], resolver: resolverOf({}) }, 'connect-refused');
    assert.match(error.message, /127\.0\.0\.1 port \d+: ECONNREFUSED/);
    assert.ok(error.cause instanceof Error);
  });
});

describe('addresses that are not dialled', () => {
  test('private ones out of DNS, or written as a name', async (t) => {
    const { port, sockets } = await listener(t);
    for (const address of ['127.0.0.1', '169.254.169.254', '10.0.0.1', '::1', '::ffff:127.0.0.1']) {
      const family = address.includes(':') ? 6 : 4;
      const resolver = resolverOf({ 'a.example': { [family]: [address] } });
      await fails({ targets: [target('a.example', port, false)], resolver }, 'private-address');
      await fails({ targets: [target(address, port, false)], resolver }, 'private-address');
    }
    assert.equal(sockets.size, 0);
  });

  test('our own, even where private ones are allowed', async (t) => {
    const { port } = await listener(t);
    const isOwn = (address: string, ownPort: number) => address === '127.0.0.1' && ownPort === port;
    const error = await fails(
      { targets: [target('127.0.0.1', port)], resolver: resolverOf({}), isOwn },
      'private-address',
    );
    assert.match(error.message, /ourselves/);
  });
});

describe('the race', () => {
  const both: Addresses = {
    'a.example': { 4: ['192.0.2.1', '192.0.2.2'], 6: ['2001:db8::1', '2001:db8::2'] },
    'b.example': { 4: ['192.0.2.9'] },
  };

  test('families take turns, IPv6 first, all addresses of one target before the next', async () => {
    const { order, open, started, attempts } = scripted();
    const dialling = dial({
      targets: [target('a.example', 1), target('b.example', 1)],
      resolver: resolverOf(both),
      staggerMs: 1,
      open,
    });
    await started(5);
    assert.deepEqual(order, ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2', '192.0.2.9']);
    attempts.get('192.0.2.2')?.emit('connect');
    const { address, family } = await dialling;
    assert.deepEqual([address, family], ['192.0.2.2', 4]);
    for (const [each, socket] of attempts) assert.equal(socket.destroyed, each !== '192.0.2.2', each);
  });

  test('a failed attempt lets the next one start at once', async () => {
    const { open, started, attempts } = scripted();
    const dialling = dial({ targets: [target('a.example', 1)], resolver: resolverOf(both), staggerMs: 60_000, open });
    await started(1);
    attempts.get('2001:db8::1')?.destroy(new Error('unreachable'));
    await started(2);
    attempts.get('192.0.2.1')?.emit('connect');
    assert.equal((await dialling).address, '192.0.2.1');
  });

  test('IPv4 does not wait long for an IPv6 answer that never comes', async () => {
    const { open, started, attempts } = scripted();
    const resolver = resolverOf(both, { 'AAAA a.example': 'never' });
    const dialling = dial({ targets: [target('a.example', 1)], resolver, open });
    await started(1);
    attempts.get('192.0.2.1')?.emit('connect');
    assert.equal((await dialling).family, 4);
  });

  test('IPv6 alone is enough', async () => {
    const { open, started, attempts } = scripted();
    const resolver = resolverOf({ 'a.example': { 6: ['2001:db8::1'] } }, { 'A a.example': { outcome: 'servfail' } });
    const dialling = dial({ targets: [target('a.example', 1)], resolver, open });
    await started(1);
    attempts.get('2001:db8::1')?.emit('connect');
    assert.equal((await dialling).family, 6);
  });

  test('attempts are bounded', async () => {
    const many = Array.from({ length: 60 }, (_, index) => `192.0.2.${index + 1}`);
    const names = Array.from({ length: 16 }, (_, index) => `n${index}.example`);
    const { order, open } = scripted();
    const failing = (address: string): Socket => {
      const socket = open(address);
      process.nextTick(() => socket.destroy(new Error('unreachable')));
      return socket;
    };
    const resolver = resolverOf(Object.fromEntries(names.map((name) => [name, { 4: many }])));
    await fails({ targets: names.map((name) => target(name, 1)), resolver, open: failing }, 'connect-failed');
    assert.equal(order.length, 16);
  });
});

describe('ends', () => {
  test('nothing to dial', async () => {
    await fails({ targets: [], resolver: resolverOf({}) }, 'dns-no-service');
    await fails({ targets: [target('a.example', 1)], resolver: resolverOf({}) }, 'dns-no-service');
  });

  test('failing name servers', async () => {
    const timeout = resolverOf({}, { 'a.example': { outcome: 'timeout' } });
    await fails({ targets: [target('a.example', 1)], resolver: timeout }, 'dns-timeout');
    const servfail = resolverOf({}, { 'a.example': { outcome: 'servfail' } });
    await fails({ targets: [target('a.example', 1)], resolver: servfail }, 'dns-failure');
  });

  test('the time is up: while connecting, while looking up', async () => {
    const { open, attempts } = scripted();
    await fails(
      { targets: [target('192.0.2.1', 1)], resolver: resolverOf({}), timeoutMs: 10, open },
      'connect-timeout',
    );
    assert.equal(attempts.get('192.0.2.1')?.destroyed, true);
    const resolver = resolverOf({}, { 'a.example': 'never' });
    await fails({ targets: [target('a.example', 1)], resolver, timeoutMs: 10 }, 'dns-timeout');
  });

  test('the caller gives up', async () => {
    const { open, started, attempts } = scripted();
    const controller = new AbortController();
    const options = { targets: [target('192.0.2.1', 1)], resolver: resolverOf({}), signal: controller.signal, open };
    const dialling = fails(options, 'aborted');
    await started(1);
    controller.abort(new Error('shutting down'));
    const error = await dialling;
    assert.equal(error.cause instanceof Error && error.cause.message, 'shutting down');
    assert.equal(attempts.get('192.0.2.1')?.destroyed, true);
    await fails(options, 'aborted');
  });
});
