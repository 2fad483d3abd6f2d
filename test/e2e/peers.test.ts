/** The real peers alone, without the gateway: whoever debugs an e2e test can first see whether these work. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { connect, createServer } from 'node:tls';
import type { ThrowawayCertificate } from '../support/certificates.ts';
import { createAuthority, issue, selfSigned, writeCertificate } from '../support/certificates.ts';
import { nextAddress } from '../support/peers/addresses.ts';
import { scratchDirectory } from '../support/peers/cleanup.ts';
import { startDnsmasq, xmppServerRecords } from '../support/peers/dnsmasq.ts';
import { startEjabberd } from '../support/peers/ejabberd.ts';
import type { Kamailio, KamailioOptions } from '../support/peers/kamailio.ts';
import { SIP_PORT, SIPS_PORT, startKamailio } from '../support/peers/kamailio.ts';
import { startProcess } from '../support/peers/process.ts';
import type { StreamMode, XmppPeerOptions } from '../support/peers/prosody.ts';
import { DIRECT_TLS_PORT, STARTTLS_PORT, startProsody } from '../support/peers/prosody.ts';
import { answerTo, connectSipUser, header, readSip } from '../support/peers/sip-user.ts';
import type { XmppUser } from '../support/peers/xmpp-user.ts';
import { bodyOf, connectXmppUser, errorCondition } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const xmppPrograms = missing('prosody', 'lua-unbound', 'ejabberdctl', 'dnsmasq', 'port-53', 'private-mounts');
const sipPrograms = missing('kamailio', 'kamailio-tls');

/** How each mode shows in Prosody's list of streams, for the stream it opened and the one it accepted. */
const STREAMS: Readonly<Partial<Record<StreamMode, readonly [RegExp, RegExp]>>> = {
  external: [/-->.*TLSv1\.3.*Succeeded.*Not used/, /<--.*TLSv1\.3.*Succeeded.*Not used/],
  'tls-dialback': [/-->.*TLSv1\.3 *\| *\| Completed/, /<--.*TLSv1\.3 *\| *\| /],
  'plain-dialback': [/-->.*insecure *\| *\| Completed/, /<--.*insecure *\| *\| /],
  'direct-tls': [/-->.*TLSv1\.3.*Succeeded.*Not used/, /<--.*TLSv1\.3.*Succeeded.*Not used/],
};

for (const [mode, shown] of Object.entries(STREAMS) as [StreamMode, readonly [RegExp, RegExp]][]) {
  test(`Prosody and ejabberd exchange messages: ${mode}`, { skip: xmppPrograms }, async (t) => {
    const { dns, prosody, alice, bob } = await startXmppPair(t, mode);

    alice.sendMessage({ to: bob.jid, body: 'héllo <&> 🙂', subject: 'greeting' });
    const received = await bob.nextMessage();
    assert.equal(bodyOf(received), 'héllo <&> 🙂');
    assert.equal(received.attributes.from, `${alice.jid}/test`);

    bob.sendMessage({ to: alice.jid, body: 'and back' });
    assert.equal(bodyOf(await alice.nextMessage()), 'and back');

    const streams = await prosody.shell('s2s:show()');
    for (const expected of shown) assert.match(streams, expected);
    const service = mode === 'direct-tls' ? '_xmpps-server' : '_xmpp-server';
    assert.match(dns.log(), new RegExp(`query\\[SRV\\] ${service}._tcp.prosody.example`));
    assert.match(dns.log(), new RegExp(`query\\[SRV\\] ${service}._tcp.ejabberd.example`));
  });
}

test('a user who writes to a domain without the service is told so', { skip: xmppPrograms }, async (t) => {
  const { alice } = await startProsodyAlone(t);
  const id = alice.sendMessage({ to: 'someone@closed.example', body: 'anybody there?' });
  assert.equal(errorCondition(await alice.nextError(id)), 'remote-server-not-found');
});

test('two users of the SIP pool exchange a MESSAGE', { skip: sipPrograms }, async (t) => {
  const pool = await startPool(t);
  const bob = await connectUser(t, pool, 'bob');
  const carol = await connectUser(t, pool, 'carol');

  const reply = await bob.sendMessage(carol.uri, 'hé 🙂', ['Subject: greeting']);
  assert.equal(reply.status, 200);
  const received = await carol.nextMessage();
  assert.deepEqual([received.from, received.to, received.body], [bob.uri, carol.uri, 'hé 🙂']);
  assert.equal(header(received, 'subject'), 'greeting');

  carol.answer = { status: 486, reason: 'Busy Here' };
  assert.equal((await bob.sendMessage(carol.uri, 'again')).status, 486);
  assert.equal((await bob.sendMessage('sip:nobody@pool.example', 'hello?')).status, 404);
});

test('the SIP pool sends other domains to the gateway', { skip: sipPrograms }, async (t) => {
  const gateway = { address: nextAddress(), port: SIP_PORT, transport: 'udp' } as const;
  const pool = await startPool(t, gateway);
  // A user agent stands where the gateway would be; it registers only because all of them do.
  const standIn = await connectSipUser(t, {
    uri: 'sip:gateway@pool.example',
    address: gateway.address,
    registrar: { address: pool.address, port: SIP_PORT },
  });
  const bob = await connectUser(t, pool, 'bob');
  assert.equal((await bob.sendMessage('sip:alice@partner.example', 'to another domain')).status, 200);
  const received = await standIn.nextMessage();
  assert.deepEqual([received.requestUri, received.from], ['sip:alice@partner.example', bob.uri]);
});

test('the SIP pool reaches the gateway over mutual TLS', { skip: sipPrograms }, async (t) => {
  const authority = await createAuthority('Pool authority');
  const identity = await issue(authority, { dnsNames: ['gateway.example'] });
  const gateway = { address: nextAddress(), port: SIPS_PORT, transport: 'tls' } as const;
  const server = createServer({
    cert: identity.chainPem,
    key: identity.privateKeyPem,
    ca: authority.certificatePem,
    requestCert: true,
    rejectUnauthorized: true,
  });
  t.after(() => server.close());
  const connected = once(server, 'secureConnection');
  server.listen(gateway.port, gateway.address);
  await once(server, 'listening');
  const pool = await startPool(t, gateway, authority);
  const bob = await connectUser(t, pool, 'bob');

  const replied = bob.sendMessage('sip:alice@partner.example', 'over TLS');
  const [socket]: TLSSocket[] = await connected;
  assert.ok(socket);
  t.after(() => socket.destroy());
  assert.equal(socket.getPeerCertificate().subjectaltname, 'DNS:pool.example');
  const [bytes]: Buffer[] = await once(socket, 'data');
  assert.ok(bytes);
  const request = readSip(bytes);
  assert.match(request.startLine, /^MESSAGE sip:alice@partner\.example /);
  assert.equal(request.body, 'over TLS');
  socket.write(answerTo(request, 202, 'Accepted'));
  assert.equal((await replied).status, 202);
});

test('the SIP pool asks for a certificate of its authority', { skip: sipPrograms }, async (t) => {
  const authority = await createAuthority('Pool authority');
  const pool = await startPool(t, NOWHERE, authority);
  const trusted = await issue(authority, { dnsNames: ['gateway.example'] });
  const stranger = await selfSigned({ dnsNames: ['gateway.example'] });

  const dial = (certificate?: typeof trusted): TLSSocket => {
    const identity = certificate === undefined ? {} : { cert: certificate.chainPem, key: certificate.privateKeyPem };
    const socket = connect({
      host: pool.address,
      port: SIPS_PORT,
      servername: 'pool.example',
      ca: authority.certificatePem,
      ...identity,
    });
    t.after(() => socket.destroy());
    return socket;
  };

  const accepted = dial(trusted);
  await once(accepted, 'secureConnect');
  accepted.write(optionsRequest(pool.domain));
  const [answer]: unknown[] = await once(accepted, 'data');
  assert.match(String(answer), /^SIP\/2\.0 200 /);

  for (const certificate of [stranger, undefined]) {
    const refused = dial(certificate);
    refused.once('secureConnect', () => refused.write(optionsRequest(pool.domain)));
    refused.on('data', () => assert.fail('an answer without a valid certificate'));
    const [error]: unknown[] = await once(refused, 'error');
    assert.match(String(error), /alert|ECONNRESET|EPIPE/);
  }
});

test('a peer that does not come up is reported with the end of its log', async (t) => {
  const failing = startProcess(t, { name: 'failing', command: 'sh', args: ['-c', 'echo no such thing >&2; exit 3'] });
  await assert.rejects(
    failing.waitForPort('127.0.0.1', 1),
    /failing: ended \(exit code 3\) before TCP.*no such thing/s,
  );
  const silent = startProcess(t, { name: 'silent', command: 'sleep', args: ['60'] });
  await assert.rejects(silent.waitForLog(/ready/, 0.05), /silent: no log line \/ready\/ within 0.05 s/);
  await silent.stop();
  assert.equal(silent.isRunning(), false);
});

const NOWHERE = { address: '127.0.0.1', port: 9, transport: 'udp' } as const;

async function startXmppPair(t: TestContext, mode: StreamMode) {
  const world = await startWorld(t, mode);
  const [prosody] = await Promise.all([
    startProsody(t, await world.server('prosody.example', 'alice')),
    startEjabberd(t, await world.server('ejabberd.example', 'bob')),
  ]);
  const alice = await world.logIn('alice@prosody.example');
  const bob = await world.logIn('bob@ejabberd.example');
  return { dns: world.dns, prosody, alice, bob };
}

async function startProsodyAlone(t: TestContext) {
  const world = await startWorld(t, 'external');
  await startProsody(t, await world.server('prosody.example', 'alice'));
  return { alice: await world.logIn('alice@prosody.example') };
}

/** Names, addresses and an authority for two servers. */
async function startWorld(t: TestContext, mode: StreamMode) {
  const directory = await scratchDirectory(t);
  const authority = await createAuthority('Federation authority');
  const authorities = (await writeCertificate(directory, 'authority', authority)).certificate;
  const resolver = { address: nextAddress(), port: 53 };
  const ports = mode === 'direct-tls' ? { directTls: DIRECT_TLS_PORT } : { starttls: STARTTLS_PORT };
  const addresses = new Map(['prosody.example', 'ejabberd.example'].map((domain) => [domain, nextAddress()]));
  const dns = await startDnsmasq(t, {
    ...resolver,
    records: [
      ...Array.from(addresses, ([domain, address]) => xmppServerRecords(domain, address, ports)).flat(),
      { type: 'SRV', name: '_xmpp-server._tcp.closed.example', target: '.' },
      { type: 'SRV', name: '_xmpps-server._tcp.closed.example', target: '.' },
    ],
  });
  const addressOf = (domain: string): string => addresses.get(domain) ?? assert.fail(domain);
  const server = async (domain: string, localpart: string): Promise<XmppPeerOptions> => ({
    ...{ domain, mode, authorities, resolver, address: addressOf(domain) },
    certificate: await writeCertificate(directory, domain, await issue(authority, { dnsNames: [domain] })),
    users: [{ localpart, password: `secret of ${localpart}` }],
  });
  const logIn = (jid: string): Promise<XmppUser> => {
    const [localpart = '', domain = ''] = jid.split('@');
    const starttls = mode !== 'plain-dialback';
    return connectXmppUser(t, { jid, password: `secret of ${localpart}`, address: addressOf(domain), starttls });
  };
  return { dns, server, logIn };
}

async function startPool(
  t: TestContext,
  gateway: KamailioOptions['gateway'] = NOWHERE,
  authority?: ThrowawayCertificate,
): Promise<Kamailio> {
  const options = { domain: 'pool.example', address: nextAddress(), gateway };
  if (authority === undefined) return startKamailio(t, options);
  const directory = await scratchDirectory(t);
  const authorities = (await writeCertificate(directory, 'authority', authority)).certificate;
  const certificate = await writeCertificate(directory, 'pool', await issue(authority, { dnsNames: ['pool.example'] }));
  return startKamailio(t, { ...options, tls: { certificate, authorities } });
}

function connectUser(t: TestContext, pool: Kamailio, name: string) {
  const registrar = { address: pool.address, port: SIP_PORT };
  return connectSipUser(t, { uri: `sip:${name}@${pool.domain}`, address: nextAddress(), registrar });
}

function optionsRequest(domain: string): string {
  return [
    `OPTIONS sip:${domain} SIP/2.0`,
    'Via: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK-options',
    'Max-Forwards: 70',
    'From: <sip:gateway.example>;tag=1',
    `To: <sip:${domain}>`,
    'Call-ID: options',
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');
}
