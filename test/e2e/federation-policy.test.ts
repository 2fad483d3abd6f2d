/** What the declared policy refuses and what it lets through, as both users see it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { World } from '../support/peers/federation-world.ts';
import { EXTERNAL_ONLY, OUR_DOMAIN, startWorld } from '../support/peers/federation-world.ts';
import type { GatewayProcess } from '../support/peers/gateway.ts';
import type { SipUser } from '../support/peers/sip-user.ts';
import type { Stanza, XmppUser } from '../support/peers/xmpp-user.ts';
import { bodyOf, errorCondition, errorText } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53');

const FEDERATED = 'fabrikam.example';
const VERIFIED = 'verified.example';
const UNVERIFIED = 'unverified.example';
const STRANGER = 'stranger.example';
const BOB = `bob@${OUR_DOMAIN}`;
/** Exists, and may not. */
const CAROL = `carol@${OUR_DOMAIN}`;
/** May, and does not exist. */
const NADJA = `nadja@${OUR_DOMAIN}`;

describe('policy', { skip }, () => {
  const scope = new CleanupStack();
  let world: World;
  let gateway: GatewayProcess;
  let bob: SipUser;
  let carol: SipUser;

  const federation = (allowFederatedUsers: boolean) =>
    world.federation(
      [
        { domain: FEDERATED, partnerType: 'Federated', ...EXTERNAL_ONLY },
        { domain: VERIFIED, partnerType: 'PublicVerified', ...EXTERNAL_ONLY },
        { domain: UNVERIFIED, partnerType: 'PublicUnverified', ...EXTERNAL_ONLY },
      ],
      {
        accessEdgeConfiguration: { allowFederatedUsers },
        externalAccessPolicies: [
          { identity: 'XmppUsers', enableFederationAccess: true, enableXmppAccess: true },
          { identity: 'NoXmpp', enableFederationAccess: true, enableXmppAccess: false },
        ],
        grants: [
          { policyName: 'XmppUsers', users: [OUR_DOMAIN] },
          { policyName: 'NoXmpp', users: [CAROL] },
        ],
      },
    );

  before(async () => {
    const domains = [FEDERATED, VERIFIED, UNVERIFIED, STRANGER];
    world = await startWorld(scope, { partners: [domains] });
    await world.pool(scope);
    gateway = await world.gateway(scope, federation(true));
    const virtualHosts = await Promise.all(
      domains.slice(1).map(async (domain) => ({
        domain,
        certificate: await world.write(domain, await world.issue(domain)),
      })),
    );
    await world.prosody(scope, FEDERATED, 'external', { virtualHosts });
    bob = await world.sipUser(scope, 'bob');
    carol = await world.sipUser(scope, 'carol');
  });
  after(() => scope.close());

  for (const [domain, type] of [
    [FEDERATED, 'Federated'],
    [VERIFIED, 'PublicVerified'],
  ] as const) {
    test(`${type}: both users may begin`, async (t) => {
      const alice = await world.logIn(t, `alice@${domain}`);
      alice.sendMessage({ to: BOB, body: `from ${type}` });
      assert.equal((await bob.nextMessage()).body, `from ${type}`);
      assert.equal((await bob.sendMessage(`sip:alice@${domain}`, `to ${type}`)).status, 200);
      assert.equal(bodyOf(await alice.nextMessage()), `to ${type}`);
    });
  }

  test('PublicUnverified: our user may begin, the contact may not', async (t) => {
    const alice = await world.logIn(t, `alice@${UNVERIFIED}`);
    assert.equal((await bob.sendMessage(`sip:alice@${UNVERIFIED}`, 'to a public contact')).status, 200);
    assert.equal(bodyOf(await alice.nextMessage()), 'to a public contact');

    const id = alice.sendMessage({ to: BOB, body: 'unasked' });
    assert.equal(errorCondition(await alice.nextError(id)), 'item-not-found');
    const line = await gateway.line({ event: 'stanza-refused', reason: 'contact-not-listed' });
    assert.deepEqual(
      [line.audit, line.direction, line.partner, line.from, line.to, line.kind],
      [true, 'inbound', UNVERIFIED, `alice@${UNVERIFIED}`, BOB, 'message'],
    );
    assert.match(String(line.path), /^xmppAllowedPartners\[\d\]\.partnerType$/);
    assert.deepEqual(bob.pending(), []);
  });

  test('a denied user looks exactly like one who does not exist', async (t) => {
    const alice = await world.logIn(t, `alice@${FEDERATED}`);
    // Only a client that has seen the roster hears of subscriptions.
    alice.send(`<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>`);
    await alice.next('the roster', (it) => it.attributes.id === 'roster');
    for (const ask of [askByMessage, askByHtmlMessage, askByIq, askBySubscription]) {
      const denied = await ask(alice, CAROL);
      const unknown = await ask(alice, NADJA);
      assert.equal(wordsOf(denied, CAROL), wordsOf(unknown, NADJA), ask.name);
    }
    assert.equal(errorCondition(await askByMessage(alice, CAROL)), 'item-not-found');
    await gateway.line({ event: 'stanza-refused', reason: 'user-xmpp-denied', to: CAROL, kind: 'message' });
    assert.deepEqual(carol.pending(), []);
  });

  test('a denied user hears of it', async (t) => {
    const alice = await world.logIn(t, `alice@${FEDERATED}`);
    assert.equal((await carol.sendMessage(`sip:alice@${FEDERATED}`, 'may I?')).status, 403);
    const line = await gateway.line({ event: 'stanza-refused', direction: 'outbound', from: CAROL });
    assert.deepEqual([line.audit, line.reason], [true, 'user-xmpp-denied']);
    assert.deepEqual(alice.pending(), []);
  });

  test('a domain that is no partner is refused before anything passes, in both directions', async (t) => {
    const alice = await world.logIn(t, `alice@${STRANGER}`);
    const id = alice.sendMessage({ to: BOB, body: 'let me in' });
    assert.match(errorText(await alice.nextError(id)), /policy-violation/);
    const line = await gateway.line({ event: 'stream-refused', remoteDomain: STRANGER });
    assert.deepEqual([line.audit, line.direction, line.reason], [true, 'inbound', 'partner-not-allowed']);

    assert.equal((await bob.sendMessage(`sip:alice@${STRANGER}`, 'and out?')).status, 403);
    const refused = await gateway.line({ event: 'stanza-refused', to: `alice@${STRANGER}` });
    assert.deepEqual([refused.audit, refused.direction, refused.reason], [true, 'outbound', 'partner-not-allowed']);
    assert.match(world.dns.log(), /query\[SRV\] _xmpp-server\._tcp\.fabrikam\.example/);
    assert.doesNotMatch(world.dns.log(), /query.*stranger\.example/, 'not even a question about it');
    assert.deepEqual([alice.pending(), bob.pending()], [[], []]);
  });

  test('federation switched off: streams are closed, nothing passes', async (t) => {
    const alice = await world.logIn(t, `alice@${FEDERATED}`);
    await gateway.stream('inbound', FEDERATED);
    await gateway.reconfigure(federation(false));
    await gateway.statusWith('no streams', ({ streams }) => streams.length === 0);
    const id = alice.sendMessage({ to: BOB, body: 'still there?' });
    assert.match(errorText(await alice.nextError(id)), /policy-violation/);
    const line = await gateway.line({ event: 'stream-refused', reason: 'federation-disabled' });
    assert.equal(line.path, 'accessEdgeConfiguration.allowFederatedUsers');
    assert.equal((await bob.sendMessage(`sip:alice@${FEDERATED}`, 'and out?')).status, 403);
    assert.deepEqual([alice.pending(), bob.pending()], [[], []]);

    await gateway.reconfigure(federation(true));
    alice.sendMessage({ to: BOB, body: 'on again' });
    assert.equal((await bob.nextMessage()).body, 'on again');
  });
});

const ID = 'asked';

function askByMessage(alice: XmppUser, to: string): Promise<Stanza> {
  return alice.nextError(alice.sendMessage({ to, body: 'are you there?', id: ID, subject: 's', thread: 't' }));
}

function askByHtmlMessage(alice: XmppUser, to: string): Promise<Stanza> {
  const extra = "<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'/></html>";
  return alice.nextError(alice.sendMessage({ to: `${to}/phone`, body: 'there?', id: ID, type: 'normal', extra }));
}

function askByIq(alice: XmppUser, to: string): Promise<Stanza> {
  alice.send(`<iq type='get' id='${ID}' to='${to}'><query xmlns='jabber:iq:last'/></iq>`);
  return alice.nextError(ID);
}

function askBySubscription(alice: XmppUser, to: string): Promise<Stanza> {
  alice.send(`<presence type='subscribe' to='${to}'/>`);
  return alice.next('an answer to the subscription', (it) => it.name === 'presence' && it.attributes.from === to);
}

/** All of a stanza, with its sender left out. */
function wordsOf(stanza: Stanza, sender: string): string {
  return JSON.stringify(stanza).replaceAll(sender, 'SENDER');
}
