import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from '../../test/support/peers/cleanup.ts';
import type { PeerProcess } from '../../test/support/peers/process.ts';
import { startProcess } from '../../test/support/peers/process.ts';
import type { Measured } from './measured.ts';
import { requireAll } from './measured.ts';
import type { SipLoadCalls } from './sip-load.ts';
import { startWorker } from './worker.ts';
import type { World } from './world.ts';
import { fileIn } from './world.ts';
import type { XmppLoadCalls } from './xmpp-load.ts';

const S2S_PORT = 5269;
const SIP_PORT = 5061;
const WINDOW = 512;

/** The gateway alone. `program` is the command line of `xmpp-federation`, for example `node dist/xmpp-federation.mjs`. */
export async function startGatewayProcess(scope: Scope, world: World, program: string): Promise<PeerProcess> {
  const { address, domain } = world.sites.gateway;
  const config = fileIn(world, 'federation.json');
  const certificates = fileIn(world, 'gateway');
  const { chainPem, privateKeyPem } = await world.issue(domain);
  await mkdir(certificates, { recursive: true });
  await writeFile(config, federation(world));
  await writeFile(join(certificates, 'default.crt'), chainPem);
  await writeFile(join(certificates, 'default.key'), privateKeyPem, { mode: 0o600 });
  const [command = '', ...args] = program.split(/\s+/);
  const gateway = startProcess(scope, {
    name: 'gateway',
    command,
    args: [
      ...args,
      'gateway',
      ...['--config', config, '--certificates', certificates, '--ca', world.authorities],
      ...['--xmpp-listen', `${address}:${S2S_PORT}`, '--sip-listen', `tls:${address}:${SIP_PORT}`],
      ...['--resolver', `${world.resolver.address}:${world.resolver.port}`, '--allow-private-addresses'],
      ...['--admin-listen', 'off', '--log-level', 'info'],
    ],
    directory: process.cwd(),
  });
  await gateway.waitForPort(address, S2S_PORT);
  await gateway.waitForPort(address, SIP_PORT);
  return gateway;
}

/** The gateway between a partner (server-to-server, TLS, EXTERNAL) and a SIP pool (mutual TLS). */
export async function startGateway(
  scope: Scope,
  world: World,
  program: string,
  stanzaBytes: number,
): Promise<Measured> {
  const site = world.sites.gateway;
  const partner = startWorker<XmppLoadCalls>(scope, './xmpp-load.ts');
  const pool = startWorker<SipLoadCalls>(scope, './sip-load.ts');
  const tail = await partner.call('start', {
    own: { ...site.partner, identity: await world.identity(site.partner.domain) },
    target: { domain: site.domain, address: site.address, port: S2S_PORT },
    stanzaBytes,
  });
  await pool.call('start', {
    own: { ...site.pool, identity: await world.identity(site.pool.fqdn) },
    target: { address: site.address, port: SIP_PORT, fqdn: site.domain },
    localDomain: site.domain,
    remoteDomain: site.partner.domain,
    tail,
    window: WINDOW,
  });
  const process = await startGatewayProcess(scope, world, program);
  return {
    name: 'gateway',
    process,
    inbound: async (batch) => {
      await pool.call('arm', batch);
      await partner.call('arm', { first: batch.first, count: 0, direction: 'outbound' });
      await partner.call('send', { ...batch, direction: 'inbound' });
      const arrivals = await pool.call('settled', null);
      requireAll(await partner.call('settled', 'outbound')); // what came back are errors
      requireAll(arrivals);
    },
    outbound: async (batch) => {
      await partner.call('arm', { ...batch, direction: 'outbound' });
      const statuses = await pool.call('send', batch);
      if (statuses['200'] !== batch.count) throw new Error(`the gateway answered ${JSON.stringify(statuses)}`);
      requireAll(await partner.call('settled', 'outbound'));
    },
    idle: (count) => partner.call('idle', count),
  };
}

/** One partner that is let through every gate; limits at their highest. */
function federation(world: World): string {
  const { domain, partner, pool } = world.sites.gateway;
  const allowed = { enableFederationAccess: true, enableXmppAccess: true, enablePublicCloudAccess: true };
  return JSON.stringify({
    version: 1,
    environment: 'bench',
    domains: [{ domain }],
    accessEdgeConfiguration: { allowFederatedUsers: true },
    xmppGatewayConfiguration: { connectionLimit: 1000, partnerConnectionLimit: 1000 },
    xmppAllowedPartners: [{ domain: partner.domain, partnerType: 'Federated' }],
    externalAccessPolicies: [{ identity: 'global', ...allowed, enableOutsideAccess: true }],
    sip: {
      nextHops: [{ fqdn: pool.fqdn, port: 5061, transport: 'tls' }],
      trustedTlsNames: [pool.fqdn],
    },
  });
}
