import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import test, { before, type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { DnsData, DnsType } from '../../../src/runtime/net/dns-message.ts';
import type { DnsAnswer, Resolver } from '../../../src/runtime/net/dns-resolver.ts';
import type { SipTransportName } from '../../../src/runtime/sip/flow.ts';
import {
  SipEndpoint,
  type SipEndpointOptions,
  type SipEvent,
  type SipOutcome,
} from '../../../src/runtime/sip-endpoint.ts';
import { createAuthority, issue, selfSigned, type ThrowawayCertificate } from '../../support/certificates.ts';

const PAGE = {
  requestUri: 'sip:romeo@pool.example',
  from: 'sip:juliet@fabrikam.example',
  to: 'sip:romeo@pool.example',
  contentType: 'text/plain;charset=UTF-8',
  body: 'Art thou not Romeo? \u2764',
};

/** Every name is this machine. */
class Loopback implements Resolver {
  resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsData[T]>>;
  async resolve(_name: string, type: DnsType): Promise<DnsAnswer<unknown>> {
    if (type === 'A') return { outcome: 'found', records: ['127.0.0.1'], ttl: 1, authenticated: false };
    return { outcome: 'nodata', ttl: 1, authenticated: false };
  }
}

let authority: ThrowawayCertificate;
let other: ThrowawayCertificate;
let pool: ThrowawayCertificate;
let gateway: ThrowawayCertificate;

before(async () => {
  [authority, other] = await Promise.all([createAuthority('Ours'), createAuthority('Theirs')]);
  pool = await issue(authority, { dnsNames: ['pool.example'] });
  gateway = await issue(authority, { dnsNames: ['gateway.example'] });
});

function tls({ chainPem, privateKeyPem }: ThrowawayCertificate, trusted = authority) {
  return { cert: chainPem, key: privateKeyPem, ca: trusted.certificatePem };
}

/** One endpoint with sockets, and what it tells. */
class Party {
  readonly endpoint: SipEndpoint;
  readonly events: SipEvent[] = [];
  readonly bodies: string[] = [];
  #watchers: (() => void)[] = [];

  constructor(options: Partial<SipEndpointOptions>) {
    this.endpoint = new SipEndpoint({
      sip: sip({}),
      listen: [],
      resolver: new Loopback(),
      drainTimeout: 0,
      onMessage: (message, _peer, answer) => {
        this.bodies.push(message.body.toString());
        answer(200);
      },
      observe: (event) => {
        this.events.push(event);
        for (const check of this.#watchers) check();
      },
      ...options,
    });
  }

  static async start(context: TestContext, options: Partial<SipEndpointOptions>): Promise<Party> {
    const party = new Party(options);
    context.after(() => party.endpoint.stop());
    await party.endpoint.start();
    return party;
  }

  port(transport: SipTransportName): number {
    return this.endpoint.port(transport) ?? 0;
  }

  /** The first event of that kind, now or later. */
  event<Name extends SipEvent['event']>(name: Name, nth = 1): Promise<Extract<SipEvent, { event: Name }>> {
    const isMeant = (event: SipEvent): event is Extract<SipEvent, { event: Name }> => event.event === name;
    return new Promise((resolve) => {
      const check = () => {
        const found = this.events.filter(isMeant)[nth - 1];
        if (found === undefined) return;
        this.#watchers = this.#watchers.filter((watcher) => watcher !== check);
        resolve(found);
      };
      this.#watchers.push(check);
      check();
    });
  }

  send(body = PAGE.body): Promise<SipOutcome> {
    return new Promise((resolve) => this.endpoint.sendMessage({ ...PAGE, body }, resolve));
  }
}

function sip(options: {
  hop?: { fqdn?: string; port: number; transport: SipTransportName };
  addresses?: readonly string[];
  names?: readonly string[];
}): SipEndpointOptions['sip'] {
  const { hop } = options;
  const fixed = { fqdn: 'pool.example', priority: 1, weight: 1, useSrv: false };
  return {
    nextHops: hop === undefined ? [] : [{ ...fixed, ...hop }],
    trustedAddresses: [...(options.addresses ?? [])],
    trustedTlsNames: [...(options.names ?? [])],
    dialect: 'rfc7572',
  };
}

function listen(transport: SipTransportName): SipEndpointOptions['listen'] {
  return [{ transport, address: '127.0.0.1', port: 0 }];
}

function request(method: string, body = '', branch = 'z9hG4bKtest1', via = 'SIP/2.0/TCP 127.0.0.1;rport'): string {
  return [
    `${method} sip:juliet@fabrikam.example SIP/2.0`,
    `Via: ${via};branch=${branch}`,
    'From: <sip:romeo@pool.example>;tag=1',
    'To: <sip:juliet@fabrikam.example>',
    'Call-ID: abc@peer.example',
    `CSeq: 1 ${method}`,
    'Max-Forwards: 70',
    'Content-Type: text/plain',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

/** Everything a connection says until it is closed. */
async function saidBy(socket: Socket): Promise<string> {
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('error', () => {});
  if (!socket.closed) await once(socket, 'close');
  return text;
}

/** Dials a TLS port with a certificate, or with none. */
function dialTls(port: number, certificate: ThrowawayCertificate | undefined): Socket {
  return connectTls({
    host: '127.0.0.1',
    port,
    rejectUnauthorized: false,
    ...(certificate === undefined ? {} : { cert: certificate.chainPem, key: certificate.privateKeyPem }),
  });
}

for (const transport of ['udp', 'tcp', 'tls'] as const) {
  test(`two endpoints over ${transport}: messages both ways`, async (t) => {
    const trust = { addresses: ['127.0.0.1'] };
    const b = await Party.start(t, {
      sip: sip({ ...trust, names: ['gateway.example'] }),
      listen: listen(transport),
      tls: tls(pool),
    });
    const a = await Party.start(t, {
      sip: sip({ ...trust, names: ['pool.example'], hop: { port: b.port(transport), transport } }),
      listen: listen(transport),
      tls: tls(gateway),
      healthInterval: 3_600,
    });
    b.endpoint.reconfigure(
      sip({
        ...trust,
        names: ['gateway.example'],
        hop: { fqdn: 'gateway.example', port: a.port(transport), transport },
      }),
    );
    const outcomes = await Promise.all(['1', '2', '3 \u2764'].map((body) => a.send(body)));
    assert.deepEqual(outcomes, Array(3).fill({ status: 200, reason: 'OK', source: 'response' }));
    assert.deepEqual(b.bodies, ['1', '2', '3 \u2764']);
    assert.equal((await b.send('back')).status, 200);
    assert.deepEqual(a.bodies, ['back']);
    assert.equal((await a.event('next-hop-up')).nextHop, `${transport}:pool.example:${b.port(transport)}`);
    if (transport === 'udp') return;
    // One connection for many messages.
    assert.equal(a.events.filter((event) => event.event === 'connection-opened' && !event.inbound).length, 1);
  });
}

test('a next hop must prove its own name with a chain we trust', async (t) => {
  const imposters: [certificate: ThrowawayCertificate, reason: RegExp][] = [
    [await issue(authority, { dnsNames: ['other.example'] }), /does not prove pool\.example/],
    [await issue(authority, { commonName: 'pool.example' }), /does not prove pool\.example/],
    [await issue(authority, { dnsNames: ['*.example'] }), /does not prove pool\.example/],
    [await issue(other, { dnsNames: ['pool.example'] }), /TLS: /],
    [await selfSigned({ dnsNames: ['pool.example'] }), /TLS: /],
    [await issue(authority, { dnsNames: ['pool.example'], notAfter: new Date(Date.now() - 1_000) }), /TLS: .*expired/],
  ];
  for (const [certificate, reason] of imposters) {
    const b = await Party.start(t, {
      sip: sip({ names: ['gateway.example'] }),
      listen: listen('tls'),
      tls: tls(certificate),
    });
    const a = await Party.start(t, { sip: sip({ hop: { port: b.port('tls'), transport: 'tls' } }), tls: tls(gateway) });
    const outcome = await a.send('secret');
    assert.deepEqual([outcome.status, b.bodies], [503, []]);
    assert.match((await a.event('next-hop-down')).reason, reason);
  }
});

test('a TLS peer must prove a trusted name: others get one 403 and the connection is closed (P8)', async (t) => {
  const b = await Party.start(t, { sip: sip({ names: ['gateway.example'] }), listen: listen('tls'), tls: tls(pool) });
  const strangers = [
    undefined,
    await issue(authority, { dnsNames: ['stranger.example'] }),
    await issue(authority, { commonName: 'gateway.example' }),
    await issue(authority, { dnsNames: ['*.example'] }),
    await issue(other, { dnsNames: ['gateway.example'] }),
    await selfSigned({ dnsNames: ['gateway.example'] }),
    await issue(authority, { dnsNames: ['gateway.example'], notAfter: new Date(Date.now() - 1_000) }),
  ];
  for (const certificate of strangers) {
    const socket = dialTls(b.port('tls'), certificate);
    socket.write(request('MESSAGE', 'hi').repeat(2));
    const said = await saidBy(socket);
    assert.match(said, /^SIP\/2\.0 403 Forbidden\r\n/);
    assert.equal(said.split('SIP/2.0 403').length, 2);
  }
  assert.deepEqual(b.bodies, []);
  assert.equal(b.events.filter(({ event }) => event === 'peer-refused').length, strangers.length);
  const friend = dialTls(b.port('tls'), gateway);
  friend.write(request('MESSAGE', 'hi'));
  const [answer] = await once(friend, 'data');
  assert.match(String(answer), /^SIP\/2\.0 200 OK\r\n/);
  friend.destroy();
});

test('a TCP peer from an address that is not trusted gets one 403', async (t) => {
  const b = await Party.start(t, { sip: sip({ addresses: ['192.0.2.0/24'] }), listen: listen('tcp') });
  const socket = connect(b.port('tcp'), '127.0.0.1');
  socket.write(request('MESSAGE', 'hi').repeat(3));
  assert.match(await saidBy(socket), /^SIP\/2\.0 403 Forbidden\r\n[\s\S]*\r\n\r\n$/);
  assert.deepEqual(b.bodies, []);
});

test('a UDP packet from an address that is not trusted is dropped, not answered', async (t) => {
  const b = await Party.start(t, { sip: sip({ addresses: ['127.0.0.2/32'] }), listen: listen('udp') });
  const stranger = createSocket('udp4');
  const friend = createSocket('udp4');
  t.after(() => {
    stranger.close();
    friend.close();
  });
  let answers = 0;
  stranger.on('message', () => answers++);
  await new Promise<void>((resolve) => stranger.bind(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => friend.bind(0, '127.0.0.2', resolve));
  stranger.send(request('MESSAGE', 'hi'), b.port('udp'), '127.0.0.1');
  stranger.send('no SIP at all', b.port('udp'), '127.0.0.1');
  assert.match((await b.event('peer-refused', 2)).peer, /^udp:127\.0\.0\.1:/);
  friend.send('\r\n\r\n', b.port('udp'), '127.0.0.1');
  friend.send(request('MESSAGE', 'hi', 'z9hG4bKu1'), b.port('udp'), '127.0.0.1');
  const [answer] = await once(friend, 'message');
  assert.match(String(answer), /^SIP\/2\.0 200 OK\r\nVia: [^\r]*rport=\d+;branch=z9hG4bKu1;received=127\.0\.0\.2\r\n/);
  assert.deepEqual([b.bodies, answers], [['hi'], 0]);
});

test('UDP without rport is answered on the port of Via (RFC 3261 18.2.2)', async (t) => {
  const b = await Party.start(t, { sip: sip({ addresses: ['127.0.0.1'] }), listen: listen('udp') });
  const [sender, receiver] = [createSocket('udp4'), createSocket('udp4')];
  t.after(() => {
    sender.close();
    receiver.close();
  });
  await new Promise<void>((resolve) => receiver.bind(0, '127.0.0.1', resolve));
  const via = `SIP/2.0/UDP peer.example:${receiver.address().port}`;
  sender.send(request('OPTIONS', '', 'z9hG4bKu2', via), b.port('udp'), '127.0.0.1');
  const [answer] = await once(receiver, 'message');
  assert.match(String(answer), /^SIP\/2\.0 200 OK\r\nVia: [^\r]*;received=127\.0\.0\.1\r\n/);
});

test('requests go back over the connection of a peer that proved its name and allows it (RFC 5923)', async (t) => {
  const a = await Party.start(t, {
    sip: sip({ names: ['pool.example'] }),
    listen: listen('tls'),
    tls: tls(gateway),
    healthInterval: 3_600,
  });
  // Nobody listens on the port of the next hop: its own connection to us is the only way.
  const b = await Party.start(t, {
    sip: sip({ names: ['gateway.example'], hop: { fqdn: 'gateway.example', port: a.port('tls'), transport: 'tls' } }),
    tls: tls(pool),
    healthInterval: 3_600,
  });
  assert.equal((await b.send('first')).status, 200);
  a.endpoint.reconfigure(sip({ names: ['pool.example'], hop: { port: 1, transport: 'tls' } }));
  assert.equal((await a.send('back')).status, 200);
  assert.deepEqual(b.bodies, ['back']);
  assert.equal(a.events.filter(({ event }) => event === 'connection-opened').length, 1);
});

test('reconfigure: who is no longer trusted is cut, and a new certificate is used from then on', async (t) => {
  const b = await Party.start(t, { sip: sip({ names: ['gateway.example'] }), listen: listen('tls'), tls: tls(pool) });
  const serial = async () => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: b.port('tls'),
      rejectUnauthorized: false,
      cert: gateway.chainPem,
      key: gateway.privateKeyPem,
    });
    await once(socket, 'secureConnect');
    return { socket, serial: socket.getPeerX509Certificate()?.serialNumber };
  };
  const first = await serial();
  const renewed = await issue(authority, { dnsNames: ['pool.example'] });
  b.endpoint.reconfigure(sip({ names: ['gateway.example'] }), tls(renewed));
  const second = await serial();
  assert.notEqual(first.serial, second.serial);
  assert.throws(() => b.endpoint.reconfigure(sip({}), { cert: 'nonsense', key: 'nonsense' }));
  // Nothing was changed by that: the peer is still served.
  first.socket.write(request('MESSAGE', 'hi'));
  await once(first.socket, 'data');
  assert.deepEqual(b.bodies, ['hi']);
  b.endpoint.reconfigure(sip({ names: ['someone.example'] }));
  await Promise.all([saidBy(first.socket), saidBy(second.socket)]);
  assert.equal((await b.event('connection-closed')).reason, 'no longer trusted');
});

test('reconfigure: with other authorities the peers are judged anew', async (t) => {
  const names = { names: ['gateway.example'] };
  const b = await Party.start(t, { sip: sip(names), listen: listen('tls'), tls: tls(pool) });
  const socket = dialTls(b.port('tls'), gateway);
  socket.write(request('MESSAGE', 'hi'));
  await once(socket, 'data');
  b.endpoint.reconfigure(sip(names), tls(pool, other));
  await saidBy(socket);
  assert.equal((await b.event('connection-closed')).reason, 'authorities changed');

  // A judge of the caller's is asked again at the next tick.
  let isGood = true;
  const c = await Party.start(t, {
    sip: sip(names),
    listen: listen('tls'),
    tls: tls(pool),
    judgePeer: () => ({ provesHost: () => isGood }),
  });
  const judged = dialTls(c.port('tls'), await selfSigned({ dnsNames: ['whoever.example'] }));
  judged.write(request('MESSAGE', 'hi'));
  await once(judged, 'data');
  isGood = false;
  c.endpoint.reconfigure(sip(names), tls(pool));
  await saidBy(judged);
  assert.equal((await c.event('connection-closed')).reason, 'no longer trusted');
});

test('no session is resumed: whoever comes back is judged again', async (t) => {
  const b = await Party.start(t, { sip: sip({ names: ['gateway.example'] }), listen: listen('tls'), tls: tls(pool) });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const dial = (session?: Buffer) =>
      connectTls({
        host: '127.0.0.1',
        port: b.port('tls'),
        rejectUnauthorized: false,
        cert: gateway.chainPem,
        key: gateway.privateKeyPem,
        maxVersion: version,
        ...(session === undefined ? {} : { session }),
      });
    const first = dial();
    // In TLS 1.3 a session would come with or before the first data.
    let session: Buffer | undefined;
    first.on('session', (offered) => {
      session = offered;
    });
    first.write(request('OPTIONS'));
    await once(first, 'data');
    first.destroy();
    const second = dial(session ?? first.getSession());
    await once(second, 'secureConnect');
    assert.equal(second.isSessionReused(), false, version);
    second.destroy();
  }
});

test('strangers cannot take every connection, and do not stay', async (t) => {
  const b = await Party.start(t, {
    sip: sip({ names: ['gateway.example'] }),
    listen: listen('tls'),
    tls: tls(pool),
    limits: { maxStrangers: 3, maxStrangersPerAddress: 3, strangerTimeoutMs: 200, handshakeTimeoutMs: 300 },
  });
  // Two that say nothing at all, one that completes its handshake.
  const idle = [
    connect(b.port('tls'), '127.0.0.1'),
    connect(b.port('tls'), '127.0.0.1'),
    dialTls(b.port('tls'), undefined),
  ];
  await b.event('connection-opened');
  await saidBy(connect(b.port('tls'), '127.0.0.1'));
  assert.match((await b.event('peer-refused')).reason, /not trusted/);
  await Promise.all(idle.map(saidBy));
  const friend = dialTls(b.port('tls'), gateway);
  friend.write(request('MESSAGE', 'hi'));
  await once(friend, 'data');
  assert.deepEqual(b.bodies, ['hi']);
  friend.destroy();
});

test('an incomplete message is waited for, then the connection is closed (RFC 4475 clerr)', async (t) => {
  const b = await Party.start(t, {
    sip: sip({ addresses: ['127.0.0.1'] }),
    listen: listen('tcp'),
    limits: { messageTimeoutMs: 150, idleTimeoutMs: 60_000 },
  });
  const socket = connect(b.port('tcp'), '127.0.0.1');
  socket.write(request('MESSAGE', 'whole'));
  socket.write(request('MESSAGE', 'cut short').slice(0, -3));
  assert.match(await saidBy(socket), /^SIP\/2\.0 200 OK\r\n[\s\S]*\r\n\r\n$/);
  assert.deepEqual(b.bodies, ['whole']);
  assert.equal((await b.event('connection-closed')).reason, 'incomplete message');
});

test('a framing error is answered, then the connection is closed (P2)', async (t) => {
  const b = await Party.start(t, { sip: sip({ addresses: ['127.0.0.1'] }), listen: listen('tcp') });
  const socket = connect(b.port('tcp'), '127.0.0.1');
  socket.write(
    `\r\n\r\n${request('MESSAGE', 'a')}${request('MESSAGE', 'b').replace('Length: 1', 'Length: -1')}${request('MESSAGE', 'c')}`,
  );
  const said = await saidBy(socket);
  assert.deepEqual(said.match(/SIP\/2\.0 \d+/g), ['SIP/2.0 200', 'SIP/2.0 400']);
  assert.deepEqual(b.bodies, ['a']);
});

test('what is sent in one turn leaves in one write; a peer that does not read stops new requests', async (t) => {
  const chunks: string[] = [];
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (chunk) => {
      chunks.push(chunk.toString());
      server.emit('read');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const a = await Party.start(t, {
    sip: sip({ hop: { port: address.port, transport: 'tcp' } }),
    limits: { maxQueuedBytes: 50_000 },
    healthInterval: 3_600,
  });
  await once(server, 'read');
  const outcomes: SipOutcome[] = [];
  const done = (outcome: SipOutcome) => outcomes.push(outcome);
  const read = once(server, 'read');
  for (let i = 0; i < 20; i++) a.endpoint.sendMessage(PAGE, done);
  await read;
  assert.equal(chunks.length, 2);
  assert.equal(chunks[1]?.split('MESSAGE sip:').length, 21);

  for (const socket of sockets) socket.pause();
  while (outcomes.length === 0) {
    for (let i = 0; i < 20; i++) a.endpoint.sendMessage({ ...PAGE, body: 'x'.repeat(2_000) }, done);
    await new Promise(setImmediate);
  }
  assert.equal(outcomes[0]?.source, 'transport');
});

test('an address that cannot be listened on', async (t) => {
  const a = await Party.start(t, { listen: listen('tcp') });
  const port = a.port('tcp');
  for (const entry of [
    { transport: 'tcp', address: '127.0.0.1', port },
    { transport: 'udp', address: '192.0.2.1', port: 0 },
  ] as const) {
    const party = new Party({ listen: [{ transport: 'udp', address: '127.0.0.1', port: 0 }, entry] });
    await assert.rejects(party.endpoint.start());
    await party.endpoint.stop();
  }
  const noTls = new Party({ listen: listen('tls') });
  await assert.rejects(noTls.endpoint.start(), TypeError);
  await noTls.endpoint.stop();
});
