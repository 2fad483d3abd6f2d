import { nextAddress } from '../../test/support/peers/addresses.ts';
import type { Scope } from '../../test/support/peers/cleanup.ts';
import { requireAll } from './measured.ts';
import type { SipLoadCalls } from './sip-load.ts';
import { startWorker } from './worker.ts';
import type { World } from './world.ts';
import type { Batch, XmppLoadCalls } from './xmpp-load.ts';

/**
 * The load processes against each other, with no server between: how fast they can be at all. Both resolve to messages
 * per second of wall time.
 */
export interface Ceiling {
  xmpp(batch: Batch): Promise<number>;
  sip(batch: Batch): Promise<number>;
}

export async function startCeiling(
  scope: Scope,
  world: Pick<World, 'identity'>,
  stanzaBytes: number,
): Promise<Ceiling> {
  const hosts = await Promise.all(
    ['left.example', 'rght.example'].map(async (domain) => {
      const identity = await world.identity(domain);
      const xmpp = startWorker<XmppLoadCalls>(scope, './xmpp-load.ts');
      const sip = startWorker<SipLoadCalls>(scope, './sip-load.ts');
      return { domain, address: nextAddress(), identity, xmpp, sip };
    }),
  );
  const [left, right] = hosts;
  if (left === undefined || right === undefined) throw new Error('two hosts are needed');
  for (const [own, target] of [
    [left, right],
    [right, left],
  ] as const) {
    const tail = await own.xmpp.call('start', {
      own: { domain: own.domain, address: own.address, identity: own.identity },
      target: { domain: target.domain, address: target.address, port: 5269 },
      stanzaBytes,
    });
    await own.sip.call('start', {
      own: { fqdn: own.domain, address: own.address, identity: own.identity },
      target: { fqdn: target.domain, address: target.address, port: 5061 },
      ...{ localDomain: own.domain, remoteDomain: target.domain, tail, window: 512 },
    });
  }
  return {
    xmpp: (batch) =>
      perSecond(batch, async () => {
        await right.xmpp.call('arm', { ...batch, direction: 'outbound' });
        await left.xmpp.call('send', { ...batch, direction: 'inbound' });
        requireAll(await right.xmpp.call('settled', 'outbound'));
      }),
    sip: (batch) =>
      perSecond(batch, async () => {
        await right.sip.call('arm', batch);
        const statuses = await left.sip.call('send', batch);
        if (statuses['200'] !== batch.count) throw new Error(`answered ${JSON.stringify(statuses)}`);
        requireAll(await right.sip.call('settled', null));
      }),
  };
}

async function perSecond({ count }: Batch, run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return count / ((performance.now() - startedAt) / 1000);
}
