/** ejabberd as partner. It refuses certificates that are for servers alone, so it also shows what follows a refusal. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AuthMethod } from '../../src/policy/index.ts';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { World } from '../support/peers/federation-world.ts';
import { EXTERNAL_ONLY, OUR_DOMAIN, startWorld, TLS_DIALBACK_ONLY } from '../support/peers/federation-world.ts';
import type { GatewayProcess } from '../support/peers/gateway.ts';
import type { SipUser } from '../support/peers/sip-user.ts';
import type { XmppUser } from '../support/peers/xmpp-user.ts';
import { bodyOf } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('ejabberdctl', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53', 'private-mounts');

const PARTNER = 'fabrikam.example';
const BOB = `bob@${OUR_DOMAIN}`;
const ALICE = `alice@${PARTNER}`;

describe('ejabberd as partner', { skip }, () => {
  const scope = new CleanupStack();
  let world: World;
  let gateway: GatewayProcess;
  let bob: SipUser;

  before(async () => {
    world = await startWorld(scope, { partners: [[PARTNER]] });
    await world.pool(scope);
    gateway = await world.gateway(scope, world.federation([{ domain: PARTNER, ...EXTERNAL_ONLY }]));
    bob = await world.sipUser(scope, 'bob');
  });
  after(() => scope.close());

  async function passesBothWays(alice: XmppUser, method: AuthMethod, since: number): Promise<void> {
    alice.sendMessage({ to: BOB, body: 'grüße 🙂' });
    assert.equal((await bob.nextMessage()).body, 'grüße 🙂');
    assert.equal((await bob.sendMessage(`sip:${ALICE}`, 'zurück 🙂')).status, 200);
    assert.equal(bodyOf(await alice.nextMessage()), 'zurück 🙂');
    for (const direction of ['inbound', 'outbound']) {
      const line = await gateway.line({ event: 'stream-admitted', direction, remoteDomain: PARTNER }, since);
      assert.equal(line.method, method, direction);
    }
  }

  test('EXTERNAL: messages both ways', async (t) => {
    await world.ejabberd(t, PARTNER, 'external');
    await passesBothWays(await world.logIn(t, ALICE), 'sasl-over-tls', 0);
  });

  test('dialback over TLS: messages both ways', async (t) => {
    await gateway.reconfigure(world.federation([{ domain: PARTNER, ...TLS_DIALBACK_ONLY }]));
    const since = gateway.lines().length;
    await world.ejabberd(t, PARTNER, 'tls-dialback');
    await passesBothWays(await world.logIn(t, ALICE), 'tls-dialback', since);
  });

  test('it refuses our certificate for servers alone: without dialback the SIP user gets an error', async (t) => {
    await gateway.replaceCertificate('default', await world.issue(OUR_DOMAIN, { eku: ['serverAuth'] }));
    await gateway.reconfigure(world.federation([{ domain: PARTNER, ...EXTERNAL_ONLY }]));
    const since = gateway.lines().length;
    await world.ejabberd(t, PARTNER, 'external');
    const alice = await world.logIn(t, ALICE);

    assert.equal((await bob.sendMessage(`sip:${ALICE}`, 'will not arrive')).status, 480);
    const ended = await gateway.line({ event: 'stream-ended', direction: 'outbound', remoteDomain: PARTNER }, since);
    assert.equal(ended.condition, 'not-authorized');
    // The other way it is the server, which our certificate is for.
    alice.sendMessage({ to: BOB, body: 'arrives' });
    assert.equal((await bob.nextMessage()).body, 'arrives');
    await gateway.line({ event: 'stream-admitted', direction: 'inbound', method: 'sasl-over-tls' }, since);
    assert.deepEqual([alice.pending(), bob.pending()], [[], []]);
  });

  test('it refuses our certificate for servers alone: dialback follows where the row allows it', async (t) => {
    await gateway.reconfigure(world.federation([{ domain: PARTNER, saslNegotiation: 'Optional' }]));
    const since = gateway.lines().length;
    await world.ejabberd(t, PARTNER, 'tls-dialback');
    const alice = await world.logIn(t, ALICE);

    assert.equal((await bob.sendMessage(`sip:${ALICE}`, 'hello')).status, 200);
    assert.equal(bodyOf(await alice.nextMessage()), 'hello');
    alice.sendMessage({ to: BOB, body: 'back' });
    assert.equal((await bob.nextMessage()).body, 'back');
    await gateway.line({ event: 'stream-admitted', direction: 'outbound', method: 'tls-dialback' }, since);
    await gateway.line({ event: 'stream-admitted', direction: 'inbound', method: 'sasl-over-tls' }, since);
  });
});
