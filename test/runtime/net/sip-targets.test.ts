import assert from 'node:assert/strict';
import test from 'node:test';
import type { DnsData, DnsType } from '../../../src/runtime/net/dns-message.ts';
import type { DnsAnswer, Resolver } from '../../../src/runtime/net/dns-resolver.ts';
import { directTarget, resolveAddresses, resolveTargets } from '../../../src/runtime/net/sip-targets.ts';

const HOP = { fqdn: 'pool.example', transport: 'tls', priority: 3, weight: 4, useSrv: true } as const;

class FixedResolver implements Resolver {
  readonly asked: string[] = [];
  readonly #answers: Readonly<Record<string, DnsAnswer<unknown>>>;

  constructor(answers: Readonly<Record<string, DnsAnswer<unknown>>>) {
    this.#answers = answers;
  }

  resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsData[T]>>;
  async resolve(name: string, type: DnsType): Promise<DnsAnswer<unknown>> {
    this.asked.push(`${name} ${type}`);
    return this.#answers[`${name} ${type}`] ?? { outcome: 'nodata', ttl: 1, authenticated: false };
  }
}

function found(...records: readonly unknown[]): DnsAnswer<unknown> {
  return { outcome: 'found', records, ttl: 1, authenticated: false };
}

test('without SRV a next hop is taken as it is written, on the usual port of its transport', async () => {
  const resolver = new FixedResolver({});
  for (const [transport, port] of [
    ['tls', 5061],
    ['tcp', 5060],
    ['udp', 5060],
  ] as const) {
    const hop = { ...HOP, transport, useSrv: false };
    assert.deepEqual(await resolveTargets(hop, resolver), [
      { fqdn: 'pool.example', host: 'pool.example', port, transport, priority: 3, weight: 4 },
    ]);
  }
  assert.equal(directTarget({ ...HOP, port: 7 }).port, 7);
  assert.deepEqual(resolver.asked, []);
});

test('with SRV the records decide; the name in certificates stays that of the next hop', async () => {
  const record = { priority: 1, weight: 2, port: 5071, target: 'sip1.example' };
  for (const [transport, name] of [
    ['tls', '_sips._tcp.pool.example SRV'],
    ['tcp', '_sip._tcp.pool.example SRV'],
    ['udp', '_sip._udp.pool.example SRV'],
  ] as const) {
    const resolver = new FixedResolver({ [name]: found(record, { ...record, target: '.' }, { ...record, port: 0 }) });
    assert.deepEqual(await resolveTargets({ ...HOP, transport }, resolver), [
      { fqdn: 'pool.example', host: 'sip1.example', port: 5071, transport, priority: 1, weight: 2 },
    ]);
  }
});

test('no records: the name itself; a service that is not offered: none; no answer: an error', async () => {
  const name = '_sips._tcp.pool.example SRV';
  assert.equal((await resolveTargets({ ...HOP, port: 7 }, new FixedResolver({})))[0]?.port, 5061);
  const none = new FixedResolver({ [name]: found({ priority: 0, weight: 0, port: 5061, target: '.' }) });
  assert.deepEqual(await resolveTargets(HOP, none), []);
  for (const outcome of ['timeout', 'servfail'] as const) {
    await assert.rejects(resolveTargets(HOP, new FixedResolver({ [name]: { outcome } })), { name: 'GatewayError' });
  }
});

test('addresses of both families, or a reason', async () => {
  const both = new FixedResolver({ 'a A': found('192.0.2.1'), 'a AAAA': found('2001:db8::1') });
  assert.deepEqual(await resolveAddresses('a', both), ['192.0.2.1', '2001:db8::1']);
  await assert.rejects(resolveAddresses('a', new FixedResolver({})), { code: 'dns-no-service' });
  await assert.rejects(resolveAddresses('a', new FixedResolver({ 'a A': { outcome: 'servfail' } })), {
    code: 'dns-failure',
  });
});
