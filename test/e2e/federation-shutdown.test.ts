/**
 * The gateway is told to stop while messages flow both ways: none is lost without a word, none comes twice. With Prosody,
 * because ejabberd 23.01 itself loses what its users send in the moment in which a stream to another server is closed.
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { EXTERNAL_ONLY, OUR_DOMAIN, startWorld } from '../support/peers/federation-world.ts';
import type { SipUser } from '../support/peers/sip-user.ts';
import type { XmppUser } from '../support/peers/xmpp-user.ts';
import { bodyOf } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53');

const PARTNER = 'fabrikam.example';
const ALICE = `alice@${PARTNER}`;
const BOB = `bob@${OUR_DOMAIN}`;
/** Messages that have passed each way when the gateway is told. */
const WARM_UP = 100;
const NONE: readonly string[] = [];

describe('shutdown', { skip }, () => {
  test('every message arrives once, or its sender hears that it did not', async (t) => {
    const world = await startWorld(t, { partners: [[PARTNER]] });
    await world.pool(t);
    const gateway = await world.gateway(t, world.federation([{ domain: PARTNER, ...EXTERNAL_ONLY }]));
    await world.prosody(t, PARTNER, 'external');
    const [alice, bob] = [await world.logIn(t, ALICE), await world.sipUser(t, 'bob')];

    const isOver = new AbortController();
    const fromXmpp = sendFromXmpp(alice, isOver.signal);
    const fromSip = Promise.all([1, 2, 3, 4].map((lane) => sendFromSip(bob, lane, isOver.signal)));
    await until('messages both ways', () => receivedBy(bob).length > WARM_UP && receivedBy(alice).length > WARM_UP);
    gateway.process.signal('SIGTERM');
    await until('the end of the gateway', () => !gateway.process.isRunning());
    isOver.abort();

    const sent = await fromXmpp;
    const untold = (): readonly string[] => without(sent, [...receivedBy(bob), ...bouncedTo(alice)]);
    await until('a fate for every message from XMPP', () => untold().length === 0, untold);
    assert.deepEqual(repeated(receivedBy(bob)), NONE, 'came twice');
    assert.deepEqual(both(receivedBy(bob), bouncedTo(alice)), NONE, 'arrived, and was said not to have');

    const answered = (await fromSip).flat();
    const taken = answered.filter(({ status }) => status === 200).map(({ body }) => body);
    const refused = answered.filter(({ status }) => status >= 300).map(({ body }) => body);
    assert.deepEqual(repeated(receivedBy(alice)), NONE, 'came twice');
    assert.deepEqual(without(taken, receivedBy(alice)), NONE, 'was taken, and did not arrive');
    assert.deepEqual(both(refused, receivedBy(alice)), NONE, 'was refused, and arrived');
  });
});

/** Returns the bodies, which are the ids too, of all that was sent. */
async function sendFromXmpp(alice: XmppUser, isOver: AbortSignal): Promise<readonly string[]> {
  const sent: string[] = [];
  while (!isOver.aborted) {
    const id = `x${sent.length}`;
    alice.sendMessage({ to: BOB, body: id, id });
    sent.push(id);
    await delay(1);
  }
  return sent;
}

/** Sends one after the other, since each waits for its answer. */
async function sendFromSip(
  bob: SipUser,
  lane: number,
  isOver: AbortSignal,
): Promise<{ body: string; status: number }[]> {
  const answered: { body: string; status: number }[] = [];
  while (!isOver.aborted) {
    const body = `s${lane}-${answered.length}`;
    const { status } = await bob.sendMessage(`sip:${ALICE}`, body);
    answered.push({ body, status });
    if (status !== 200) await delay(5);
  }
  return answered;
}

function receivedBy(user: XmppUser | SipUser): readonly string[] {
  return user.pending().flatMap((it) => {
    if ('body' in it) return [it.body];
    return it.name === 'message' && it.attributes.type !== 'error' ? [bodyOf(it) ?? ''] : [];
  });
}

function bouncedTo(alice: XmppUser): readonly string[] {
  return alice.pending().flatMap(({ attributes: { type, id = '' } }) => (type === 'error' ? [id] : []));
}

function without(items: readonly string[], others: readonly string[]): readonly string[] {
  const known = new Set(others);
  return items.filter((item) => !known.has(item));
}

function both(items: readonly string[], others: readonly string[]): readonly string[] {
  const known = new Set(others);
  return items.filter((item) => known.has(item));
}

function repeated(items: readonly string[]): readonly string[] {
  return items.filter((item, i) => items.indexOf(item) !== i);
}

async function until(what: string, isSo: () => boolean, missed: () => readonly string[] = () => NONE): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!isSo()) {
    if (performance.now() > deadline) assert.fail(`never: ${what}; missed: ${missed()}`);
    await delay(10);
  }
}
