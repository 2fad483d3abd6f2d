import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import fc from 'fast-check';
import type { SipTransportName } from '../../src/runtime/sip/flow.ts';
import {
  SipEndpoint,
  type SipEndpointOptions,
  type SipEvent,
  type SipOutcome,
} from '../../src/runtime/sip-endpoint.ts';
import { MemoryNetwork, type MemoryTransport } from '../support/sip-memory.ts';

const PAGE = {
  requestUri: 'sip:romeo@pool.example',
  from: 'sip:juliet@fabrikam.example',
  to: 'sip:romeo@pool.example',
  contentType: 'text/plain;charset=UTF-8',
  body: 'Art thou not Romeo?',
};

/** Endpoints on one network, with one clock that only the test moves. */
class World {
  readonly network = new MemoryNetwork();
  readonly events: SipEvent[] = [];
  readonly outcomes: SipOutcome[] = [];
  readonly #endpoints: SipEndpoint[] = [];
  now = 1_000;

  constructor(context: TestContext) {
    context.after(async () => {
      for (const endpoint of this.#endpoints) await endpoint.stop();
    });
  }

  /** The gateway with next hops of these names, tried in this order. */
  async gateway(
    hops: readonly string[],
    transport: SipTransportName = 'tls',
    options: Partial<SipEndpointOptions> = {},
  ): Promise<{ endpoint: SipEndpoint; wire: MemoryTransport }> {
    const wire = this.network.transport('gateway');
    const endpoint = await this.#start(wire, {
      sip: sip(hops, transport),
      observe: (event) => this.events.push(event),
      token: 'token',
      ...options,
    });
    return { endpoint, wire };
  }

  /** A server that answers every MESSAGE at once. */
  async pool(name: string, status = 200, options: Partial<SipEndpointOptions> = {}) {
    const wire = this.network.transport(name);
    const bodies: string[] = [];
    const endpoint = await this.#start(wire, {
      onMessage: (message, _peer, answer) => {
        bodies.push(message.body.toString());
        answer(status);
      },
      ...options,
    });
    return { endpoint, wire, bodies };
  }

  async #start(transport: MemoryTransport, options: Partial<SipEndpointOptions>): Promise<SipEndpoint> {
    const endpoint = new SipEndpoint({
      sip: sip([], 'tls'),
      listen: [],
      transport,
      now: () => this.now,
      wallClock: () => Date.UTC(2026, 0, 1),
      random: () => 0,
      drainTimeout: 0,
      onMessage: () => {},
      ...options,
    });
    await endpoint.start();
    this.#endpoints.push(endpoint);
    this.settle();
    return endpoint;
  }

  settle(): void {
    this.network.deliver();
  }

  /** Lets time pass, a tenth of a second at a step. */
  pass(seconds: number): void {
    for (let i = 0; i < Math.round(seconds * 10); i++) {
      this.now += 100;
      for (const endpoint of this.#endpoints) endpoint.tick();
      this.settle();
    }
  }

  send(endpoint: SipEndpoint, page: Partial<typeof PAGE & { callId: string }> = {}): void {
    endpoint.sendMessage({ ...PAGE, ...page }, (outcome) => this.outcomes.push(outcome));
    this.settle();
  }

  named(event: SipEvent['event']): SipEvent[] {
    return this.events.filter((entry) => entry.event === event);
  }
}

function sip(hops: readonly string[], transport: SipTransportName): SipEndpointOptions['sip'] {
  const nextHops = hops.map((fqdn, i) => ({ fqdn, port: 5060, transport, priority: i, weight: 10, useSrv: false }));
  return { nextHops, trustedAddresses: [], trustedTlsNames: [], dialect: 'rfc7572' };
}

const HEADERS = {
  Via: 'SIP/2.0/TLS peer.example;branch=z9hG4bKpeer1;rport',
  From: '<sip:romeo@pool.example>;tag=1',
  To: '<sip:juliet@fabrikam.example>',
  'Call-ID': 'abc@peer.example',
  'Max-Forwards': '70',
};

function request(method: string, changes: Record<string, string> = {}, body = '', uri = 'sip:juliet@fabrikam.example') {
  const headers = { ...HEADERS, CSeq: `1 ${method}`, ...changes, 'Content-Length': Buffer.byteLength(body) };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${[`${method} ${uri} SIP/2.0`, ...lines].join('\r\n')}\r\n\r\n${body}`;
}

/** A connection to the gateway on which a test writes what it likes. */
async function line(context: TestContext, transport: SipTransportName, options: Partial<SipEndpointOptions> = {}) {
  const world = new World(context);
  const messages: string[] = [];
  const { endpoint, wire } = await world.gateway([], transport, {
    onMessage: (message, _peer, answer) => {
      messages.push(message.body.toString());
      answer(200);
    },
    ...options,
  });
  const peer = world.network.transport('192.0.2.1');
  const flow = peer.connect({ fqdn: 'gateway', host: 'gateway', port: 5060, transport, priority: 0, weight: 0 });
  world.settle();
  const say = (text: string): string[] => {
    const before = wire.sent.length;
    flow.sendBytes(Buffer.from(text));
    world.settle();
    return wire.sent.slice(before);
  };
  const status = (text: string) => say(text).map((answer) => Number(answer.slice(8, 11)));
  return { world, endpoint, wire, flow, messages, say, status };
}

test('a message goes to the next hop and its response comes back', async (t) => {
  const world = new World(t);
  const pool = await world.pool('pool.example');
  const { endpoint, wire } = await world.gateway(['pool.example']);
  world.send(endpoint);
  assert.deepEqual(world.outcomes, [{ status: 200, reason: 'OK', source: 'response' }]);
  assert.deepEqual(pool.bodies, [PAGE.body]);
  const text = wire.sent.find((sent) => sent.startsWith('MESSAGE ')) ?? '';
  assert.match(
    text,
    /^MESSAGE sip:romeo@pool\.example SIP\/2\.0\r\nVia: SIP\/2\.0\/TLS gateway:5061;branch=z9hG4bKtoken\./,
  );
});

test('whatever the final status, it is the outcome', async (t) => {
  for (const status of [202, 302, 403, 404, 415, 480, 500, 600]) {
    const world = new World(t);
    await world.pool('pool.example', status);
    const { endpoint } = await world.gateway(['pool.example']);
    world.send(endpoint);
    assert.deepEqual([world.outcomes[0]?.status, world.outcomes[0]?.source], [status, 'response']);
  }
});

test('CSeq grows within a Call-ID, and every message has a Call-ID', async (t) => {
  const world = new World(t);
  await world.pool('pool.example');
  const { endpoint, wire } = await world.gateway(['pool.example']);
  for (let i = 0; i < 3; i++) world.send(endpoint, { callId: 'thread@x' });
  world.send(endpoint);
  world.send(endpoint);
  const values = (name: string) =>
    wire.sent
      .filter((text) => text.startsWith('MESSAGE'))
      .map((text) => RegExp(`${name}: (\\S+)`).exec(text)?.[1] ?? '');
  const [first, second, third] = values('CSeq').map(Number);
  assert.ok(first !== undefined && first > 60_000_000 && second === first + 1 && third === first + 2);
  const callIds = values('Call-ID');
  assert.deepEqual(callIds.slice(0, 3), Array(3).fill('thread@x'));
  assert.equal(new Set(callIds).size, 3);
});

test('a next hop that cannot be reached: the message goes to the next one', async (t) => {
  const world = new World(t);
  const second = await world.pool('second.example');
  const { endpoint } = await world.gateway(['first.example', 'second.example']);
  world.send(endpoint);
  assert.equal(world.outcomes[0]?.status, 200);
  assert.deepEqual(second.bodies, [PAGE.body]);
  assert.deepEqual(world.named('next-hop-down'), [
    { event: 'next-hop-down', nextHop: 'tls:first.example:5060', reason: 'connection refused' },
  ]);
  assert.deepEqual(
    endpoint.health().map(({ healthy }) => healthy),
    [false, true],
  );
  // It is asked again after a while, and used again when it answers.
  const first = await world.pool('first.example');
  world.pass(2);
  world.send(endpoint);
  assert.deepEqual(first.bodies, [PAGE.body]);
});

test('a connection that cannot be opened again: the waiting messages go elsewhere, or fail together', async (t) => {
  const world = new World(t);
  const first = await world.pool('first.example');
  const second = await world.pool('second.example');
  const { endpoint, wire } = await world.gateway(['first.example', 'second.example'], 'tls', { healthInterval: 3_600 });
  world.pass(1);
  const lose = (pool: typeof first, name: string) => {
    for (const flow of pool.wire.flows) flow.close('restart');
    wire.unreachable.add(name);
    world.settle();
  };
  const done = (outcome: SipOutcome) => world.outcomes.push(outcome);
  lose(first, 'first.example');
  for (let i = 0; i < 3; i++) endpoint.sendMessage({ ...PAGE, body: String(i) }, done);
  world.settle();
  assert.deepEqual(second.bodies, ['0', '1', '2']);
  assert.deepEqual(first.bodies, []);
  lose(second, 'second.example');
  for (let i = 3; i < 5; i++) endpoint.sendMessage({ ...PAGE, body: String(i) }, done);
  world.settle();
  assert.deepEqual(
    world.outcomes.map(({ status, source }) => `${status} ${source}`),
    [...['200 response', '200 response', '200 response'], ...['503 transport', '503 transport']],
  );
});

test('503 moves the message on; with Retry-After the next hop rests', async (t) => {
  const world = new World(t);
  const first = await world.pool('first.example', 503);
  const second = await world.pool('second.example');
  const { endpoint } = await world.gateway(['first.example', 'second.example']);
  world.send(endpoint);
  world.send(endpoint);
  assert.deepEqual(
    world.outcomes.map(({ status }) => status),
    [200, 200],
  );
  assert.deepEqual([first.bodies.length, second.bodies.length], [2, 2]);
  assert.deepEqual(world.named('next-hop-down'), []);

  const alone = new World(t);
  await alone.pool('only.example', 503);
  const only = await alone.gateway(['only.example']);
  alone.send(only.endpoint);
  assert.deepEqual([alone.outcomes[0]?.status, alone.outcomes[0]?.source], [503, 'response']);
});

test('a 503 with Retry-After takes the next hop out for that long', async (t) => {
  const world = new World(t);
  const pool = await world.pool('pool.example');
  const { endpoint } = await world.gateway(['pool.example', 'absent.example']);
  pool.wire.isMute = true;
  world.send(endpoint);
  const asked = world.network.find('gateway')?.sent.findLast((text) => text.startsWith('MESSAGE')) ?? '';
  const via = /Via: ([^\r]*)/.exec(asked)?.[1];
  const response = `SIP/2.0 503 Busy\r\nVia: ${via}\r\nCSeq: 1 MESSAGE\r\nRetry-After: 20\r\nContent-Length: 0\r\n\r\n`;
  pool.wire.flows[0]?.sendBytes(Buffer.from(response));
  world.settle();
  assert.equal(endpoint.health()[0]?.reason, '503 with Retry-After');
  pool.wire.isMute = false;
  world.pass(15);
  assert.equal(endpoint.health()[0]?.healthy, false);
  world.pass(10);
  assert.equal(endpoint.health()[0]?.healthy, true);
});

test('no answer: 408 after 32 seconds, never a second delivery, and a silent next hop is down', async (t) => {
  const world = new World(t);
  const first = await world.pool('first.example');
  const second = await world.pool('second.example');
  const { endpoint } = await world.gateway(['first.example', 'second.example'], 'tls', { healthInterval: 3_600 });
  first.wire.isMute = true;
  world.pass(1);
  world.send(endpoint);
  world.pass(31);
  assert.deepEqual(world.outcomes, []);
  world.pass(1.5);
  assert.deepEqual(world.outcomes, [{ status: 408, reason: 'Request Timeout', source: 'timeout' }]);
  assert.deepEqual([first.bodies.length, second.bodies.length], [1, 0]);
  assert.deepEqual([endpoint.health()[0]?.healthy, endpoint.health()[0]?.reason], [false, 'no answer']);
  world.send(endpoint);
  assert.deepEqual(second.bodies, [PAGE.body]);
});

test('a user who never answers does not take the next hop down', async (t) => {
  const world = new World(t);
  let isFirst = true;
  await world.pool('pool.example', 200, {
    onMessage: (_message, _peer, answer) => {
      if (!isFirst) answer(200);
      isFirst = false;
    },
  });
  const { endpoint } = await world.gateway(['pool.example']);
  world.pass(1);
  world.send(endpoint);
  world.pass(10);
  world.send(endpoint);
  world.pass(25);
  assert.deepEqual(
    world.outcomes.map(({ status }) => status),
    [200, 408],
  );
  assert.equal(endpoint.health()[0]?.healthy, true);
});

test('a connection that breaks under way: the outcome is unknown, so the message is not sent again', async (t) => {
  const world = new World(t);
  const first = await world.pool('first.example', 200, { onMessage: () => {} });
  const second = await world.pool('second.example');
  const { endpoint } = await world.gateway(['first.example', 'second.example']);
  world.pass(1);
  world.send(endpoint);
  for (const flow of first.wire.flows) flow.close('crash');
  world.settle();
  assert.deepEqual(world.outcomes, [{ status: 503, reason: 'Connection Failed', source: 'transport' }]);
  assert.deepEqual(second.bodies, []);
});

test('all next hops down', async (t) => {
  const world = new World(t);
  const { endpoint } = await world.gateway(['first.example', 'second.example']);
  world.send(endpoint);
  assert.deepEqual(world.outcomes, [{ status: 503, reason: 'No Next Hop Is Up', source: 'no-next-hop' }]);
  const attempts = world.network.find('gateway')?.flows.length;
  world.pass(0.3);
  // Further messages open no further connections before the time has come.
  for (let i = 0; i < 50; i++) world.send(endpoint);
  assert.equal(world.network.find('gateway')?.flows.length, attempts);
});

test('more requests under way than allowed are refused at once', async (t) => {
  const world = new World(t);
  await world.pool('pool.example', 200, { onMessage: () => {} });
  const { endpoint } = await world.gateway(['pool.example'], 'tls', { maxPending: 3 });
  world.pass(1);
  for (let i = 0; i < 5; i++) world.send(endpoint);
  assert.deepEqual(
    world.outcomes.map(({ source }) => source),
    ['overload', 'overload'],
  );
  assert.deepEqual(world.named('overload').length, 2);
});

test('UDP: too large a message is refused, unless that is allowed', async (t) => {
  const world = new World(t);
  await world.pool('pool.example');
  const { endpoint } = await world.gateway(['pool.example'], 'udp');
  world.send(endpoint, { body: '\u00fc'.repeat(600) });
  assert.deepEqual(world.outcomes, [{ status: 513, reason: 'Message Too Large', source: 'too-large' }]);
  const generous = new World(t);
  await generous.pool('pool.example');
  const other = await generous.gateway(['pool.example'], 'udp', { maxDatagramBytes: 4_000 });
  generous.send(other.endpoint, { body: '\u00fc'.repeat(600) });
  assert.equal(generous.outcomes[0]?.status, 200);
});

test('UDP: a request is sent again until it is answered, and delivered once', async (t) => {
  const world = new World(t);
  const pool = await world.pool('pool.example');
  const { endpoint, wire } = await world.gateway(['pool.example'], 'udp', { healthInterval: 3_600 });
  world.pass(1);
  pool.wire.isMute = true;
  world.send(endpoint);
  world.pass(5);
  const sent = wire.sent.filter((text) => text.startsWith('MESSAGE'));
  assert.equal(sent.length, 4);
  assert.equal(new Set(sent).size, 1);
  pool.wire.isMute = false;
  world.pass(5);
  assert.deepEqual(
    world.outcomes.map(({ status }) => status),
    [200],
  );
  assert.deepEqual(pool.bodies, [PAGE.body]);
  const answers = pool.wire.sent.filter((text) => text.includes('CSeq: 1 MESSAGE'));
  assert.ok(answers.length >= 4);
  assert.equal(new Set(answers).size, 1);
});

test('responses that are not ours mean nothing', async (t) => {
  const world = new World(t);
  const pool = await world.pool('pool.example', 200, { onMessage: () => {} });
  const { endpoint, wire } = await world.gateway(['pool.example']);
  world.pass(1);
  world.send(endpoint);
  const via = /Via: ([^\r]*)/.exec(wire.sent.findLast((text) => text.startsWith('MESSAGE')) ?? '')?.[1] ?? '';
  const flow = pool.wire.flows[0];
  const respond = (changed: string, method = 'MESSAGE', more = '', status = 200) => {
    const text = `SIP/2.0 ${status} x\r\nVia: ${changed}\r\n${more}CSeq: 1 ${method}\r\nContent-Length: 0\r\n\r\n`;
    flow?.sendBytes(Buffer.from(text));
    world.settle();
  };
  respond(via.replace('token.', 'other.'));
  respond(via.replace(/token\.(\d+)/, 'token.0$1'));
  respond(via.replace(/token\.(\d+)/, 'token.$1.0'));
  respond(via.replace(/token\.(\d+)/, 'token.$1e0'));
  respond(via.replace(/;branch=[^;]*/, ''));
  respond(via, 'OPTIONS');
  respond(via, 'MESSAGE', 'Via: SIP/2.0/UDP 255.255.255.255;branch=z9hG4bK1saber23\r\n');
  assert.deepEqual(world.outcomes, []);
  assert.equal(world.named('response-unmatched').length, 7);
  // Over another connection, of a peer that may not talk to us.
  wire.isTrusted = false;
  const stranger = world.network
    .transport('stranger')
    .connect({ fqdn: 'gateway', host: 'gateway', port: 5060, transport: 'tls', priority: 0, weight: 0 });
  world.settle();
  stranger.sendBytes(Buffer.from(`SIP/2.0 200 x\r\nVia: ${via}\r\nCSeq: 1 MESSAGE\r\nContent-Length: 0\r\n\r\n`));
  world.settle();
  assert.equal(world.named('response-unmatched').length, 8);
  respond(via, 'MESSAGE', '', 100);
  assert.deepEqual(world.outcomes, []);
  respond(via, 'MESSAGE', '', 299);
  respond(via, 'MESSAGE', '', 400);
  assert.deepEqual(
    world.outcomes.map(({ status }) => status),
    [299],
  );
});

test('next hops are asked with OPTIONS; any answer means up, silence down', async (t) => {
  const world = new World(t);
  const pool = await world.pool('pool.example');
  const { endpoint, wire } = await world.gateway(['pool.example'], 'tls', { healthInterval: 10 });
  world.pass(0.2);
  assert.deepEqual(endpoint.health(), [
    { nextHop: 'tls:pool.example:5060', healthy: true, sinceMs: endpoint.health()[0]?.sinceMs, reason: '' },
  ]);
  const [probe = ''] = wire.sent;
  assert.match(probe, /^OPTIONS sip:pool\.example SIP\/2\.0\r\nVia: [^\r]*\r\nMax-Forwards: 0\r\n/);
  world.pass(30);
  assert.equal(wire.sent.length, 4);
  pool.wire.isMute = true;
  world.pass(20);
  assert.equal(endpoint.health()[0]?.healthy, false);
  assert.deepEqual(
    world.events.map(({ event }) => event).filter((event) => event.startsWith('next-hop')),
    ['next-hop-up', 'next-hop-down'],
  );
  pool.wire.isMute = false;
  world.pass(15);
  assert.equal(endpoint.health()[0]?.healthy, true);
});

test('methods other than MESSAGE get their final answer', async (t) => {
  const { status, say, messages } = await line(t, 'tls');
  let branch = 0;
  const ask = (method: string, changes: Record<string, string> = {}) =>
    request(method, { Via: `SIP/2.0/TLS peer.example;branch=z9hG4bK${++branch}`, ...changes });
  assert.deepEqual(status(ask('OPTIONS')), [200]);
  assert.deepEqual(status(ask('OPTIONS', { 'Max-Forwards': '0' })), [200]);
  assert.deepEqual(status(ask('INVITE')), [405]);
  assert.deepEqual(status(ask('ACK')), []);
  assert.deepEqual(status(ask('SUBSCRIBE', { Event: 'presence' })), [489]);
  for (const method of ['BYE', 'NOTIFY', 'INFO', 'PRACK', 'UPDATE', 'CANCEL'])
    assert.deepEqual(status(ask(method)), [481]);
  for (const method of ['REGISTER', 'PUBLISH', 'REFER', 'message', 'X']) assert.deepEqual(status(ask(method)), [405]);
  const [answer = ''] = say(ask('OPTIONS'));
  assert.match(answer, /\r\nAllow: MESSAGE, OPTIONS\r\nAccept: text\/plain, text\/html\r\n/);
  assert.match(answer, /\r\nTo: <sip:juliet@fabrikam\.example>;tag=\w+\r\n/);
  assert.deepEqual(messages, []);
});

test('event packages are named when there are any', async (t) => {
  const { say } = await line(t, 'tls', { eventPackages: ['presence'] });
  assert.match(say(request('SUBSCRIBE'))[0] ?? '', /^SIP\/2\.0 489 Bad Event\r\n[\s\S]*\r\nAllow-Events: presence\r\n/);
});

test('MESSAGE: what is refused before the handler is asked', async (t) => {
  const { status, say, messages } = await line(t, 'tls');
  const message = (changes: Record<string, string> = {}, uri?: string) =>
    request('MESSAGE', { 'Content-Type': 'text/plain', ...changes }, 'hi', uri);
  assert.deepEqual(status(message({}, 'sips:juliet@fabrikam.example')), [416]);
  assert.deepEqual(status(message({}, 'tel:+12015550123')), [416]);
  assert.deepEqual(status(message({ To: '<sips:juliet@fabrikam.example>' })), [416]);
  assert.deepEqual(status(message({ From: '<SIPS:romeo@pool.example>;tag=1' })), [416]);
  assert.deepEqual(status(message({ Require: '100rel' })), [420]);
  assert.match(say(message({ Require: 'a, b' }))[0] ?? '', /\r\nUnsupported: a, b\r\n/);
  assert.deepEqual(status(message({ To: '<sip:juliet@fabrikam.example>;tag=dialog' })), [481]);
  assert.deepEqual(status(message({ 'Content-Encoding': 'gzip' })), [415]);
  assert.deepEqual(
    status(message({ Via: 'SIP/2.0/TLS p;branch=z9hG4bK2, SIP/2.0/TLS gateway;branch=z9hG4bKtoken.7' })),
    [482],
  );
  assert.deepEqual(messages, []);
  assert.deepEqual(status(message({ Require: '' })), [200]);
  assert.deepEqual(messages, ['hi']);
});

test('MESSAGE: what the handler gets and answers', async (t) => {
  const seen: unknown[] = [];
  const { status, say } = await line(t, 'tls', {
    onMessage: (message, peer, answer) => {
      seen.push({ ...message, body: message.body.toString(), peer });
      if (message.body.includes('again')) answer(200);
      answer(message.body.length === 0 ? 99 : 415, 'Only\r\nText');
      answer(200);
    },
  });
  const full = { Subject: 'Gr\u00fc\u00dfe', 'Content-Language': 'de', 'Content-Type': 'text/html' };
  assert.match(
    say(request('MESSAGE', full, 'h\u00e9'))[0] ?? '',
    /^SIP\/2\.0 415 Only Text\r\n[\s\S]*\r\nAccept: text\/plain, text\/html\r\n/,
  );
  assert.deepEqual(seen[0], {
    requestUri: 'sip:juliet@fabrikam.example',
    from: 'sip:romeo@pool.example',
    to: 'sip:juliet@fabrikam.example',
    callId: 'abc@peer.example',
    subject: 'Gr\u00fc\u00dfe',
    contentType: 'text/html',
    contentLanguage: 'de',
    body: 'h\u00e9',
    peer: 'tls:192.0.2.1',
  });
  assert.deepEqual(status(request('MESSAGE')), [500]);
  assert.deepEqual(status(request('MESSAGE', full, 'again')), [200]);
});

test('a handler that throws: 500, and the error is told', async (t) => {
  const { world, status } = await line(t, 'tls', {
    onMessage: () => {
      throw new Error('bug');
    },
  });
  assert.deepEqual(status(request('MESSAGE')), [500]);
  assert.equal(world.named('handler-failed').length, 1);
});

test('a handler that never answers costs nothing after 32 seconds', async (t) => {
  let late: ((status: number) => void) | undefined;
  const { world, status, wire } = await line(t, 'udp', {
    maxServerTransactions: 1,
    onMessage: (_message, _peer, answer) => {
      late = answer;
    },
  });
  const via = (branch: string) => ({ Via: `SIP/2.0/UDP peer.example;branch=z9hG4bK${branch};rport` });
  assert.deepEqual(status(request('MESSAGE', via('1'))), []);
  assert.deepEqual(status(request('OPTIONS', via('2'))), []);
  assert.equal(world.named('overload').length, 1);
  world.pass(33);
  assert.deepEqual(status(request('OPTIONS', via('3'))), [200]);
  const before = wire.sent.length;
  late?.(200);
  world.settle();
  assert.equal(wire.sent.length, before);
});

test('UDP: the same request again gets the same answer and is handled once', async (t) => {
  const { say, messages } = await line(t, 'udp');
  const text = request('MESSAGE', { 'Content-Type': 'text/plain' }, 'once');
  const answers = [...say(text), ...say(text), ...say(text)];
  assert.deepEqual(messages, ['once']);
  assert.equal(answers.length, 3);
  assert.equal(new Set(answers).size, 1);
  // Another method or another sender's branch is another transaction.
  assert.equal(say(text.replaceAll('MESSAGE', 'OPTIONS')).length, 1);
  assert.equal(say(text.replace('peer1', 'peer2')).length, 1);
  assert.equal(messages.length, 2);
  // RFC 2543 had no branch to go by.
  const old = text.replace(';branch=z9hG4bKpeer1', '');
  assert.deepEqual([...say(old), ...say(old)].length, 2);
  assert.equal(messages.length, 3);
});

test('UDP: an answered transaction makes room for a new one before its time', async (t) => {
  const { world, say } = await line(t, 'udp', { maxServerTransactions: 3 });
  const ask = (branch: number) => request('OPTIONS', { Via: `SIP/2.0/UDP peer.example;branch=z9hG4bK${branch};rport` });
  const answers = Array.from({ length: 10 }, (_, i) => say(ask(i)));
  assert.deepEqual(
    answers.map(({ length }) => length),
    Array(10).fill(1),
  );
  assert.deepEqual(world.named('overload'), []);
  // The newest are still known.
  assert.deepEqual(say(ask(9)), answers[9]);
});

test('UDP: INVITE is answered until its ACK, CANCEL is known or not', async (t) => {
  const { world, wire, status, say } = await line(t, 'udp');
  assert.deepEqual(status(request('INVITE')), [405]);
  const tag = /\r\nTo: [^\r]*;tag=(\w+)/.exec(wire.sent[0] ?? '')?.[1];
  world.pass(2);
  assert.equal(wire.sent.length, 3);
  assert.deepEqual(status(request('CANCEL', { CSeq: '1 CANCEL' })), [200]);
  assert.deepEqual(status(request('CANCEL', { Via: 'SIP/2.0/UDP peer.example;branch=z9hG4bKno;rport' })), [481]);
  const before = wire.sent.length;
  assert.deepEqual(say(request('ACK', { CSeq: '1 ACK', To: `<sip:juliet@fabrikam.example>;tag=${tag}` })), []);
  world.pass(10);
  assert.equal(wire.sent.length, before);
});

test('whatever a peer sends, nothing throws and nothing is answered twice', async (t) => {
  const world = new World(t);
  const { endpoint, wire } = await world.gateway([], 'udp', {
    onMessage: (_message, _peer, answer) => answer(200),
  });
  const peer = world.network.transport('192.0.2.1');
  const methods = ['MESSAGE', 'OPTIONS', 'INVITE', 'ACK', 'CANCEL', 'BYE', 'SUBSCRIBE', 'X'];
  const alphabet = Buffer.from('\r\n \t:;,<>"\\@%=?/\0\u00ff1aZ');
  const change = fc.tuple(fc.nat(400), fc.nat(alphabet.length - 1), fc.nat(2));
  fc.assert(
    fc.property(
      fc.constantFrom('udp' as const, 'tcp' as const),
      fc.array(fc.tuple(fc.constantFrom(...methods), fc.nat(3), fc.array(change, { maxLength: 2 })), { maxLength: 8 }),
      (transport, requests) => {
        const flow = peer.connect({ fqdn: 'gateway', host: 'gateway', port: 5060, transport, priority: 0, weight: 0 });
        world.settle();
        const before = wire.sent.length;
        for (const [method, branch, changes] of requests) {
          let bytes = Buffer.from(request(method, { Via: `SIP/2.0/UDP p;branch=z9hG4bK${branch};rport` }, 'hi'));
          for (const [at, which, length] of changes) {
            const insert = alphabet.subarray(which, which + 1);
            bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + length)]);
          }
          flow.sendBytes(bytes);
          world.settle();
        }
        assert.ok(wire.sent.length - before <= requests.length);
        for (const text of wire.sent.slice(before)) {
          assert.match(text, /^(?:\r\n|SIP\/2\.0 \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)+\r\n)$/);
        }
        flow.close('done');
        world.settle();
      },
    ),
  );
  assert.deepEqual(world.named('handler-failed'), []);
  assert.deepEqual(endpoint.health(), []);
});

test('an untrusted peer gets one 403 on a connection and nothing over UDP (P8)', async (t) => {
  for (const transport of ['tls', 'tcp', 'udp'] as const) {
    const world = new World(t);
    const wire = world.network.transport('gateway', false);
    const messages: string[] = [];
    const endpoint = new SipEndpoint({
      sip: sip([], transport),
      listen: [],
      transport: wire,
      observe: (event) => world.events.push(event),
      onMessage: (message) => messages.push(message.body.toString()),
    });
    await endpoint.start();
    t.after(() => endpoint.stop());
    const peer = world.network.transport('192.0.2.1');
    const flow = peer.connect({ fqdn: 'gateway', host: 'gateway', port: 5060, transport, priority: 0, weight: 0 });
    world.settle();
    flow.sendBytes(Buffer.from(request('MESSAGE').repeat(3)));
    flow.sendBytes(Buffer.from(request('MESSAGE', { From: '"' })));
    world.settle();
    assert.deepEqual(messages, []);
    assert.deepEqual(
      wire.sent.map((text) => text.slice(8, 11)),
      transport === 'udp' ? [] : ['403'],
      transport,
    );
    assert.equal(flow.state, transport === 'udp' ? 'open' : 'closed');
    assert.ok(world.named('peer-refused').length >= 1);
  }
});

test('what cannot be read is answered where that is possible, and ends a stream whose framing is lost', async (t) => {
  const { world, say, flow } = await line(t, 'tls');
  const [answer = ''] = say(request('MESSAGE', { From: '"' }));
  assert.match(
    answer,
    /^SIP\/2\.0 400 Bad From\r\nVia: [^\r]*;rport=5061;received=192\.0\.2\.1\r\nTo: [^\r]*;tag=\w+\r\n/,
  );
  assert.equal(flow.state, 'open');
  const [last = ''] = say(request('MESSAGE').replace('Content-Length: 0', 'Content-Length: x'));
  assert.match(last, /^SIP\/2\.0 400 Bad Content-Length\r\n/);
  assert.equal(flow.state, 'closed');
  assert.deepEqual(
    world.named('parse-failure').map((event) => event.event === 'parse-failure' && event.closes),
    [false, true],
  );
});

test('keep-alives are answered', async (t) => {
  const { say } = await line(t, 'tcp');
  assert.deepEqual(say('\r\n\r\n'), ['\r\n']);
});

test('reconfigure: other next hops, requests under way stay', async (t) => {
  const world = new World(t);
  let answerLate: (() => void) | undefined;
  await world.pool('first.example', 200, {
    onMessage: (_message, _peer, answer) => {
      answerLate = () => answer(200);
    },
  });
  const second = await world.pool('second.example');
  const { endpoint } = await world.gateway(['first.example']);
  world.send(endpoint);
  endpoint.reconfigure(sip(['second.example'], 'tls'));
  world.send(endpoint);
  assert.deepEqual(second.bodies, [PAGE.body]);
  answerLate?.();
  world.settle();
  assert.deepEqual(
    world.outcomes.map(({ status }) => status),
    [200, 200],
  );
  assert.deepEqual(
    endpoint.health().map(({ nextHop }) => nextHop),
    ['tls:second.example:5060'],
  );
  // The old connection goes when nothing on it can be answered any more.
  const [old] = world.network.find('gateway')?.flows ?? [];
  assert.equal(old?.state, 'open');
  world.pass(33);
  assert.equal(old?.state, 'closed');
});

test('SRV records decide hosts, ports and order; what cannot be read leaves what is known', async (t) => {
  const world = new World(t);
  const records = [
    { priority: 20, weight: 0, port: 5062, target: 'b.example' },
    { priority: 10, weight: 0, port: 5061, target: 'a.example' },
    { priority: 5, weight: 0, port: 0, target: 'c.example' },
    { priority: 5, weight: 0, port: 5061, target: '.' },
  ];
  let isBroken = false;
  const hop = { fqdn: 'pool.example', transport: 'tls' as const, priority: 1, weight: 1, useSrv: true };
  const { endpoint } = await world.gateway([], 'tls', {
    sip: { ...sip([], 'tls'), nextHops: [hop] },
    resolver: {
      resolve: async (name) => {
        assert.equal(name, '_sips._tcp.pool.example');
        if (isBroken) return { outcome: 'servfail' };
        return { outcome: 'found', records: records as never[], ttl: 1, authenticated: false };
      },
    },
  });
  const names = ['tls:pool.example (a.example:5061)', 'tls:pool.example (b.example:5062)'];
  await new Promise(setImmediate);
  assert.deepEqual(
    endpoint.health().map(({ nextHop }) => nextHop),
    names,
  );
  isBroken = true;
  world.pass(61);
  await new Promise(setImmediate);
  assert.deepEqual(
    endpoint.health().map(({ nextHop }) => nextHop),
    names,
  );
  assert.equal(world.named('resolution-failed').length, 1);
});

test('stop: nothing new is taken, what is under way is waited for', async (t) => {
  const world = new World(t);
  let answerLate: (() => void) | undefined;
  await world.pool('pool.example', 200, {
    onMessage: (_message, _peer, answer) => {
      answerLate = () => answer(200);
    },
  });
  const { endpoint } = await world.gateway(['pool.example'], 'tls', { drainTimeout: 3_600 });
  world.pass(1);
  world.send(endpoint);
  const stopped = endpoint.stop();
  world.send(endpoint);
  assert.deepEqual(
    world.outcomes.map(({ source }) => source),
    ['stopped'],
  );
  answerLate?.();
  world.settle();
  endpoint.tick();
  await stopped;
  assert.deepEqual(
    world.outcomes.map(({ source }) => source),
    ['stopped', 'response'],
  );
});

test('stop: what is not answered in time ends all the same', async (t) => {
  const world = new World(t);
  await world.pool('pool.example', 200, { onMessage: () => {} });
  const { endpoint } = await world.gateway(['pool.example']);
  world.pass(1);
  world.send(endpoint);
  await endpoint.stop();
  assert.deepEqual(
    world.outcomes.map(({ source }) => source),
    ['stopped'],
  );
});
