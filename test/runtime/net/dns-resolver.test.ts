import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { type Answer, AUTHENTIC_DATA, type DecodedPacket, decode, encode, TRUNCATED_RESPONSE } from 'dns-packet';
import fc from 'fast-check';
import { decodeReply, encodeQuestion, isQueryName } from '../../../src/runtime/net/dns-message.ts';
import { DnsResolver } from '../../../src/runtime/net/dns-resolver.ts';
import { DnsServer, type Zone } from '../../../src/runtime/net/dns-server.ts';
import type { DnsServerAddress } from '../../../src/runtime/net/dns-transport.ts';
import { GatewayError } from '../../../src/runtime/net/gateway-error.ts';

interface Stub {
  readonly address: DnsServerAddress;
  readonly queries: { readonly packet: DecodedPacket; readonly port: number; readonly over: 'udp' | 'tcp' }[];
}

type Respond = (query: DecodedPacket, over: 'udp' | 'tcp') => Buffer | readonly Buffer[] | undefined;

/** A name server that answers whatever the test says. */
async function stubServer(context: TestContext, respond: Respond): Promise<Stub> {
  const queries: Stub['queries'] = [];
  const buffers = (answer: ReturnType<Respond>) =>
    answer === undefined ? [] : Buffer.isBuffer(answer) ? [answer] : answer;
  for (;;) {
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    const { port } = udp.address();
    const tcp = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', (chunk) => {
        const packet = decode(chunk.subarray(2));
        queries.push({ packet, port: socket.remotePort ?? 0, over: 'tcp' });
        for (const bytes of buffers(respond(packet, 'tcp'))) {
          const prefix = Buffer.alloc(2);
          prefix.writeUInt16BE(bytes.length);
          // In two pieces: a length and an answer rarely come alone.
          socket.write(prefix.subarray(0, 1));
          socket.write(Buffer.concat([prefix.subarray(1), bytes]));
        }
        socket.end();
      });
    });
    if (!(await isListening(tcp, port))) {
      udp.close();
      continue;
    }
    udp.on('message', (bytes, peer) => {
      const packet = decode(bytes);
      queries.push({ packet, port: peer.port, over: 'udp' });
      for (const answer of buffers(respond(packet, 'udp'))) udp.send(answer, peer.port, peer.address);
    });
    context.after(() => {
      udp.close();
      tcp.close();
    });
    return { address: { address: '127.0.0.1', port }, queries };
  }
}

async function isListening(server: Server, port: number): Promise<boolean> {
  server.listen(port, '127.0.0.1');
  return once(server, 'listening').then(
    () => true,
    () => false,
  );
}

function reply(
  query: DecodedPacket,
  answers: Answer[],
  more: { flags?: number; id?: number; authorities?: Answer[] } = {},
): Buffer {
  return encode({
    type: 'response',
    id: more.id ?? query.id ?? 0,
    flags: more.flags ?? 0,
    questions: query.questions ?? [],
    answers,
    authorities: more.authorities ?? [],
  });
}

const a = (name: string, data: string, ttl = 60): Answer => ({ type: 'A', name, data, ttl, class: 'IN' });
const cname = (name: string, data: string, ttl = 60): Answer => ({ type: 'CNAME', name, data, ttl, class: 'IN' });
const soa = (ttl: number, minimum: number): Answer => ({
  type: 'SOA',
  name: 'example',
  ttl,
  data: { mname: 'ns.example', rname: 'hostmaster.example', minimum },
});

function resolverFor(
  context: TestContext,
  servers: readonly DnsServerAddress[],
  options: { now?: () => number } = {},
): DnsResolver {
  const resolver = new DnsResolver({ servers, timeoutMs: 300, attempts: 1, ...options });
  context.after(() => resolver.close());
  return resolver;
}

async function setUp(context: TestContext, respond: Respond) {
  const clock = { ms: 0 };
  const stub = await stubServer(context, respond);
  const resolver = resolverFor(context, [stub.address], { now: () => clock.ms });
  return { stub, resolver, clock };
}

describe('against the embedded server', () => {
  const zone: Zone = {
    origins: ['example'],
    negativeTtl: 30,
    records: [
      { name: 'a.example', type: 'A', data: '192.0.2.1', ttl: 100 },
      { name: 'a.example', type: 'AAAA', data: '2001:db8::1' },
      { name: 'alias.example', type: 'CNAME', data: 'a.example', ttl: 50 },
      { name: 'nowhere.example', type: 'CNAME', data: 'missing.example' },
      { name: 'loop.example', type: 'CNAME', data: 'pool.example' },
      { name: 'pool.example', type: 'CNAME', data: 'loop.example' },
      {
        name: '_xmpp-server._tcp.a.example',
        type: 'SRV',
        data: { priority: 5, weight: 7, port: 5269, target: 'A.example.' },
      },
      { name: '_none._tcp.a.example', type: 'SRV', data: { priority: 0, weight: 0, port: 0, target: '.' } },
      ...Array.from({ length: 1000 }, (_, index) => ({
        name: '_many._tcp.a.example',
        type: 'SRV' as const,
        data: { priority: index, weight: 0, port: 5269, target: `host-${index}.example` },
      })),
    ],
  };

  async function start(context: TestContext) {
    const server = await DnsServer.start(zone);
    context.after(() => server.close());
    return { server, resolver: resolverFor(context, [server.address]) };
  }

  test('addresses and services', async (t) => {
    const { resolver } = await start(t);
    assert.deepEqual(await resolver.resolve('A.Example.', 'A'), {
      outcome: 'found',
      records: ['192.0.2.1'],
      ttl: 100,
      authenticated: false,
    });
    const six = await resolver.resolve('a.example', 'AAAA');
    assert.deepEqual(six.outcome === 'found' && six.records, ['2001:db8::1']);
    const srv = await resolver.resolve('_xmpp-server._tcp.a.example', 'SRV');
    assert.deepEqual(srv.outcome === 'found' && srv.records, [
      { priority: 5, weight: 7, port: 5269, target: 'a.example' },
    ]);
    const none = await resolver.resolve('_none._tcp.a.example', 'SRV');
    assert.deepEqual(none.outcome === 'found' && none.records[0]?.target, '.');
  });

  test('absent names, absent types, empty non-terminals, foreign names', async (t) => {
    const { resolver } = await start(t);
    assert.deepEqual(await resolver.resolve('b.example', 'A'), { outcome: 'nxdomain', ttl: 30, authenticated: false });
    assert.equal((await resolver.resolve('a.example', 'SRV')).outcome, 'nodata');
    assert.equal((await resolver.resolve('_tcp.a.example', 'A')).outcome, 'nodata');
    assert.equal((await resolver.resolve('a.invalid', 'A')).outcome, 'servfail');
  });

  test('aliases: to an address, to nothing, in a circle', async (t) => {
    const { resolver } = await start(t);
    const alias = await resolver.resolve('alias.example', 'A');
    assert.deepEqual(alias.outcome === 'found' && [alias.records, alias.ttl], [['192.0.2.1'], 50]);
    assert.equal((await resolver.resolve('nowhere.example', 'A')).outcome, 'nxdomain');
    assert.equal((await resolver.resolve('loop.example', 'A')).outcome, 'servfail');
  });

  test('a thousand records come over TCP and are cut to 64', async (t) => {
    const { resolver } = await start(t);
    const many = await resolver.resolve('_many._tcp.a.example', 'SRV');
    assert.equal(many.outcome === 'found' && many.records.length, 64);
  });

  test('a replaced zone, after the memory is cleared', async (t) => {
    const { server, resolver } = await start(t);
    await resolver.resolve('a.example', 'A');
    server.replaceZone({ origins: ['example'], records: [{ name: 'a.example', type: 'A', data: '192.0.2.9' }] });
    resolver.clear();
    const answer = await resolver.resolve('a.example', 'A');
    assert.deepEqual(answer.outcome === 'found' && answer.records, ['192.0.2.9']);
  });

  test('names that cannot be asked for are not', async (t) => {
    const { resolver } = await start(t);
    for (const name of [
      '',
      '.',
      'a..example',
      `${'a'.repeat(64)}.example`,
      `${'a.'.repeat(130)}example`,
      'ü.example',
      'a b.example',
    ]) {
      assert.equal((await resolver.resolve(name, 'A')).outcome, 'nxdomain', name);
    }
    assert.equal(isQueryName('_xmpp-server._tcp.a.example'), true);
  });
});

describe('memory', () => {
  test('answers are remembered for their TTL', async (t) => {
    const { stub, resolver, clock } = await setUp(t, (query) => reply(query, [a('a.example', '192.0.2.1', 10)]));
    await resolver.resolve('a.example', 'A');
    clock.ms = 9_999;
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 1);
    clock.ms = 10_000;
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 2);
  });

  test('a TTL of 0 is not remembered, an enormous one a day', async (t) => {
    let ttl = 0;
    const { stub, resolver, clock } = await setUp(t, (query) => reply(query, [a('a.example', '192.0.2.1', ttl)]));
    await resolver.resolve('a.example', 'A');
    ttl = 0x7fffffff;
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 2);
    clock.ms = 86_399_999;
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 2);
    clock.ms = 86_400_000;
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 3);
  });

  test('absence is remembered as the SOA record says, at most an hour; without SOA not at all', async (t) => {
    let authorities = [soa(7_200, 5)];
    const { stub, resolver, clock } = await setUp(t, (query) => reply(query, [], { flags: 3, authorities }));
    assert.deepEqual(await resolver.resolve('a.example', 'A'), { outcome: 'nxdomain', ttl: 5, authenticated: false });
    clock.ms = 4_999;
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 1);
    clock.ms = 5_000;
    authorities = [soa(86_400, 86_400)];
    const long = await resolver.resolve('a.example', 'A');
    assert.equal('ttl' in long && long.ttl, 3_600);
    authorities = [];
    await resolver.resolve('b.example', 'A');
    await resolver.resolve('b.example', 'A');
    assert.equal(stub.queries.length, 4);
  });

  test('a failure is remembered for a second', async (t) => {
    const { stub, resolver, clock } = await setUp(t, (query) => reply(query, [], { flags: 2 }));
    assert.deepEqual(await resolver.resolve('a.example', 'A'), { outcome: 'servfail' });
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 1);
    clock.ms = 1_000;
    await resolver.resolve('a.example', 'A');
    assert.equal(stub.queries.length, 2);
  });

  test('equal questions at one time are one question', async (t) => {
    const { stub, resolver } = await setUp(t, (query) => reply(query, [a('a.example', '192.0.2.1')]));
    const answers = await Promise.all(Array.from({ length: 50 }, () => resolver.resolve('a.example', 'A')));
    assert.equal(stub.queries.length, 1);
    assert.ok(answers.every((answer) => answer.outcome === 'found'));
  });

  test('the memory is bounded', async (t) => {
    const stub = await stubServer(t, (query) => reply(query, [a(query.questions?.[0]?.name ?? '', '192.0.2.1')]));
    const resolver = new DnsResolver({ servers: [stub.address], cacheSize: 2 });
    t.after(() => resolver.close());
    for (const name of ['a.example', 'b.example', 'c.example', 'c.example', 'a.example'])
      await resolver.resolve(name, 'A');
    assert.equal(stub.queries.length, 4);
  });
});

describe('hostile and broken servers', () => {
  test('wrong identifier, wrong question, a query, junk: ignored until the right answer comes', async (t) => {
    const { resolver } = await setUp(t, (query) => [
      reply(query, [a('a.example', '192.0.2.66')], { id: ((query.id ?? 0) + 1) & 0xffff }),
      reply({ ...query, questions: [{ type: 'A', name: 'b.example', class: 'IN' }] }, [a('a.example', '192.0.2.66')]),
      reply({ ...query, questions: [{ type: 'AAAA', name: 'a.example', class: 'IN' }] }, []),
      encode({ ...query, type: 'query', answers: [a('a.example', '192.0.2.66')] }),
      Buffer.from('junk'),
      reply(query, [a('A.EXAMPLE', '192.0.2.1')]),
    ]);
    const answer = await resolver.resolve('a.example', 'A');
    assert.deepEqual(answer.outcome === 'found' && answer.records, ['192.0.2.1']);
  });

  test('a hail of guesses turns the question to TCP', async (t) => {
    const { stub, resolver } = await setUp(t, (query, over) =>
      over === 'tcp'
        ? reply(query, [a('a.example', '192.0.2.1')])
        : Array.from({ length: 40 }, (_, index) =>
            reply(query, [a('a.example', '192.0.2.66')], { id: ((query.id ?? 0) + 1 + index) & 0xffff }),
          ),
    );
    const answer = await resolver.resolve('a.example', 'A');
    assert.deepEqual(answer.outcome === 'found' && answer.records, ['192.0.2.1']);
    assert.deepEqual(
      stub.queries.map(({ over }) => over),
      ['udp', 'tcp'],
    );
  });

  test('a truncated answer is asked for again over TCP', async (t) => {
    const { stub, resolver } = await setUp(t, (query, over) =>
      over === 'udp' ? reply(query, [], { flags: TRUNCATED_RESPONSE }) : reply(query, [a('a.example', '192.0.2.1')]),
    );
    assert.equal((await resolver.resolve('a.example', 'A')).outcome, 'found');
    assert.deepEqual(
      stub.queries.map(({ over }) => over),
      ['udp', 'tcp'],
    );
  });

  test('records for other names and of other types are not taken', async (t) => {
    const { resolver } = await setUp(t, (query) =>
      reply(query, [
        a('victim.example', '192.0.2.66'),
        { type: 'TXT', name: 'a.example', data: 'x', ttl: 1, class: 'IN' },
      ]),
    );
    assert.equal((await resolver.resolve('a.example', 'A')).outcome, 'nodata');
    assert.equal((await resolver.resolve('victim.example', 'A')).outcome, 'found'); // its own answer, not the stray one
  });

  test('an alias without its target is followed, a longer circle over several answers ends', async (t) => {
    const { stub, resolver } = await setUp(t, (query) => {
      const name = query.questions?.[0]?.name ?? '';
      if (name === 'end.example') return reply(query, [a(name, '192.0.2.1')]);
      if (name === 'start.example') return reply(query, [cname(name, 'end.example')]);
      return reply(query, [cname(name, name === 'x.example' ? 'y.example' : 'x.example')]);
    });
    assert.equal((await resolver.resolve('start.example', 'A')).outcome, 'found');
    assert.equal((await resolver.resolve('x.example', 'A')).outcome, 'servfail');
    assert.equal(stub.queries.length, 4);
  });

  test('an endless staircase of aliases ends', async (t) => {
    const { stub, resolver } = await setUp(t, (query) => {
      const name = query.questions?.[0]?.name ?? '';
      return reply(query, [cname(name, `${name.length}.${name}`)]);
    });
    assert.equal((await resolver.resolve('a.example', 'A')).outcome, 'servfail');
    assert.equal(stub.queries.length, 8);
  });

  test('silence is a timeout, a closed port a failure', async (t) => {
    const { stub, resolver } = await setUp(t, () => undefined);
    assert.deepEqual(await resolver.resolve('a.example', 'A'), { outcome: 'timeout' });
    assert.equal(stub.queries.length, 1);
    const gone = await DnsServer.start({ origins: [], records: [] });
    await gone.close();
    assert.deepEqual(await resolverFor(t, [gone.address]).resolve('a.example', 'A'), { outcome: 'servfail' });
  });

  test('the next server is asked when one fails, the same one again in the next round', async (t) => {
    const broken = await stubServer(t, (query) => reply(query, [], { flags: 2 }));
    const good = await stubServer(t, (query) => reply(query, [a('a.example', '192.0.2.1')]));
    const resolver = resolverFor(t, [broken.address, good.address]);
    assert.equal((await resolver.resolve('a.example', 'A')).outcome, 'found');
    let tries = 0;
    const moody = await stubServer(t, (query) => {
      tries += 1;
      return tries === 1 ? undefined : reply(query, [a('a.example', '192.0.2.1')]);
    });
    const patient = new DnsResolver({ servers: [moody.address], timeoutMs: 100, attempts: 2 });
    t.after(() => patient.close());
    assert.equal((await patient.resolve('a.example', 'A')).outcome, 'found');
  });

  test('a server of before EDNS is asked without it', async (t) => {
    const { stub, resolver } = await setUp(t, (query) =>
      (query.additionals?.length ?? 0) > 0
        ? reply(query, [], { flags: 1 })
        : reply(query, [a('a.example', '192.0.2.1')]),
    );
    assert.equal((await resolver.resolve('a.example', 'A')).outcome, 'found');
    assert.equal(stub.queries.length, 2);
  });

  test('random bytes as an answer never throw', () => {
    const question = { id: 7, name: 'a.example', type: 'A' as const };
    const base = encodeQuestion(question, true);
    base.writeUInt16BE(0x8000, 2);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(40), (bytes, at) => {
        decodeReply(Buffer.from(bytes), question);
        decodeReply(Buffer.concat([base.subarray(0, at), bytes]), question);
      }),
      { numRuns: 3_000 },
    );
  });
});

test('identifiers and ports are not predictable, the query asks for recursion, EDNS and AD', async (t) => {
  const { stub, resolver } = await setUp(t, (query) =>
    reply(query, [a(query.questions?.[0]?.name ?? '', '192.0.2.1')]),
  );
  for (let index = 0; index < 8; index += 1) await resolver.resolve(`n${index}.example`, 'A');
  assert.ok(new Set(stub.queries.map(({ packet }) => packet.id)).size >= 7);
  assert.ok(new Set(stub.queries.map(({ port }) => port)).size >= 7);
  const packet = stub.queries[0]?.packet;
  assert.equal(packet?.flag_rd, true);
  assert.equal(packet?.flag_ad, true);
  const edns = packet?.additionals?.[0];
  assert.equal(edns?.type === 'OPT' && edns.udpPayloadSize, 1232);
});

test('the AD bit is told, but only when every answer on the way had it', async (t) => {
  const { resolver } = await setUp(t, (query) => {
    const name = query.questions?.[0]?.name ?? '';
    if (name === 'signed.example') return reply(query, [a(name, '192.0.2.1')], { flags: AUTHENTIC_DATA });
    if (name === 'mixed.example') return reply(query, [cname(name, 'plain.example')], { flags: AUTHENTIC_DATA });
    return reply(query, [a(name, '192.0.2.1')]);
  });
  const isAuthenticated = async (name: string) => {
    const answer = await resolver.resolve(name, 'A');
    return answer.outcome === 'found' && answer.authenticated;
  };
  assert.equal(await isAuthenticated('signed.example'), true);
  assert.equal(await isAuthenticated('mixed.example'), false);
});

describe('giving up', () => {
  const isAborted = (error: unknown) => error instanceof GatewayError && error.code === 'aborted';

  test('one caller leaves, the other gets the answer', async (t) => {
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const udp = createSocket('udp4');
    udp.bind(0, '127.0.0.1');
    await once(udp, 'listening');
    t.after(() => udp.close());
    udp.on('message', async (bytes, peer) => {
      await held;
      udp.send(reply(decode(bytes), [a('a.example', '192.0.2.1')]), peer.port, peer.address);
    });
    const resolver = new DnsResolver({ servers: [{ address: '127.0.0.1', port: udp.address().port }] });
    t.after(() => resolver.close());
    const controller = new AbortController();
    const leaving = resolver.resolve('a.example', 'A', controller.signal);
    const staying = resolver.resolve('a.example', 'A');
    controller.abort();
    await assert.rejects(leaving, isAborted);
    release();
    assert.equal((await staying).outcome, 'found');
    await assert.rejects(resolver.resolve('a.example', 'A', controller.signal), isAborted);
  });

  test('a closed resolver ends what is pending and answers no more', async (t) => {
    const stub = await stubServer(t, () => undefined);
    const resolver = new DnsResolver({ servers: [stub.address], timeoutMs: 60_000 });
    const pending = resolver.resolve('a.example', 'A');
    resolver.close();
    assert.deepEqual(await pending, { outcome: 'servfail' });
    assert.deepEqual(await resolver.resolve('b.example', 'A'), { outcome: 'servfail' });
  });
});
