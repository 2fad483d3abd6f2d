import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { connect as connectPlain, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'node:tls';
import type { PartnerEvent, PartnerStandIn } from '../../examples/quickstart/partner-stand-in.ts';
import type { ThrowawayCertificate } from '../../src/certificates/throwaway.ts';
import type { FederationConfigProps } from '../../src/config/index.ts';
import { createLogger, Gateway, type HostSettings, StartError } from '../../src/runtime/index.ts';
import { createAuthority } from '../support/certificates.ts';
import { LiveFederation, type LiveGateway, type LogLine } from '../support/live-federation.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';

// A whole gateway in this process, on loopback addresses, between a partner's server and a pool.

const fabrikam = { domain: 'fabrikam.com', partnerType: 'Federated' } as const;
const adatum = { domain: 'adatum.com', partnerType: 'Federated' } as const;

type Stanza = Extract<PartnerEvent, { type: 'stanza' }>;
const isStanza = (event: PartnerEvent): event is Stanza => event.type === 'stanza';
type Ended = Extract<PartnerEvent, { type: 'stream-ended' }>;
const isEnded = (event: PartnerEvent): event is Ended => event.type === 'stream-ended';

function message(from: string, to: string, body: string): string {
  return `<message from='${from}' to='${to}' id='m1' type='chat'><body>${body}</body></message>`;
}

/** Sends a message to ann and waits until the pool has it. */
async function messageToAnn(live: LiveFederation, partner: PartnerStandIn, body: string): Promise<void> {
  assert.equal(
    await partner.send('contoso.com', message(`juliet@${partner.domain}/x`, 'ann@contoso.com', body)),
    undefined,
  );
  const received = await live.pool.received.next();
  assert.deepEqual([received.body, received.to], [body, 'sip:ann@contoso.com']);
}

/** The error stanza that comes next, as `type condition`. */
async function nextError(partner: PartnerStandIn): Promise<string> {
  const { stanza } = await partner.next(isStanza);
  const error = stanza.child('error');
  return `${error?.attr('type')} ${error?.elements()[0]?.name}`;
}

function isEvent(...names: readonly string[]): (line: LogLine) => boolean {
  return ({ event }) => names.includes(event ?? '');
}

async function get(gateway: Gateway, path: string): Promise<string> {
  return (await fetch(`http://127.0.0.1:${gateway.ports.admin}${path}`)).text();
}

/** A gateway with one partner's server, and streams open in both directions. */
async function connected(
  t: TestContext,
  settings: Partial<HostSettings> = {},
): Promise<LiveGateway & { readonly live: LiveFederation; readonly partner: PartnerStandIn }> {
  const live = await LiveFederation.create(t);
  await live.declare();
  const partner = await live.partner('fabrikam.com');
  const running = await live.start(settings);
  await messageToAnn(live, partner, 'first');
  assert.equal((await live.pool.send('ann@contoso.com', 'juliet@fabrikam.com', 'back')).status, 200);
  await partner.next(isStanza);
  return { live, partner, ...running };
}

function openStreams(gateway: Gateway): readonly string[] {
  return gateway
    .streams()
    .flatMap(({ direction, proofs, streamId }) =>
      proofs.map(({ remoteDomain }) => `${direction} ${remoteDomain} ${streamId}`),
    )
    .sort();
}

test('messages pass both ways, and operators see it', async (t) => {
  const { gateway, log } = await connected(t, { adminListen: { address: '127.0.0.1', port: 0 } });
  for (const direction of ['inbound', 'outbound']) {
    const line = await log.next((found) => found.event === 'stream-admitted' && found.direction === direction);
    assert.deepEqual([line.audit, line.remoteDomain, line.method], [true, 'fabrikam.com', 'sasl-over-tls']);
  }
  assert.equal(JSON.stringify(log.all()).includes('first'), false);

  const { samples } = parsePrometheusText(await get(gateway, '/metrics'));
  for (const sample of [
    'messages_total{partner="fabrikam.com",direction="to_sip"} 1',
    'messages_total{partner="fabrikam.com",direction="to_xmpp"} 1',
    'streams{partner="fabrikam.com",direction="inbound",state="open"} 1',
    'streams{partner="fabrikam.com",direction="outbound",state="open"} 1',
    'messages_under_way 0',
  ]) {
    assert.ok(samples.includes(`xmpp_federation_${sample}`), sample);
  }
  assert.equal(await get(gateway, '/readyz'), 'ready\n');
  const text = await get(gateway, '/status');
  const status = JSON.parse(text);
  assert.deepEqual([status.digest, status.ready, status.configurationRefused], [gateway.digest, true, null]);
  assert.deepEqual(
    status.nextHops.map(({ healthy }: { readonly healthy: boolean }) => healthy),
    [true],
  );
  assert.equal(status.streams.length, 2);
  assert.doesNotMatch(text, /PRIVATE KEY|passphrase|secret|first/i);
});

test('dialback proves a partner whose certificate does not, in both directions', async (t) => {
  const live = await LiveFederation.create(t);
  const terms = { saslNegotiation: 'Optional', supportDialbackNegotiation: true } as const;
  await live.declare({ xmppAllowedPartners: [{ ...fabrikam, ...terms }] });
  const partner = await live.partner('fabrikam.com', { isSelfSigned: true });
  const { gateway } = await live.start();
  await messageToAnn(live, partner, 'hello');
  assert.equal((await live.pool.send('ann@contoso.com', 'juliet@fabrikam.com', 'back')).status, 200);
  const methods = gateway
    .streams()
    .flatMap(({ direction, proofs }) => proofs.map(({ method }) => `${direction} ${method}`));
  assert.deepEqual(methods.sort(), ['inbound tls-dialback', 'outbound tls-dialback']);
});

test('direct TLS', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare();
  const partner = await live.partner('fabrikam.com');
  const { gateway, log } = await live.start({ xmppDirectTlsListen: [{ address: '127.0.0.1', port: 0 }] });
  live.serve('contoso.com', { directTls: gateway.ports.xmppDirectTls[0] });
  await messageToAnn(live, partner, 'hello');
  const { method } = await log.next(isEvent('stream-admitted'));
  assert.equal(method, 'sasl-over-tls');
  assert.equal(gateway.streams().length, 1);
});

test('each served domain shows its own certificate and has its own SIP domain', async (t) => {
  const live = await LiveFederation.create(t);
  await live.certify('corp', { dnsNames: ['corp.contoso.com'] });
  await live.declare({
    domains: [
      { domain: 'contoso.com' },
      { domain: 'corp.contoso.com', certificate: 'corp', sipDomain: 'sip.contoso.com' },
    ],
    grants: [{ policyName: 'XmppUsers', users: ['contoso.com', 'corp.contoso.com'] }],
    xmppAllowedPartners: [fabrikam, adatum],
  });
  const [one, other] = [
    await live.partner('fabrikam.com'),
    await live.partner('adatum.com', { towards: 'corp.contoso.com' }),
  ];
  const { gateway } = await live.start();
  live.serve('corp.contoso.com', { starttls: gateway.ports.xmpp[0] });

  await messageToAnn(live, one, 'to the first');
  assert.equal(
    await other.send('corp.contoso.com', message('kim@adatum.com', 'bob@corp.contoso.com', 'to the second')),
    undefined,
  );
  const { to, from } = await live.pool.received.next();
  assert.deepEqual([to, from], ['sip:bob@sip.contoso.com', 'sip:kim@adatum.com']);

  assert.equal((await live.pool.send('bob@sip.contoso.com', 'kim@adatum.com', 'back')).status, 200);
  const { stanza } = await other.next(isStanza);
  assert.equal(stanza.attr('from'), 'bob@corp.contoso.com');
  // Under its XMPP name alone the domain is nobody's on the SIP side.
  assert.equal((await live.pool.send('bob@corp.contoso.com', 'kim@adatum.com', 'no')).status, 403);
});

test('partner types: PublicVerified may write, PublicUnverified only answers', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare({
    xmppAllowedPartners: [
      { domain: 'fabrikam.com', partnerType: 'PublicUnverified' },
      { ...adatum, partnerType: 'PublicVerified' },
    ],
  });
  const [unverified, verified] = [await live.partner('fabrikam.com'), await live.partner('adatum.com')];
  const { log } = await live.start();
  await messageToAnn(live, verified, 'hello');
  await unverified.send('contoso.com', message('juliet@fabrikam.com', 'ann@contoso.com', 'hello'));
  assert.equal(await nextError(unverified), 'cancel item-not-found');
  const { reason, path } = await log.next(isEvent('stanza-refused'));
  assert.deepEqual([reason, path], ['contact-not-listed', 'xmppAllowedPartners[0].partnerType']);
  assert.equal((await live.pool.send('ann@contoso.com', 'juliet@fabrikam.com', 'allowed')).status, 200);
});

test('a partner that cannot be reached is a SIP error', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare({ xmppAllowedPartners: [fabrikam, adatum] });
  await live.start();
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const port = portOf(closed);
  closed.close();
  await once(closed, 'close');
  live.serve('fabrikam.com', { starttls: port });
  assert.equal((await live.pool.send('ann@contoso.com', 'juliet@fabrikam.com', 'x')).status, 480);
  assert.equal((await live.pool.send('ann@contoso.com', 'kim@adatum.com', 'x')).status, 404);
  assert.equal((await live.pool.send('ann@contoso.com', 'eve@stranger.com', 'x')).status, 403);
});

test('while the pool is down every user answers alike', async (t) => {
  const { live, partner, log } = await connected(t);
  await live.pool.stop();
  await log.next(isEvent('sip-next-hop-down'));
  const answers: string[] = [];
  for (const user of ['ann', 'bob']) {
    await partner.send('contoso.com', message('juliet@fabrikam.com', `${user}@contoso.com`, 'x'));
    answers.push((await partner.next(isStanza)).xml.replaceAll(user, 'USER'));
  }
  assert.match(answers[0] ?? '', /internal-server-error/);
  assert.equal(answers[0], answers[1]);
});

test('message bodies are logged where the configuration says so', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare({ xmppGatewayConfiguration: { enableLoggingAllMessageBodies: true } });
  const partner = await live.partner('fabrikam.com');
  const { log } = await live.start();
  await messageToAnn(live, partner, 'hello');
  const { direction, from, to, body } = await log.next(isEvent('message-passed'));
  assert.deepEqual([direction, from, to, body], ['inbound', 'juliet@fabrikam.com', 'ann@contoso.com', 'hello']);
});

// -- reload ------------------------------------------------------------------------------------------------------------

test('a partner taken out of the file loses its streams; others keep theirs', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare({ xmppAllowedPartners: [fabrikam, adatum] });
  const [leaving, staying] = [await live.partner('fabrikam.com'), await live.partner('adatum.com')];
  const { gateway, log } = await live.start();
  for (const partner of [leaving, staying]) {
    await messageToAnn(live, partner, 'hello');
    assert.equal((await live.pool.send('ann@contoso.com', `x@${partner.domain}`, 'back')).status, 200);
  }
  const kept = openStreams(gateway).filter((stream) => stream.includes('adatum'));
  assert.deepEqual([kept.length, openStreams(gateway).length], [2, 4]);

  // Noticed without being told.
  await live.declare({ xmppAllowedPartners: [adatum] });
  for (const direction of ['inbound', 'outbound']) {
    const line = await log.next((found) => found.event === 'stream-refused' && found.direction === direction);
    assert.deepEqual([line.remoteDomain, line.reason], ['fabrikam.com', 'partner-not-allowed']);
  }
  const endings = [await leaving.next(isEnded), await leaving.next(isEnded)].map(({ ending }) => ending);
  assert.ok(endings.some((ending) => ending.why === 'peer-error' && ending.condition === 'policy-violation'));
  assert.deepEqual(openStreams(gateway), kept);
  await messageToAnn(live, staying, 'still here');
  assert.equal((await live.pool.send('ann@contoso.com', 'x@fabrikam.com', 'no')).status, 403);
});

test('a bad configuration is refused, said and counted; the old one stays, and a good one heals', async (t) => {
  const { live, partner, gateway, log } = await connected(t, { adminListen: { address: '127.0.0.1', port: 0 } });
  const before = gateway.digest;
  await writeFile(live.federationFile, '{"version": 1, "xmppAllowedPartner": []}');
  assert.equal(await gateway.reload(), false);
  const { digest, findings } = await log.next(isEvent('configuration-refused'));
  assert.equal(digest, before);
  assert.match(JSON.stringify(findings), /xmppAllowedPartner/);
  assert.match(await get(gateway, '/metrics'), /^xmpp_federation_configurations_refused_total 1$/m);
  assert.match(await get(gateway, '/status'), /"configurationRefused": \{\n +"at": "2/);
  await messageToAnn(live, partner, 'still here');

  await live.declare({ environment: 'other' });
  assert.equal(await gateway.reload(), true);
  assert.notEqual(gateway.digest, before);
  assert.match(await get(gateway, '/status'), /"configurationRefused": null/);
});

test('who asks for a reload gets what is in the files then, also while another one is running', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare();
  const { gateway } = await live.start();
  const first = gateway.reload();
  await live.declare({ environment: 'later' });
  const second = gateway.reload();
  assert.equal(gateway.reload(), second);
  assert.deepEqual([await first, await second], [true, true]);
  assert.match(JSON.stringify(gateway.status()), /"environment":"later"/);
});

test('a reload with the same certificates keeps the connections to the pool', async (t) => {
  const { live, partner, gateway } = await connected(t);
  const opened = () => live.pool.events.all().filter(({ event }) => event === 'connection-opened').length;
  const before = opened();
  await live.declare({ environment: 'other' });
  assert.equal(await gateway.reload(), true);
  await messageToAnn(live, partner, 'over the same connection');
  assert.equal(opened(), before);
  // The pool is asked about again at the next tick of the SIP side, and is still who it was.
  for (let sent = 0; sent < 5; sent += 1) {
    assert.equal((await live.pool.send('ann@contoso.com', 'juliet@fabrikam.com', `after ${sent}`)).status, 200);
    await delay(40);
  }

  await live.certify('default', { dnsNames: ['contoso.com', 'edge1.contoso.com'] });
  assert.equal(await gateway.reload(), true);
  await messageToAnn(live, partner, 'over another one');
  assert.equal(opened(), before + 1);
});

test('a replaced certificate is shown to whoever connects from then on; open streams stay', async (t) => {
  const { live, partner, gateway, log } = await connected(t, {
    xmppDirectTlsListen: [{ address: '127.0.0.1', port: 0 }],
  });
  const ports = [gateway.ports.xmppDirectTls[0] ?? 0, gateway.sipPort('tls') ?? 0];
  const shown = () => Promise.all(ports.map((port) => certificateAt(port)));
  const before = await shown();
  const streams = openStreams(gateway);
  const fresh = await live.certify('default', { dnsNames: ['contoso.com', 'edge1.contoso.com'] });
  await log.next(({ event, msg }) => event === 'configuration-in-force' && msg === 'configuration reloaded');
  const after = await shown();
  assert.deepEqual(after, [fingerprint(fresh), fingerprint(fresh)]);
  assert.notEqual(after[0], before[0]);
  assert.deepEqual(openStreams(gateway), streams);
  await messageToAnn(live, partner, 'still here');
});

test('a partner whose certificate is no longer trusted is closed by a reload', async (t) => {
  const { live, partner, gateway, log } = await connected(t);
  await writeFile(live.caFile, (await createAuthority('Another authority')).certificatePem);
  assert.equal(await gateway.reload(), true);
  const { reason, remoteDomain } = await log.next(isEvent('stream-refused'));
  assert.deepEqual([reason, remoteDomain], ['certificate-not-valid', 'fabrikam.com']);
  await partner.next(isEnded);
  assert.deepEqual(
    openStreams(gateway).filter((stream) => stream.startsWith('inbound')),
    [],
  );
});

test('gateways with one secret verify the keys of each other, and a new secret counts without a restart', async (t) => {
  const live = await LiveFederation.create(t);
  const secretsFolder = live.folder;
  await writeFile(join(secretsFolder, 'dialback-passphrase'), 'the first secret of both');
  const terms = { saslNegotiation: 'Optional', supportDialbackNegotiation: true } as const;
  await live.declare({ xmppAllowedPartners: [{ ...fabrikam, ...terms }] });
  await live.partner('fabrikam.com', { isSelfSigned: true });
  const { gateway } = await live.start({ secretsFolder });
  // The pool keeps to the connection it has; the partner asks the one in DNS, which never saw the key of the other.
  const { gateway: other, log } = await live.start({ secretsFolder });
  assert.equal((await live.pool.send('ann@contoso.com', 'juliet@fabrikam.com', 'hello')).status, 200);
  const directions = (of: Gateway) => of.streams().map(({ direction }) => direction);
  assert.deepEqual([directions(gateway), directions(other)], [['outbound'], ['inbound']]);

  await writeFile(join(secretsFolder, 'dialback-passphrase'), 'another secret, for both of them');
  await log.next(({ msg }) => msg === 'configuration reloaded');
});

// -- start and stop ----------------------------------------------------------------------------------------------------

async function startFailure(settings: HostSettings): Promise<StartError> {
  try {
    const gateway = await Gateway.start({ settings, logger: createLogger('silent') });
    await gateway.stop();
  } catch (error) {
    assert(error instanceof StartError, String(error));
    return error;
  }
  return assert.fail('it started');
}

test('what is wrong with configuration, certificates and secrets is said at the start', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare({ environment: '', domains: [] } satisfies Partial<FederationConfigProps>);
  const { message: text, findings } = await startFailure(live.settings());
  assert.equal(text, 'the configuration cannot be used');
  assert.deepEqual(findings.map(({ path }) => path).sort(), ['domains', 'environment']);

  await live.declare();
  const certificate = join(live.certificatesFolder, 'default.crt');
  const rules = async () => {
    const { findings: found } = await startFailure(live.settings({ secretsFolder: live.folder }));
    return found.map(({ rule }) => rule).sort();
  };
  await rm(certificate);
  assert.deepEqual(await rules(), ['file-unreadable', 'unreadable-secret']);
  await writeFile(certificate, 'no certificate');
  await writeFile(join(live.folder, 'dialback-passphrase'), 'too short');
  assert.deepEqual(await rules(), ['certificate-unreadable', 'weak-secret']);
});

test('a port in use is said, and nothing is left listening', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare();
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const busy = { address: '127.0.0.1', port: portOf(taken) };
  const free = { address: '127.0.0.1', port: await freePort() };
  const cases: [Partial<HostSettings>, place: string][] = [
    [{ xmppListen: [free, busy] }, `XMPP 127.0.0.1:${busy.port}`],
    [{ xmppListen: [free], xmppDirectTlsListen: [busy] }, `XMPP 127.0.0.1:${busy.port}`],
    [{ xmppListen: [free], sipListen: [{ transport: 'tls', ...busy }] }, 'SIP'],
    [{ xmppListen: [free], adminListen: busy }, `admin 127.0.0.1:${busy.port}`],
  ];
  for (const [changes, place] of cases) {
    const { message: text, findings } = await startFailure(live.settings(changes));
    assert.ok(text.startsWith(`cannot listen for ${place}: `), text);
    assert.match(text, /EADDRINUSE/);
    assert.deepEqual(findings, []);
    const again = createServer().listen(free.port, free.address);
    await once(again, 'listening');
    again.close();
    await once(again, 'close');
  }
});

test('stopping waits for the answer of the pool and tells partners; new messages of the pool go elsewhere', async (t) => {
  const { live, partner, gateway, log } = await connected(t);
  live.pool.autoAnswer = undefined;
  await partner.send('contoso.com', message('juliet@fabrikam.com', 'ann@contoso.com', 'late'));
  const { answer } = await live.pool.received.next(({ body }) => body === 'late');
  const stopped = gateway.stop();
  await log.next(isEvent('stopping'));
  assert.equal((await live.pool.send('ann@contoso.com', 'juliet@fabrikam.com', 'too late')).status, 503);
  answer(480, 'Away');
  assert.equal(await nextError(partner), 'wait recipient-unavailable');
  await stopped;
  assert.deepEqual(gateway.streams(), []);
  const endings = [await partner.next(isEnded), await partner.next(isEnded)].map(({ ending }) => ending);
  assert.ok(
    endings.every(({ why }) => why === 'peer-error' || why === 'peer-closed'),
    JSON.stringify(endings),
  );
  assert.equal(gateway.stop(), stopped);
  assert.equal(await gateway.reload(), false);
});

test('an answer that is due when the gateway stops reaches a partner it has yet to open a stream to', async (t) => {
  const live = await LiveFederation.create(t);
  await live.declare();
  const partner = await live.partner('fabrikam.com');
  const { gateway } = await live.start();
  const way = await heldConnection(t, live.portOf('fabrikam.com'));
  live.serve('fabrikam.com', { starttls: way.port });
  live.pool.autoAnswer = undefined;
  await partner.send('contoso.com', message('juliet@fabrikam.com', 'ann@contoso.com', 'late'));
  const { answer } = await live.pool.received.next();
  const stopped = gateway.stop();
  answer(480, 'Away');
  // The SIP side is done before the stream to the partner comes about.
  await live.pool.events.next(({ event }) => event === 'connection-closed');
  way.release();
  assert.equal(await nextError(partner), 'wait recipient-unavailable');
  await stopped;
});

test('a pool that never answers does not keep the gateway from stopping, nor the sender from hearing of it', async (t) => {
  const { live, partner, gateway } = await connected(t, { drainTimeout: 0 });
  live.pool.autoAnswer = undefined;
  await partner.send('contoso.com', message('juliet@fabrikam.com', 'ann@contoso.com', 'late'));
  await live.pool.received.next(({ body }) => body === 'late');
  await gateway.stop();
  assert.equal(await nextError(partner), 'cancel internal-server-error');
});

test('stopping leaves nothing listening', async (t) => {
  const { gateway } = await connected(t, { adminListen: { address: '127.0.0.1', port: 0 } });
  const ports = [...gateway.ports.xmpp, gateway.sipPort('tls'), gateway.ports.admin];
  await gateway.stop();
  for (const port of ports) {
    const again = createServer().listen(port, '127.0.0.1');
    await once(again, 'listening');
    again.close();
  }
});

/** A port that takes connections and lets nothing through to another port before it is released. */
async function heldConnection(
  t: TestContext,
  target: number,
): Promise<{ readonly port: number; readonly release: () => void }> {
  const held: (() => void)[] = [];
  const server = createServer((socket) => {
    held.push(() => {
      const onward = connectPlain(target, '127.0.0.1');
      for (const end of [socket, onward]) end.on('error', () => {});
      socket.pipe(onward).pipe(socket);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const release = (): void => {
    for (const connectOnward of held.splice(0)) connectOnward();
  };
  return { port: portOf(server), release };
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

/** Fingerprint of the certificate that a TLS listener shows for contoso.com. */
async function certificateAt(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', servername: 'contoso.com', rejectUnauthorized: false });
  socket.on('error', () => {});
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

function fingerprint({ certificatePem }: ThrowawayCertificate): string {
  return new X509Certificate(certificatePem).fingerprint256;
}
