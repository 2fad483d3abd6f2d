import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { SrvRecord } from '../../../src/runtime/net/dns-message.ts';
import type { DnsAnswer, Resolver } from '../../../src/runtime/net/dns-resolver.ts';
import { GatewayError } from '../../../src/runtime/net/gateway-error.ts';
import { lookUpXmppService, type XmppServiceOptions } from '../../../src/runtime/net/xmpp-service.ts';

type Answer = DnsAnswer<never> | readonly (readonly [priority: number, weight: number, port: number, target: string])[];
interface Services {
  readonly starttls?: Answer;
  readonly direct?: Answer;
}

const NOTHING: DnsAnswer<never> = { outcome: 'nodata', ttl: 60, authenticated: false };

function resolverOf({ starttls = NOTHING, direct = NOTHING }: Services): Resolver & { readonly asked: string[] } {
  const asked: string[] = [];
  const answerOf = (name: string): DnsAnswer<SrvRecord> => {
    asked.push(name);
    const answer = name.startsWith('_xmpps-server.') ? direct : starttls;
    if (!Array.isArray(answer)) return answer as DnsAnswer<never>;
    const records = answer.map(([priority, weight, port, target]) => ({ priority, weight, port, target }));
    return { outcome: 'found', records, ttl: 60, authenticated: true };
  };
  return {
    asked,
    resolve: (name: string) => Promise.resolve(answerOf(name) as DnsAnswer<never>),
  };
}

async function targets(services: Services, options: XmppServiceOptions = {}): Promise<string[]> {
  const found = await lookUpXmppService('a.example', resolverOf(services), { random: () => 0, ...options });
  return found.map(({ name, port, directTls, origin }) => `${origin} ${directTls ? 'tls' : 'tcp'} ${name}:${port}`);
}

function refuses(services: Services, code: string, options?: XmppServiceOptions): Promise<void> {
  return assert.rejects(targets(services, options), (error) => error instanceof GatewayError && error.code === code);
}

test('both services are asked for', async () => {
  const resolver = resolverOf({});
  await lookUpXmppService('a.example', resolver);
  assert.deepEqual(resolver.asked, ['_xmpp-server._tcp.a.example', '_xmpps-server._tcp.a.example']);
});

describe('order', () => {
  const services: Services = {
    starttls: [
      [10, 0, 5269, 'x1.example'],
      [30, 0, 5269, 'x3.example'],
    ],
    direct: [
      [10, 0, 5270, 'x2.example'],
      [20, 0, 5270, 'x4.example'],
    ],
  };

  test('both services are one set (XEP-0368)', async () => {
    assert.deepEqual(await targets(services), [
      'srv tcp x1.example:5269',
      'srv tls x2.example:5270',
      'srv tls x4.example:5270',
      'srv tcp x3.example:5269',
    ]);
  });

  test('direct TLS first within a priority, when preferred', async () => {
    assert.deepEqual(await targets(services, { directTls: 'preferred' }), [
      'srv tls x2.example:5270',
      'srv tcp x1.example:5269',
      'srv tls x4.example:5270',
      'srv tcp x3.example:5269',
    ]);
  });

  test('no direct TLS, and no question about it, where TLS is not supported', async () => {
    const resolver = resolverOf(services);
    const found = await lookUpXmppService('a.example', resolver, { directTls: 'never' });
    assert.ok(found.every(({ directTls }) => !directTls));
    assert.deepEqual(resolver.asked, ['_xmpp-server._tcp.a.example']);
  });

  test('at most 16 targets', async () => {
    const many = Array.from({ length: 64 }, (_, index) => [index, 0, 5269, `x${index}.example`] as const);
    assert.equal((await targets({ starttls: many })).length, 16);
  });
});

describe('absence', () => {
  const FALLBACK = ['domain tcp a.example:5269'];
  const no = [[0, 0, 0, '.']] as const;

  test('no records at all: the domain itself', async () => {
    assert.deepEqual(await targets({}), FALLBACK);
    const nxdomain: Answer = { outcome: 'nxdomain', ttl: 60, authenticated: false };
    assert.deepEqual(await targets({ starttls: nxdomain, direct: nxdomain }), FALLBACK);
  });

  test('target `.`: no service and no fallback', async () => {
    await refuses({ starttls: no }, 'dns-no-service');
    await refuses({ direct: no }, 'dns-no-service');
    await refuses({ starttls: no, direct: no }, 'dns-no-service');
    assert.deepEqual(await targets({ starttls: [[0, 0, 5269, 'x.example']], direct: no }), ['srv tcp x.example:5269']);
    assert.deepEqual(await targets({ starttls: no, direct: [[0, 0, 5270, 'x.example']] }), ['srv tls x.example:5270']);
  });

  test('port 0, addresses and nonsense as targets are no targets', async () => {
    for (const target of ['192.0.2.1', '0x7f.1', '2001:db8::1', '*.example', 'x..example', '']) {
      await refuses({ starttls: [[0, 0, 5269, target]] }, 'dns-no-service');
    }
    await refuses({ starttls: [[0, 0, 0, 'x.example']] }, 'dns-no-service');
  });
});

describe('failure', () => {
  test('is not taken for absence', async () => {
    await refuses({ starttls: { outcome: 'timeout' } }, 'dns-timeout');
    await refuses({ direct: { outcome: 'timeout' } }, 'dns-timeout');
    await refuses({ starttls: { outcome: 'servfail' } }, 'dns-failure');
    await refuses({ starttls: [[0, 0, 0, '.']], direct: { outcome: 'servfail' } }, 'dns-failure');
  });

  test('of one service leaves the other', async () => {
    const direct = [[0, 0, 5270, 'x.example']] as const;
    assert.deepEqual(await targets({ starttls: { outcome: 'servfail' }, direct }), ['srv tls x.example:5270']);
  });
});

test('a next hop replaces DNS and may be private', async () => {
  const resolver = resolverOf({ starttls: [[0, 0, 0, '.']] });
  const override = { fqdn: 'proxy.internal.example', port: 15269, directTls: true };
  assert.deepEqual(await lookUpXmppService('a.example', resolver, { override }), [
    {
      name: 'proxy.internal.example',
      port: 15269,
      directTls: true,
      origin: 'override',
      authenticated: false,
      mayBePrivate: true,
    },
  ]);
  assert.deepEqual(resolver.asked, []);
});

test('facts of a target', async () => {
  const [target] = await lookUpXmppService('a.example', resolverOf({ starttls: [[0, 0, 5269, 'x.example']] }));
  assert.equal(target?.authenticated, true);
  assert.equal(target?.mayBePrivate, false);
  const [allowed] = await lookUpXmppService('a.example', resolverOf({}), { allowPrivateAddresses: true });
  assert.equal(allowed?.mayBePrivate, true);
});
