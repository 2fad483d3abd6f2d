import assert from 'node:assert/strict';
import { before, describe, type TestContext, test } from 'node:test';
import { GatewayError } from '../../../src/runtime/net/gateway-error.ts';
import { OutboundRoute } from '../../../src/runtime/streams/outbound-route.ts';
import type { RouteFailure } from '../../../src/runtime/streams/route-failure.ts';
import type { Dialled } from '../../../src/runtime/streams/stream-services.ts';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';
import { createAuthority, issue, type ThrowawayCertificate } from '../../support/certificates.ts';
import { acceptDialback, type RawPeer, RawServer, STREAM_HEADER } from '../../support/raw-peer.ts';
import { Site } from '../../support/xmpp-site.ts';

const IN_CLEAR = {
  domain: 'fabrikam.com',
  tlsNegotiation: 'NotSupported',
  saslNegotiation: 'NotSupported',
  supportDialbackNegotiation: true,
} as const;

let authority: ThrowawayCertificate;
let certificate: ThrowawayCertificate;

before(async () => {
  authority = await createAuthority('Root');
  certificate = await issue(authority, { dnsNames: ['contoso.com'] });
});

/** contoso.com with one route to fabrikam.com, whose server is played by the test. */
class Stage {
  readonly site: Site;
  readonly route: OutboundRoute;
  readonly outcomes: (RouteFailure | undefined | 'waits')[] = [];

  static async set(context: TestContext, play?: (peer: RawPeer, index: number) => void): Promise<Stage> {
    const site = await Site.start(context, { domains: ['contoso.com'], partners: [IN_CLEAR], certificate, authority });
    if (play !== undefined) site.route('fabrikam.com', (await RawServer.start(context, play)).port);
    return new Stage(site);
  }

  private constructor(site: Site) {
    this.site = site;
    this.route = new OutboundRoute('contoso.com', 'fabrikam.com', site.services);
  }

  send(count = 1, xml = message('hi')): void {
    for (let i = 0; i < count; i++) {
      const at = this.outcomes.push('waits') - 1;
      this.route.send(xml, (failure) => {
        assert.equal(this.outcomes[at], 'waits', 'told once');
        this.outcomes[at] = failure;
      });
    }
  }

  /** Replaces what `connect` does. */
  dialWith(connect: (signal: AbortSignal) => Promise<Dialled>): void {
    this.site.services.connect = (remoteDomain, _partner, signal) => {
      this.site.dialled.push(remoteDomain);
      return connect(signal);
    };
  }

  advance(seconds: number): void {
    this.site.now += seconds * 1_000;
    this.route.tick(this.site.now);
  }

  async settled(): Promise<void> {
    await this.site.until(() => !this.outcomes.includes('waits'), 'an outcome for every stanza');
  }

  get dials(): number {
    return this.site.dialled.length;
  }
}

function message(body: string): string {
  return `<message from='ann@contoso.com' to='bob@fabrikam.com'><body>${body}</body></message>`;
}

const never = new Promise<never>(() => undefined);
const unreachable = () => Promise.reject(new GatewayError('connect-refused'));

describe('the queue', () => {
  test('100 stanzas open one connection, and leave in order once it is admitted', async (t) => {
    const peers: RawPeer[] = [];
    const stage = await Stage.set(t, (peer) => {
      peers.push(peer);
      acceptDialback(peer);
    });
    for (let i = 0; i < 100; i++) stage.send(1, message(`${i}.`));
    assert.ok(stage.outcomes.every((outcome) => outcome === 'waits'));
    await stage.settled();
    assert.deepEqual(new Set(stage.outcomes), new Set([undefined]));
    stage.send(1, message('last'));
    assert.equal(stage.outcomes.at(-1), undefined, 'an open stream takes it at once');
    const text = await peers[0]?.heard('last');
    const bodies = [...(text ?? '').matchAll(/<body>(\d+)\.<\/body>/g)].map(([, number]) => Number(number));
    assert.deepEqual(
      bodies,
      Array.from({ length: 100 }, (_, i) => i),
    );
    assert.ok((text ?? '').indexOf('<db:result') < (text ?? '').indexOf('<message'), 'no stanza before the proof');
    assert.equal(stage.dials, 1);
    stage.route.shutdown();
  });

  test('holds 1000 stanzas, and 4 MiB', async (t) => {
    const stage = await Stage.set(t);
    stage.dialWith(() => never);
    stage.send(1_001);
    assert.equal(stage.outcomes.filter((outcome) => outcome === 'waits').length, 1_000);
    assert.equal(condition(stage.outcomes[1_000]), 'resource-constraint');
    const big = await Stage.set(t);
    big.dialWith(() => never);
    big.send(65, message('x'.repeat(65_536)));
    assert.equal(big.outcomes.filter((outcome) => outcome === 'waits').length, 63);
    assert.equal(big.dials, 1);
  });

  test('a stanza waits 25 seconds, on whatever the stream hangs', async (t) => {
    const stage = await Stage.set(t, () => undefined);
    stage.send(2);
    stage.advance(20);
    stage.send(1);
    stage.advance(4.9);
    assert.deepEqual(stage.outcomes, ['waits', 'waits', 'waits']);
    stage.advance(0.1);
    assert.deepEqual(stage.outcomes.map(condition), ['remote-server-timeout', 'remote-server-timeout', 'waits']);
    stage.advance(20);
    assert.equal(condition(stage.outcomes[2]), 'remote-server-timeout');
    stage.advance(15);
    const { ending } = await stage.site.ended('outbound');
    assert.deepEqual(ending, { why: 'timeout', what: 'establishment' });
  });
});

describe('stanzas come back with the cause', () => {
  async function causeOf(t: TestContext, play: (peer: RawPeer) => void): Promise<RouteFailure | undefined | 'waits'> {
    const stage = await Stage.set(t, play);
    stage.send(3);
    await stage.settled();
    assert.equal(new Set(stage.outcomes).size, 1);
    return stage.outcomes[0];
  }
  const say = (text: string) => (peer: RawPeer) =>
    peer.write(`${STREAM_HEADER} from='fabrikam.com' id='x' version='1.0'>${text}`);
  const streamError = (name: string) =>
    `<stream:error><${name} xmlns='${NS.streamErrors}'/></stream:error></stream:stream>`;

  test('no server, and none that answers', async (t) => {
    const nowhere = await Stage.set(t);
    nowhere.send();
    await nowhere.settled();
    assert.equal(condition(nowhere.outcomes[0]), 'remote-server-not-found');
    const refused = await Stage.set(t);
    refused.dialWith(unreachable);
    refused.send();
    await refused.settled();
    assert.equal(condition(refused.outcomes[0]), 'remote-server-timeout');
  });

  test('an error of the peer', async (t) => {
    assert.equal(condition(await causeOf(t, say(streamError('host-unknown')))), 'remote-server-not-found');
    assert.equal(condition(await causeOf(t, say(streamError('not-authorized')))), 'remote-server-timeout');
  });

  test('a connection that closes, before and after the header', async (t) => {
    assert.equal(condition(await causeOf(t, (peer) => peer.socket.end())), 'remote-server-timeout');
    assert.equal(condition(await causeOf(t, (peer) => peer.socket.resetAndDestroy())), 'remote-server-timeout');
    assert.equal(condition(await causeOf(t, say('</stream:stream>'))), 'remote-server-timeout');
  });

  test('our own policy', async (t) => {
    const required = `<stream:features><starttls xmlns='${NS.tls}'><required/></starttls></stream:features>`;
    const failure = await causeOf(t, say(required));
    assert.equal(typeof failure === 'object' && failure.refusal, 'tls-not-supported');
  });

  test('a domain that is no partner: without a connection', async (t) => {
    const stage = await Stage.set(t);
    stage.site.services.index = stage.site.indexOf([]);
    stage.send();
    assert.equal(condition(stage.outcomes[0]), 'forbidden');
    assert.equal(stage.dials, 0);
  });

  test('all streams in use: without a connection', async (t) => {
    const stage = await Stage.set(t);
    for (let i = 0; i < 1_000; i++) stage.site.services.ledger.open();
    stage.send();
    assert.equal(condition(stage.outcomes[0]), 'resource-constraint');
    assert.equal(stage.dials, 0);
  });
});

describe('after a failure', () => {
  test('nothing is dialled for a while, twice as long each time, at most five minutes', async (t) => {
    const stage = await Stage.set(t);
    stage.dialWith(unreachable);
    stage.send();
    await stage.settled();
    const pauses: number[] = [];
    for (let i = 0; i < 11; i++) {
      const { dials } = stage;
      let seconds = 0;
      while (stage.dials === dials) {
        assert.equal(condition(stage.outcomes.at(-1)), 'remote-server-timeout', 'the same cause, at once');
        stage.advance(0.75);
        seconds += 0.75;
        stage.send();
      }
      pauses.push(seconds);
      await stage.settled();
    }
    assert.deepEqual(pauses, [0.75, 1.5, 3, 6, 12, 24, 48, 96, 192, 225, 225]);
  });

  test('the pause is half chance', async (t) => {
    for (const [random, pause] of [
      [0, 0.5],
      [0.999, 1],
    ] as const) {
      const stage = await Stage.set(t);
      stage.site.services.random = () => random;
      stage.dialWith(unreachable);
      stage.send();
      await stage.settled();
      stage.advance(pause - 0.01);
      stage.send();
      assert.equal(stage.dials, 1);
      stage.advance(0.01);
      stage.send();
      assert.equal(stage.dials, 2);
      await stage.settled();
    }
  });

  test('a changed configuration ends the pause', async (t) => {
    const stage = await Stage.set(t);
    stage.dialWith(unreachable);
    stage.send();
    await stage.settled();
    stage.route.reconsider();
    stage.send();
    assert.equal(stage.dials, 2);
    await stage.settled();
  });

  test('a stream of the partner ends the pause, and the next failure brings a longer one', async (t) => {
    const stage = await Stage.set(t);
    stage.dialWith(unreachable);
    for (const dials of [1, 2]) {
      stage.send(1);
      await stage.settled();
      stage.send(1);
      assert.equal(stage.dials, dials);
      stage.route.endPause();
    }
    stage.send(1);
    await stage.settled();
    stage.advance(2.9); // 3 seconds: the third pause, less the half that is chance
    stage.send(1);
    assert.equal(stage.dials, 3);
  });

  test('the route is forgotten when the failure is old', async (t) => {
    const stage = await Stage.set(t);
    stage.dialWith(unreachable);
    assert.ok(stage.route.isIdle(stage.site.now));
    stage.send();
    assert.ok(!stage.route.isIdle(stage.site.now));
    await stage.settled();
    stage.advance(10);
    assert.ok(!stage.route.isIdle(stage.site.now));
    stage.advance(600);
    assert.ok(stage.route.isIdle(stage.site.now));
  });

  test('a partner that admits streams and drops them is no reason to dial for every stanza', async (t) => {
    const stage = await Stage.set(t, (peer) =>
      acceptDialback(peer, { onAdmitted: () => peer.write('</stream:stream>') }),
    );
    for (let i = 0; i < 20; i++) {
      stage.send();
      await stage.settled();
      await stage.site.until(() => stage.route.snapshot() === undefined);
    }
    assert.ok(stage.dials <= 3, `${stage.dials} connections`);
  });

  test('a stream that was up for long is replaced at once', async (t) => {
    const peers: RawPeer[] = [];
    const stage = await Stage.set(t, (peer) => {
      peers.push(peer);
      acceptDialback(peer);
    });
    for (let i = 0; i < 3; i++) {
      stage.send();
      await stage.settled();
      stage.advance(60);
      peers[i]?.write('</stream:stream>');
      await stage.site.until(() => stage.route.snapshot() === undefined);
    }
    assert.equal(stage.dials, 3);
    assert.ok(stage.outcomes.every((outcome) => outcome === undefined));
  });
});

describe('a peer that', () => {
  test('does not read: stanzas come back, and after a minute the stream ends', async (t) => {
    const stage = await Stage.set(t, (peer) => acceptDialback(peer, { onAdmitted: () => peer.socket.pause() }));
    stage.send();
    await stage.settled();
    const xml = message('x'.repeat(60_000));
    for (let i = 0; i < 1_000 && condition(stage.outcomes.at(-1)) !== 'resource-constraint'; i++) {
      stage.send(1, xml);
      if (i % 50 === 0) await new Promise(setImmediate);
    }
    assert.equal(condition(stage.outcomes.at(-1)), 'resource-constraint');
    stage.advance(1);
    stage.advance(59);
    assert.notEqual(stage.route.snapshot(), undefined);
    stage.advance(1);
    assert.equal(stage.route.snapshot(), undefined);
  });

  test('takes no long stanzas is sent none (XEP-0478)', async (t) => {
    const extras = `<limits xmlns='${NS.streamLimits}'><max-bytes>10000</max-bytes></limits>`;
    const stage = await Stage.set(t, (peer) => acceptDialback(peer, { extras }));
    const at = (bytes: number, char = 'x') =>
      message(char.repeat((bytes - Buffer.byteLength(message(''))) / Buffer.byteLength(char)));
    stage.send(1, at(10_001));
    stage.send(1, at(10_000));
    await stage.settled();
    stage.send(1, at(10_002, 'ää'));
    assert.deepEqual(stage.outcomes.map(condition), ['policy-violation', undefined, 'policy-violation']);
    stage.route.shutdown();
  });
});

describe('dialling', () => {
  test('stops when the partner is removed, and a socket that comes late is closed', async (t) => {
    const server = await RawServer.start(t, () => undefined);
    const stage = await Stage.set(t);
    let aborted = false;
    let late: Dialled | undefined;
    stage.site.route('fabrikam.com', server.port);
    const { connect } = stage.site.services;
    stage.dialWith(async (signal) => {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      const partner = stage.site.services.index.partnerOf('fabrikam.com');
      assert.ok(partner);
      late = await connect('fabrikam.com', partner, new AbortController().signal);
      await stage.site.until(() => aborted);
      return late;
    });
    stage.send();
    stage.site.services.index = stage.site.indexOf([]);
    stage.route.reconsider();
    assert.equal(condition(stage.outcomes[0]), 'forbidden');
    assert.ok(aborted);
    await stage.site.until(() => late?.socket.destroyed);
    assert.equal(stage.site.services.ledger.total, 0);
  });

  test('stops on shutdown, and every stanza is told', async (t) => {
    const stage = await Stage.set(t);
    stage.dialWith(() => never);
    stage.send(3);
    stage.route.shutdown();
    assert.deepEqual(stage.outcomes.map(condition), Array(3).fill('remote-server-timeout'));
    assert.equal(stage.route.snapshot(), undefined);
    assert.ok(stage.route.isIdle(stage.site.now));
  });
});

function condition(outcome: RouteFailure | undefined | 'waits'): string | undefined {
  return typeof outcome === 'object' ? outcome.condition : outcome;
}
