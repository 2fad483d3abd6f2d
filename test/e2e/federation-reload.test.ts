/** Configuration and certificates change under a running gateway, with streams open and messages passing. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { World } from '../support/peers/federation-world.ts';
import { EXTERNAL_ONLY, OUR_DOMAIN, startWorld } from '../support/peers/federation-world.ts';
import type { GatewayProcess } from '../support/peers/gateway.ts';
import { DIRECT_TLS_PORT } from '../support/peers/prosody.ts';
import type { SipUser } from '../support/peers/sip-user.ts';
import type { XmppUser } from '../support/peers/xmpp-user.ts';
import { bodyOf, errorText } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53');

const STAYS = 'fabrikam.example';
const LEAVES = 'adatum.example';
const BOB = `bob@${OUR_DOMAIN}`;

describe('reload', { skip }, () => {
  const scope = new CleanupStack();
  let world: World;
  let gateway: GatewayProcess;
  let bob: SipUser;
  let staying: XmppUser;
  let leaving: XmppUser;

  const federation = (...domains: readonly string[]) =>
    world.federation(domains.map((domain) => ({ domain, ...EXTERNAL_ONLY })));

  before(async () => {
    world = await startWorld(scope, { partners: [[STAYS, LEAVES]] });
    await world.pool(scope);
    gateway = await world.gateway(scope, federation(STAYS, LEAVES));
    const certificate = await world.write(LEAVES, await world.issue(LEAVES));
    await world.prosody(scope, STAYS, 'external', { virtualHosts: [{ domain: LEAVES, certificate }] });
    bob = await world.sipUser(scope, 'bob');
    staying = await world.logIn(scope, `alice@${STAYS}`);
    leaving = await world.logIn(scope, `alice@${LEAVES}`);
  });
  after(() => scope.close());

  async function passesBothWays(alice: XmppUser, body: string): Promise<void> {
    alice.sendMessage({ to: BOB, body });
    assert.equal((await bob.nextMessage()).body, body);
    assert.equal((await bob.sendMessage(`sip:${alice.jid}`, body)).status, 200);
    assert.equal(bodyOf(await alice.nextMessage()), body);
  }

  /** Ids of the streams of a domain: the same ones, the same streams. */
  async function streamsOf(domain: string): Promise<readonly string[]> {
    const streams = [await gateway.stream('inbound', domain), await gateway.stream('outbound', domain)];
    return streams.map(({ streamId }) => streamId);
  }

  test('a partner that is removed loses its streams, the other one keeps them', async () => {
    await passesBothWays(staying, 'before');
    await passesBothWays(leaving, 'before');
    const kept = await streamsOf(STAYS);
    const before = await gateway.status();
    assert.equal(before.streams.length, 4);

    const since = gateway.lines().length;
    await gateway.reconfigure(federation(STAYS), 'file');
    const status = await gateway.statusWith('two streams', ({ streams }) => streams.length === 2);
    assert.notEqual(status.digest, before.digest);
    for (const direction of ['inbound', 'outbound']) {
      const line = await gateway.line({ event: 'stream-refused', direction, remoteDomain: LEAVES }, since);
      assert.deepEqual([line.audit, line.reason], [true, 'partner-not-allowed']);
    }

    const id = leaving.sendMessage({ to: BOB, body: 'am I still in?' });
    assert.match(errorText(await leaving.nextError(id)), /policy-violation/);
    assert.equal((await bob.sendMessage(`sip:${leaving.jid}`, 'are you?')).status, 403);
    await passesBothWays(staying, 'after');
    assert.deepEqual(await streamsOf(STAYS), kept);
    assert.deepEqual([leaving.pending(), bob.pending()], [[], []]);
  });

  test('a partner that is added may come at once', async () => {
    await gateway.reconfigure(federation(STAYS, LEAVES));
    await passesBothWays(leaving, 'back in');
  });

  test('a broken file is refused whole, and messages keep passing', async () => {
    const { digest, configurationsRefused } = await gateway.status();
    const kept = await streamsOf(STAYS);
    for (const [i, text] of ['{ "version": 1,', '{}', ''].entries()) {
      const since = gateway.lines().length;
      await gateway.writeConfiguration(text);
      gateway.process.signal('SIGHUP');
      const line = await gateway.line({ event: 'configuration-refused' }, since);
      assert.equal(line.digest, digest);
      await passesBothWays(staying, `broken file ${i}`);
    }
    const status = await gateway.status();
    assert.equal(status.digest, digest);
    assert.ok(status.configurationsRefused > configurationsRefused);
    assert.deepEqual(await streamsOf(STAYS), kept);
    await gateway.reconfigure(federation(STAYS, LEAVES));
  });

  test('a certificate replaced on disk is shown on new streams, and old streams stay', async () => {
    await passesBothWays(staying, 'with the old certificate');
    const kept = await streamsOf(STAYS);
    const replacement = await world.issue(OUR_DOMAIN);
    assert.notEqual(await shownCertificate(), new X509Certificate(replacement.certificatePem).fingerprint256);
    await gateway.replaceCertificate('default', replacement);
    assert.equal(await shownCertificate(), new X509Certificate(replacement.certificatePem).fingerprint256);
    assert.deepEqual(await streamsOf(STAYS), kept);

    // The next partner's stream is the first to be proved by it, from our side too.
    const since = gateway.lines().length;
    await gateway.reconfigure(federation(STAYS));
    await gateway.reconfigure(federation(STAYS, LEAVES));
    await passesBothWays(leaving, 'with the new certificate');
    await gateway.line({ event: 'stream-admitted', direction: 'outbound', remoteDomain: LEAVES }, since);
  });

  function shownCertificate(): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connectTls({
        host: world.gatewayAddress,
        port: DIRECT_TLS_PORT,
        servername: OUR_DOMAIN,
        ca: world.authority.certificatePem,
        ALPNProtocols: ['xmpp-server'],
      });
      socket.once('error', reject);
      socket.once('secureConnect', () => {
        resolve(socket.getPeerCertificate().fingerprint256);
        socket.destroy();
      });
    });
  }
});
