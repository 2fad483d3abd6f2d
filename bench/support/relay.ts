import { randomBytes } from 'node:crypto';
import type { Scope } from '../../test/support/peers/cleanup.ts';
import { startEjabberd } from '../../test/support/peers/ejabberd.ts';
import type { XmppPeer, XmppPeerOptions } from '../../test/support/peers/prosody.ts';
import { COMPONENT_PORT, STARTTLS_PORT, startProsody } from '../../test/support/peers/prosody.ts';
import type { Measured } from './measured.ts';
import { requireAll } from './measured.ts';
import { startWorker } from './worker.ts';
import type { World } from './world.ts';
import type { XmppLoadCalls } from './xmpp-load.ts';

const STARTERS: Readonly<Record<RelayName, (scope: Scope, options: XmppPeerOptions) => Promise<XmppPeer>>> = {
  prosody: startProsody,
  // Idle schedulers of the Erlang VM spin for a while by default: CPU time that has nothing to do with messages.
  ejabberd: (scope, options) =>
    startEjabberd(scope, { ...options, vmArguments: ['+sbwt', 'none', '+sbwtdcpu', 'none', '+sbwtdio', 'none'] }),
};

export type RelayName = 'prosody' | 'ejabberd';

/** The server alone. */
export async function startRelayServer(scope: Scope, world: World, name: RelayName, secret = ''): Promise<XmppPeer> {
  const site = world.sites[name];
  return STARTERS[name](scope, {
    domain: site.domain,
    address: site.address,
    mode: 'external',
    certificate: await world.certificate(site.domain, site.usersDomain),
    authorities: world.authorities,
    resolver: world.resolver,
    logLevel: 'warn',
    ...(secret === '' ? {} : { component: { domain: site.usersDomain, secret } }),
  });
}

/** A server that relays between a partner (server-to-server, TLS, EXTERNAL) and a component (XEP-0114, no TLS). */
export async function startRelay(scope: Scope, world: World, name: RelayName, stanzaBytes: number): Promise<Measured> {
  const site = world.sites[name];
  const secret = randomBytes(16).toString('hex');
  const { process } = await startRelayServer(scope, world, name, secret);
  const load = startWorker<XmppLoadCalls>(scope, './xmpp-load.ts');
  await load.call('start', {
    own: { ...site.partner, identity: await world.identity(site.partner.domain) },
    target: { domain: site.usersDomain, address: site.address, port: STARTTLS_PORT },
    component: { port: COMPONENT_PORT, secret },
    stanzaBytes,
  });
  const relay =
    (direction: 'inbound' | 'outbound'): Measured['inbound'] =>
    async (batch) => {
      await load.call('arm', { ...batch, direction });
      await load.call('send', { ...batch, direction });
      requireAll(await load.call('settled', direction));
    };
  return {
    name,
    process,
    inbound: relay('inbound'),
    outbound: relay('outbound'),
    idle: (count) => load.call('idle', count),
  };
}
