import assert from 'node:assert/strict';
import { before, describe, type TestContext, test } from 'node:test';
import { secureServer, tlsContext } from '../../../src/runtime/net/tls-secure.ts';
import type { RouteFailure } from '../../../src/runtime/streams/route-failure.ts';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';
import { createAuthority, issue, type ThrowawayCertificate } from '../../support/certificates.ts';
import { acceptDialback, type RawPeer, RawServer, STREAM_HEADER } from '../../support/raw-peer.ts';
import { reasonOf } from '../../support/stream-sessions.ts';
import { Site } from '../../support/xmpp-site.ts';

// Servers that we dialled may be as hostile as those that dial us.

const HEADER = `${STREAM_HEADER} from='fabrikam.com' id='x' version='1.0'>`;
const FEATURES = `<stream:features><starttls xmlns='${NS.tls}'/></stream:features>`;
const PROCEED = `<proceed xmlns='${NS.tls}'/>`;
const MESSAGE = "<message from='ann@contoso.com' to='bob@fabrikam.com'><body>secret</body></message>";

let authority: ThrowawayCertificate;
let certificate: ThrowawayCertificate;

before(async () => {
  authority = await createAuthority('Root');
  certificate = await issue(authority, { dnsNames: ['contoso.com'] });
});

const REQUIRED = { domain: 'fabrikam.com', saslNegotiation: 'Optional' } as const;
const IN_CLEAR = {
  domain: 'fabrikam.com',
  tlsNegotiation: 'NotSupported',
  saslNegotiation: 'NotSupported',
  supportDialbackNegotiation: true,
} as const;

type PartnerProps = Parameters<Site['indexOf']>[0][number];

interface Attempt {
  readonly site: Site;
  readonly peers: readonly RawPeer[];
  readonly outcome: Promise<RouteFailure | undefined>;
}

async function dial(
  context: TestContext,
  play: (peer: RawPeer) => void,
  partner: PartnerProps = REQUIRED,
  isDirectTls = false,
): Promise<Attempt> {
  const site = await Site.start(context, { domains: ['contoso.com'], partners: [partner], certificate, authority });
  const server = await RawServer.start(context, play);
  site.route('fabrikam.com', server.port, isDirectTls);
  return { site, peers: server.peers, outcome: site.send('fabrikam.com', MESSAGE) };
}

async function isEmpty(site: Site): Promise<void> {
  await site.until(({ services }) => services.ledger.total === 0, 'an empty ledger');
}

describe('limits hold towards servers that we dialled', () => {
  const floods: readonly (readonly [name: string, text: () => string])[] = [
    ['a header of 100 KB', () => `${HEADER.slice(0, -1)} x='${'x'.repeat(100_000)}'>`],
    ['X4: 200 000 children in features', () => `${HEADER}<stream:features>${"<a xmlns='urn:a'/>".repeat(200_000)}`],
    ['an attribute of 20 MB', () => `${HEADER}<stream:features a='${'a'.repeat(20_000_000)}'/>`],
    ['a proceed that does not end', () => `${HEADER}${FEATURES}<proceed xmlns='${NS.tls}'>${'x'.repeat(20_000_000)}`],
    ['X6: nesting', () => `${HEADER}<stream:features>${"<a xmlns='urn:a'>".repeat(5_000)}`],
  ];
  for (const [name, text] of floods) {
    test(name, async (t) => {
      const { site, peers, outcome } = await dial(t, (peer) => peer.write(text()));
      assert.equal((await outcome)?.condition, 'remote-server-timeout');
      assert.equal(reasonOf((await site.ended('outbound')).ending), 'policy-violation');
      peers[0]?.socket.destroy();
      await isEmpty(site);
    });
  }

  test('also for answers to dialback, and on a proved stream', async (t) => {
    const flood = `<db:result from='fabrikam.com' to='contoso.com' type='valid'>${'x'.repeat(10_001)}</db:result>`;
    const answering = await dial(t, (peer) => peer.write(`${HEADER}<stream:features/>${flood}`), IN_CLEAR);
    assert.equal((await answering.outcome)?.condition, 'remote-server-timeout');
    const proved = await dial(
      t,
      (peer) => acceptDialback(peer, { onAdmitted: () => peer.write(`<stream:features>${'x'.repeat(20_000)}`) }),
      IN_CLEAR,
    );
    assert.equal(await proved.outcome, undefined);
    assert.equal(reasonOf((await proved.site.ended('outbound')).ending), 'policy-violation');
  });

  test('a server that never comes to the point has the establishment timeout', async (t) => {
    for (const text of ['', HEADER, HEADER + FEATURES]) {
      const { site, peers, outcome } = await dial(t, (peer) => peer.write(text));
      await site.until(() => peers[0]?.text.includes(text === '' || text === HEADER ? '<stream:stream' : '<starttls'));
      site.advance(60);
      await outcome;
      assert.deepEqual((await site.ended('outbound')).ending, { why: 'timeout', what: 'establishment' });
      await isEmpty(site);
    }
  });
});

describe('STARTTLS', () => {
  test('T3: what stands behind the permission in the same segment is thrown away', async (t) => {
    const forged = `${HEADER}<stream:features/><db:result from='fabrikam.com' to='contoso.com' type='valid'/>`;
    const { site, outcome } = await dial(t, (peer) => {
      peer.write(HEADER + FEATURES);
      peer.socket.on('data', () => {
        if (!peer.text.endsWith(`<starttls xmlns='${NS.tls}'/>`)) return;
        peer.socket.removeAllListeners('data');
        peer.write(PROCEED + forged);
        const secured = secureServer(peer.socket, {
          context: tlsContext({ chainPem: certificate.chainPem, keyPem: certificate.privateKeyPem }),
          afterStartTls: true,
        });
        secured.on('error', () => undefined);
        secured.once('data', () => secured.end(`${HEADER}<stream:features/></stream:stream>`));
      });
    });
    assert.equal((await outcome)?.condition, 'remote-server-timeout');
    const ended = await site.ended('outbound');
    assert.equal(ended.wasAdmitted, false);
    assert.equal(ended.ending.why, 'peer-closed', 'what was forged in clear does not count under TLS');
  });

  test('T10: a server that leaves during the handshake gets nothing', async (t) => {
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const { site, peers, outcome } = await dial(t, (peer) => {
        peer.write(HEADER + FEATURES);
        peer.socket.on('data', () => {
          if (peer.text.endsWith(`<starttls xmlns='${NS.tls}'/>`)) peer.write(PROCEED);
          else if (peer.text.includes('\u0016\u0003')) peer.socket[leave]();
        });
      });
      assert.equal((await outcome)?.condition, 'remote-server-timeout');
      assert.equal((await site.ended('outbound')).ending.why, 'disconnected');
      assert.doesNotMatch(peers[0]?.text ?? '', /secret|db:result/);
      await isEmpty(site);
    }
  });

  test('T10: direct TLS with a server that speaks something else', async (t) => {
    const { site, outcome } = await dial(t, (peer) => peer.write(HEADER), REQUIRED, true);
    assert.equal((await outcome)?.condition, 'remote-server-timeout');
    const { ending } = await site.ended('outbound');
    assert.ok(ending.why === 'disconnected' && ending.detail.startsWith('TLS: '), JSON.stringify(ending));
    await isEmpty(site);
  });

  test('T2: without it nothing of the stanza leaves', async (t) => {
    const { peers, outcome } = await dial(t, (peer) => peer.write(`${HEADER}<stream:features/>`));
    assert.equal((await outcome)?.refusal, 'tls-required');
    assert.doesNotMatch((await peers[0]?.closed()) ?? '', /secret|db:result/);
  });
});

describe('a proved stream', () => {
  test('D2: carries nothing back: no stanza, no dialback', async (t) => {
    for (const xml of [
      "<message from='bob@fabrikam.com' to='ann@contoso.com'/>",
      "<db:result from='fabrikam.com' to='contoso.com'>k</db:result>",
    ]) {
      const { site, outcome } = await dial(
        t,
        (peer) => acceptDialback(peer, { onAdmitted: () => peer.write(xml) }),
        IN_CLEAR,
      );
      assert.equal(await outcome, undefined);
      assert.equal(reasonOf((await site.ended('outbound')).ending), 'unsupported-stanza-type');
      assert.equal(site.stanzas.length, 0);
    }
  });

  test('is closed when nothing was sent for a while, pings or not', async (t) => {
    const { site, peers, outcome } = await dial(t, (peer) => acceptDialback(peer), IN_CLEAR);
    await outcome;
    site.advance(300);
    const ping = / id='(keepalive-[^']*)'/.exec((await peers[0]?.heard('urn:xmpp:ping')) ?? '')?.[1] ?? '';
    const [route] = site.endpoint.snapshot();
    assert.equal(route?.state, 'open');
    site.advance(59);
    assert.equal(site.endpoint.snapshot().length, 1, `an answer to ${ping} may still come`);
    site.advance(1);
    assert.deepEqual((await site.ended('outbound')).ending, { why: 'timeout', what: 'inactivity' });
    assert.match((await peers[0]?.closed()) ?? '', /<\/stream:stream>$/);
    await isEmpty(site);
  });

  test('whose partner has keep-alive switched off is not pinged', async (t) => {
    const { site, peers, outcome } = await dial(t, (peer) => acceptDialback(peer), {
      ...IN_CLEAR,
      enableKeepAlive: false,
    });
    await outcome;
    site.advance(599);
    assert.equal(site.endpoint.snapshot().length, 1);
    site.advance(1);
    assert.doesNotMatch((await peers[0]?.closed()) ?? '', /ping/);
  });
});

test('the server name of TLS is the domain', async (t) => {
  let name: string | undefined;
  const { outcome } = await dial(
    t,
    (peer) => {
      peer.socket.removeAllListeners('data');
      const secured = secureServer(peer.socket, {
        context: tlsContext({ chainPem: certificate.chainPem, keyPem: certificate.privateKeyPem }),
        contextFor: (serverName) => {
          name = serverName;
          return undefined;
        },
        afterStartTls: false,
      });
      secured.on('error', () => undefined);
      secured.once('data', () => secured.destroy());
    },
    REQUIRED,
    true,
  );
  await outcome;
  assert.equal(name, 'fabrikam.com');
});
