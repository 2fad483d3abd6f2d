/** What the users see when a partner, the pool or DNS is out of order, and that messages pass again afterwards. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { World } from '../support/peers/federation-world.ts';
import { EXTERNAL_ONLY, OUR_DOMAIN, startWorld } from '../support/peers/federation-world.ts';
import type { GatewayProcess } from '../support/peers/gateway.ts';
import type { Kamailio } from '../support/peers/kamailio.ts';
import type { SipUser } from '../support/peers/sip-user.ts';

import { bodyOf } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53');

const PARTNER = 'fabrikam.example';
const ALICE = `alice@${PARTNER}`;
const BOB = `bob@${OUR_DOMAIN}`;
const CAROL = `carol@${OUR_DOMAIN}`;
const NADJA = `nadja@${OUR_DOMAIN}`;
/** Says in DNS that it has no XMPP service. */
const CLOSED = 'closed.example';
const UNASKED = 'unasked.example';

describe('outages', { skip }, () => {
  const scope = new CleanupStack();
  let world: World;
  let gateway: GatewayProcess;
  let pool: Kamailio;
  let bob: SipUser;

  before(async () => {
    const closed = ['_xmpp-server', '_xmpps-server'].map((service) => {
      return { type: 'SRV', name: `${service}._tcp.${CLOSED}`, target: '.' } as const;
    });
    world = await startWorld(scope, { partners: [[PARTNER, UNASKED]], records: closed });
    pool = await world.pool(scope);
    const partners = [PARTNER, CLOSED, UNASKED].map((domain) => ({ domain, ...EXTERNAL_ONLY }));
    gateway = await world.gateway(
      scope,
      world.federation(partners, {
        externalAccessPolicies: [
          { identity: 'global', enableFederationAccess: true, enableXmppAccess: true },
          { identity: 'NoXmpp', enableFederationAccess: true, enableXmppAccess: false },
        ],
        grants: [{ policyName: 'NoXmpp', users: [CAROL] }],
      }),
    );
    bob = await world.sipUser(scope, 'bob');
  });
  after(() => scope.close());

  test('partner down: the SIP user hears at once, and is through soon after it is up again', async (t) => {
    assert.equal((await bob.sendMessage(`sip:${ALICE}`, 'nobody there')).status, 480);
    const failed = await gateway.line({ event: 'stream-ended', why: 'unreachable', remoteDomain: PARTNER });
    assert.equal(failed.code, 'connect-refused');
    // Within the pause there is no second attempt, and the same answer.
    const since = gateway.lines().length;
    assert.equal((await bob.sendMessage(`sip:${ALICE}`, 'still nobody there')).status, 480);
    assert.equal(
      gateway
        .lines()
        .slice(since)
        .filter((line) => line.event === 'stream-ended').length,
      0,
    );

    const prosody = await world.prosody(t, PARTNER, 'external');
    const alice = await world.logIn(t, ALICE);
    await sendUntilTaken(bob, 'now it is up');
    assert.equal(bodyOf(await alice.nextMessage()), 'now it is up');
    assert.deepEqual(alice.pending(), [], 'what was refused does not arrive later');

    await prosody.process.kill();
    await gateway.statusWith('no streams', ({ streams }) => streams.length === 0);
    assert.equal((await bob.sendMessage(`sip:${ALICE}`, 'it crashed')).status, 480);
    await world.prosody(t, PARTNER, 'external');
    const again = await world.logIn(t, ALICE);
    await sendUntilTaken(bob, 'up once more');
    assert.equal(bodyOf(await again.nextMessage()), 'up once more');
  });

  test('pool down: the XMPP user gets an error, whoever it was for', async (t) => {
    await world.prosody(t, PARTNER, 'external');
    const alice = await world.logIn(t, ALICE);
    alice.sendMessage({ to: BOB, body: 'all is well' });
    assert.equal((await bob.nextMessage()).body, 'all is well');

    await pool.process.kill();
    await gateway.line({ event: 'sip-next-hop-down' });
    const answers = await Promise.all(
      [BOB, CAROL, NADJA].map(async (to) => {
        const error = await alice.nextError(alice.sendMessage({ to, body: 'anybody?', id: `to ${to}` }));
        return JSON.stringify(error).replaceAll(to, 'RECIPIENT');
      }),
    );
    assert.equal(new Set(answers).size, 1, `a denied user and an unknown one stand out: ${answers.join('\n')}`);
    assert.match(answers[0] ?? '', /internal-server-error/);

    await world.pool(scope);
    bob = await world.sipUser(scope, 'bob'); // whom the new registrar does not know yet
    await gateway.statusWith('the pool up', ({ nextHops }) => nextHops.some(({ healthy }) => healthy));
    alice.sendMessage({ to: BOB, body: 'back again' });
    assert.equal((await bob.nextMessage()).body, 'back again');
  });

  test('DNS says that there is no service: not found', async () => {
    assert.equal((await bob.sendMessage(`sip:alice@${CLOSED}`, 'anybody?')).status, 404);
    const line = await gateway.line({ event: 'stream-ended', remoteDomain: CLOSED });
    assert.deepEqual([line.why, line.code], ['unreachable', 'dns-no-service']);
  });

  test('DNS dead: an error while it is, and messages once it is not', async (t) => {
    const certificate = await world.write(UNASKED, await world.issue(UNASKED));
    await world.prosody(t, PARTNER, 'external', { virtualHosts: [{ domain: UNASKED, certificate }] });
    await world.dns.stop();
    assert.equal((await bob.sendMessage(`sip:alice@${UNASKED}`, 'who knows the way?')).status, 480);
    const line = await gateway.line({ event: 'stream-ended', remoteDomain: UNASKED });
    assert.match(String(line.code), /^dns-(timeout|failure)$/);

    await world.dns.serve(world.records);
    const alice = await world.logIn(t, `alice@${UNASKED}`);
    await sendUntilTaken(bob, 'found', `alice@${UNASKED}`);
    assert.equal(bodyOf(await alice.nextMessage()), 'found');
  });
});

/** Writes again while the gateway pauses between its attempts. */
async function sendUntilTaken(user: SipUser, body: string, to = ALICE): Promise<void> {
  const deadline = performance.now() + 20_000;
  for (;;) {
    const { status } = await user.sendMessage(`sip:${to}`, body);
    if (status === 200) return;
    assert.equal(status, 480);
    if (performance.now() > deadline) assert.fail(`${body}: still refused`);
    await delay(50);
  }
}
