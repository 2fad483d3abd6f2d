import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import tls, { type SecureContext, type TLSSocket } from 'node:tls';
import { GatewayError } from '../../../src/runtime/net/gateway-error.ts';
import {
  channelFacts,
  handshake,
  peerCertificateFacts,
  type SecureClientOptions,
  type SecureServerOptions,
  secureClient,
  secureServer,
  sentChain,
  tlsContext,
  XMPP_SERVER_ALPN,
} from '../../../src/runtime/net/tls-secure.ts';
import { PeerTrust } from '../../../src/runtime/pki/peer-certificate.ts';
import { TrustStore } from '../../../src/runtime/pki/trust-store.ts';
import {
  type CertificateFields,
  createAuthority,
  issue,
  selfSigned,
  type ThrowawayCertificate,
  x509,
} from '../../support/certificates.ts';

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;
const DAY = 86_400_000;

let root: ThrowawayCertificate;
let other: ThrowawayCertificate;
let own: SecureContext;
let trust: PeerTrust;

before(async () => {
  root = await createAuthority('Root');
  other = await createAuthority('Other root');
  own = contextOf(await issue(root, { dnsNames: ['gateway.example'] }));
  trust = trustIn(root);
});

function contextOf(certificate: ThrowawayCertificate): SecureContext {
  return tlsContext({ chainPem: certificate.chainPem, keyPem: certificate.privateKeyPem });
}

function trustIn(...anchors: ThrowawayCertificate[]): PeerTrust {
  return new PeerTrust(new TrustStore(() => anchors.map((anchor) => x509(anchor).raw)));
}

/** Two ends of one TCP connection over loopback. */
async function socketPair(context: TestContext): Promise<{ accepted: Socket; dialled: Socket }> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dialled = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  for (const socket of [accepted, dialled]) {
    socket.on('error', () => {});
    context.after(() => socket.destroy());
  }
  return { accepted, dialled };
}

function rejectsWith(promise: Promise<unknown>, code: string): Promise<void> {
  return assert.rejects(promise, (error) => error instanceof GatewayError && error.code === code);
}

async function secureBoth(
  context: TestContext,
  server: Partial<SecureServerOptions> = {},
  client: Partial<SecureClientOptions> = {},
): Promise<{ server: TLSSocket; client: TLSSocket }> {
  const { accepted, dialled } = await socketPair(context);
  const ends = {
    server: secureServer(accepted, { context: own, afterStartTls: false, ...server }),
    client: secureClient(dialled, { context: own, serverName: 'gateway.example', afterStartTls: false, ...client }),
  };
  for (const end of Object.values(ends)) end.on('error', () => {});
  await Promise.all([handshake(ends.server), handshake(ends.client)]);
  return ends;
}

/** A peer's end that speaks only one TLS version. */
function contextOfVersion(
  certificate: ThrowawayCertificate | undefined,
  version: (typeof VERSIONS)[number],
): SecureContext {
  return tls.createSecureContext({
    ...(certificate && { cert: certificate.chainPem, key: certificate.privateKeyPem }),
    ca: [],
    minVersion: version,
    maxVersion: version,
  });
}

describe('verdicts on certificates that came through a handshake', () => {
  type Made = () => Promise<ThrowawayCertificate | undefined>;
  const named: CertificateFields = { dnsNames: ['partner.example'] };
  const leaf =
    (fields: CertificateFields): Made =>
    () =>
      issue(root, fields);
  const rows: readonly (readonly [name: string, made: Made, outcome: string, proves: boolean])[] = [
    ['server and client purposes', leaf(named), 'valid', true],
    ['no extended key usage', leaf({ ...named, eku: [] }), 'valid', true],
    ['serverAuth only', leaf({ ...named, eku: ['serverAuth'] }), 'valid', true],
    ['serverAuth only, self-signed', () => selfSigned({ ...named, eku: ['serverAuth'] }), 'self-signed', false],
    ['unknown authority', () => issue(other, named), 'unknown-issuer', false],
    [
      'serverAuth only, unknown authority',
      () => issue(other, { ...named, eku: ['serverAuth'] }),
      'unknown-issuer',
      false,
    ],
    [
      'expired',
      leaf({ ...named, notBefore: new Date(Date.now() - 2 * DAY), notAfter: new Date(Date.now() - DAY) }),
      'expired',
      false,
    ],
    ['not yet valid', leaf({ ...named, notBefore: new Date(Date.now() + DAY) }), 'not-yet-valid', false],
    ['common name only', leaf({ commonName: 'partner.example' }), 'valid', false],
    ['common name with comma', leaf({ organizationalUnit: 'CN=partner.example,', commonName: 'x' }), 'valid', false],
    ['name behind a comma in a URI', leaf({ uris: ['http://x/, DNS:partner.example'] }), 'valid', false],
    ['SRVName only', leaf({ srvNames: ['_xmpp-server.partner.example'] }), 'valid', true],
    ['XmppAddr only', leaf({ xmppAddrs: ['partner.example'] }), 'valid', true],
    ['wildcard of the parent', leaf({ dnsNames: ['*.example'] }), 'valid', false],
    ['wildcard below the domain', leaf({ dnsNames: ['*.partner.example'] }), 'valid', false],
    ['name of the SRV target', leaf({ dnsNames: ['xmpp.hosting.example'] }), 'valid', false],
    [
      'name constraints violated',
      async () =>
        issue(
          await issue(root, {
            commonName: 'Limited',
            isCa: true,
            nameConstraints: { permitted: { dns: ['a.example'] } },
          }),
          named,
        ),
      'name-constraints',
      false,
    ],
    [
      'an intermediate',
      async () => issue(await issue(root, { commonName: 'Middle', isCa: true }), named),
      'valid',
      true,
    ],
    ['none', () => Promise.resolve(undefined), 'not-presented', false],
  ];

  for (const version of VERSIONS) {
    for (const [name, made, outcome, proves] of rows) {
      test(`${version}, ${name}: ${outcome}${proves ? ', proves the domain' : ''}`, async (t) => {
        const certificate = await made();
        const context = contextOfVersion(certificate, version);
        const inbound = await secureBoth(t, {}, { context });
        const facts = [channelFacts(inbound.server, trust, Date.now())];
        if (certificate !== undefined) {
          const outbound = await secureBoth(t, { context }, { serverName: 'partner.example' });
          facts.push(channelFacts(outbound.client, trust, Date.now()));
        }
        for (const { protocol, cipher, peer } of facts) {
          assert.equal(protocol, version);
          assert.match(cipher, /^TLS_(?:ECDHE_|AES_|CHACHA20_)/);
          assert.equal(peer.presented, certificate !== undefined);
          assert.equal(peer.valid ? 'valid' : peer.reason, outcome);
          assert.equal(peer.proves('partner.example'), proves);
        }
      });
    }
  }

  test('a chain in the wrong order with a stray certificate', async (t) => {
    const upper = await issue(root, { commonName: 'Upper', isCa: true });
    const lower = await issue(upper, { commonName: 'Lower', isCa: true });
    const certificate = await issue(lower, named);
    const stray = await selfSigned({ commonName: 'Stray' });
    const chainPem = [certificate, upper, stray, lower].map(({ certificatePem }) => certificatePem).join('');
    const context = tlsContext({ chainPem, keyPem: certificate.privateKeyPem });
    const { server } = await secureBoth(t, {}, { context });
    assert.equal(peerCertificateFacts(server, trust, Date.now()).valid, true);
  });
});

describe('the channel', () => {
  test('TLS 1.1 is refused in both directions', async (t) => {
    const old = tls.createSecureContext({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' });
    await assert.rejects(secureBoth(t, {}, { context: old }));
    const leaf = await issue(root, {});
    const oldServer = tls.createSecureContext({
      cert: leaf.chainPem,
      key: leaf.privateKeyPem,
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    });
    await assert.rejects(secureBoth(t, { context: oldServer }));
  });

  test('direct TLS: server name picks the certificate, ALPN is agreed on (XEP-0368)', async (t) => {
    const second = contextOf(await issue(root, { dnsNames: ['second.example'] }));
    const direct = {
      context: own,
      contextFor: (name: string) => (name === 'second.example' ? second : undefined),
      alpnProtocols: [XMPP_SERVER_ALPN],
    };
    for (const [serverName, certified] of [
      ['Second.Example', 'second.example'],
      ['gateway.example', 'gateway.example'],
      ['unknown.example', 'gateway.example'],
    ] as const) {
      const { server, client } = await secureBoth(t, direct, { serverName, alpnProtocols: [XMPP_SERVER_ALPN] });
      assert.equal(peerCertificateFacts(client, trust, Date.now()).proves(certified), true, serverName);
      const facts = channelFacts(server, trust, Date.now());
      assert.equal(facts.alpn, 'xmpp-server');
      assert.equal(facts.serverName, serverName.toLowerCase());
    }
    const { client } = await secureBoth(t, direct);
    assert.equal(channelFacts(client, trust, 0).alpn, undefined);
    await assert.rejects(secureBoth(t, direct, { alpnProtocols: ['xmpp-client'] }));
  });

  test('what a peer has shown reads the same however often, on both ends', async (t) => {
    const { server, client } = await secureBoth(t);
    for (const end of [server, client]) {
      const first = sentChain(end);
      assert.ok(first.length > 0);
      assert.deepEqual(sentChain(end), first);
    }
  });

  test('no session is resumed', async (t) => {
    for (const version of VERSIONS) {
      const context = contextOfVersion(undefined, version);
      const sessions: Buffer[] = [];
      const first = await secureBoth(t, {}, { context });
      first.client.on('session', (session) => sessions.push(session));
      const session = first.client.getSession();
      if (session !== undefined) sessions.push(session);
      // TLS 1.3 sends tickets after the handshake: data behind them shows that none came.
      first.server.write('x');
      await once(first.client, 'data');
      for (const offered of sessions) {
        const { accepted, dialled } = await socketPair(t);
        const server = secureServer(accepted, { context: own, afterStartTls: false });
        const client = tls.connect({
          socket: dialled,
          secureContext: context,
          session: offered,
          rejectUnauthorized: false,
        });
        await Promise.all([handshake(server), once(client, 'secureConnect')]);
        assert.equal(client.isSessionReused(), false, version);
        assert.equal(server.isSessionReused(), false, version);
      }
    }
  });

  test('TLS 1.2 renegotiation is refused', async (t) => {
    const { server, client } = await secureBoth(t, {}, { context: contextOfVersion(undefined, 'TLSv1.2') });
    server.resume();
    client.resume();
    const error = await new Promise((resolve) => {
      client.on('error', resolve);
      client.renegotiate({ rejectUnauthorized: false }, resolve);
    });
    assert.ok(error instanceof Error);
  });
});

describe('after STARTTLS', () => {
  test('clear text behind the request is thrown away, not taken for protected', async (t) => {
    const { accepted, dialled } = await socketPair(t);
    dialled.write("<starttls/><message to='victim@gateway.example'/>");
    await once(accepted, 'readable');
    const seen = accepted.read(11) as Buffer;
    assert.equal(seen.toString(), '<starttls/>');
    const server = secureServer(accepted, { context: own, afterStartTls: true });
    const client = secureClient(dialled, { context: own, serverName: 'gateway.example', afterStartTls: true });
    await Promise.all([handshake(server), handshake(client)]);
    client.write('protected');
    const [first] = (await once(server, 'data')) as [Buffer];
    assert.equal(first.toString(), 'protected');
  });

  test('clear text that is still on its way ends the handshake', async (t) => {
    const { accepted, dialled } = await socketPair(t);
    const server = secureServer(accepted, { context: own, afterStartTls: true });
    dialled.write("<message to='victim@gateway.example'/>");
    await rejectsWith(handshake(server), 'tls-failure');
  });

  test('clear text behind the permission does not reach the client', async (t) => {
    const { accepted, dialled } = await socketPair(t);
    accepted.write('<proceed/><features/>');
    await once(dialled, 'readable');
    assert.equal((dialled.read(10) as Buffer).toString(), '<proceed/>');
    const client = secureClient(dialled, { context: own, serverName: 'gateway.example', afterStartTls: true });
    const server = secureServer(accepted, { context: own, afterStartTls: true });
    await Promise.all([handshake(server), handshake(client)]);
    server.write('protected');
    const [first] = (await once(client, 'data')) as [Buffer];
    assert.equal(first.toString(), 'protected');
  });

  test('with direct TLS what was read already is part of the handshake', async (t) => {
    const { accepted, dialled } = await socketPair(t);
    const client = secureClient(dialled, { context: own, serverName: 'gateway.example', afterStartTls: false });
    await once(accepted, 'readable');
    assert.ok(accepted.readableLength > 0);
    const server = secureServer(accepted, { context: own, afterStartTls: false });
    await Promise.all([handshake(server), handshake(client)]);
  });
});

test('connections made elsewhere are judged by the same rules', async (t) => {
  const partner = await issue(root, { dnsNames: ['pool.example'], eku: ['serverAuth'] });
  const { accepted, dialled } = await socketPair(t);
  const options = { secureContext: contextOf(partner), rejectUnauthorized: false };
  const server = new tls.TLSSocket(accepted, { ...options, isServer: true, requestCert: true });
  const client = tls.connect({ ...options, socket: dialled });
  await Promise.all([once(server, 'secure'), once(client, 'secureConnect')]);
  for (const end of [server, client]) {
    assert.equal(peerCertificateFacts(end, trust, Date.now()).presented, false);
    assert.equal(trust.judge(sentChain(end), Date.now()).provesHost('pool.example'), true);
    end.destroy();
    assert.deepEqual(sentChain(end), []);
  }
});

describe('interruptions', () => {
  test('before the end of the handshake nobody is authenticated', async (t) => {
    const { accepted, dialled } = await socketPair(t);
    const server = secureServer(accepted, { context: own, afterStartTls: false });
    server.on('error', () => {});
    const nothing = channelFacts(server, trust, Date.now());
    assert.equal(nothing.peer.presented, false);
    assert.equal(nothing.protocol, '');
    const waiting = handshake(server);
    dialled.destroy();
    await rejectsWith(waiting, 'tls-failure');
    assert.equal(server.destroyed, true);
    assert.equal(peerCertificateFacts(server, trust, Date.now()).presented, false);
    await rejectsWith(handshake(server), 'tls-failure');
  });

  test('after the connection has gone nobody is either', async (t) => {
    const { server } = await secureBoth(
      t,
      {},
      { context: contextOf(await issue(root, { dnsNames: ['partner.example'] })) },
    );
    assert.equal(peerCertificateFacts(server, trust, Date.now()).proves('partner.example'), true);
    server.destroy();
    assert.equal(peerCertificateFacts(server, trust, Date.now()).proves('partner.example'), false);
  });

  test('a client that vanishes in the middle of TLS 1.3, its certificate not shown yet', async (t) => {
    const { accepted, dialled } = await socketPair(t);
    const server = secureServer(accepted, { context: own, afterStartTls: false });
    const context = contextOf(await issue(root, { dnsNames: ['partner.example'] }));
    const relay = await socketPair(t);
    // The client's first flight passes, everything later is lost.
    const client = secureClient(relay.dialled, { context, serverName: 'gateway.example', afterStartTls: false });
    client.on('error', () => {});
    relay.accepted.once('data', (hello) => dialled.write(hello));
    relay.accepted.resume();
    dialled.once('data', () => dialled.destroy());
    await rejectsWith(handshake(server), 'tls-failure');
    assert.equal(peerCertificateFacts(server, trust, Date.now()).presented, false);
  });

  test('the signal ends a handshake that does not come', async (t) => {
    const { accepted } = await socketPair(t);
    const controller = new AbortController();
    const server = secureServer(accepted, { context: own, afterStartTls: false });
    const waiting = handshake(server, controller.signal);
    controller.abort();
    await rejectsWith(waiting, 'aborted');
    assert.equal(server.destroyed, true);
  });

  test('waiting for what has happened already', async (t) => {
    const { server, client } = await secureBoth(t);
    await handshake(server);
    await handshake(client, AbortSignal.abort());
  });

  test('junk instead of a handshake', async (t) => {
    const { accepted, dialled } = await socketPair(t);
    const client = secureClient(dialled, { context: own, serverName: 'gateway.example', afterStartTls: false });
    accepted.write('HTTP/1.1 400 Bad Request\r\n\r\n');
    await rejectsWith(handshake(client), 'tls-failure');
  });
});
