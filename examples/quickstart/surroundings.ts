import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { App } from 'cdktf';
import { createAuthority, issue, selfSigned, type ThrowawayCertificate } from '../../src/certificates/throwaway.ts';
import { DnsResolver } from '../../src/runtime/net/dns-resolver.ts';
import { DnsServer } from '../../src/runtime/net/dns-server.ts';
import { buildContoso } from '../contoso/contoso-stack.ts';
import { PartnerStandIn } from './partner-stand-in.ts';
import { PoolStandIn } from './pool-stand-in.ts';

/** Everything around the gateway, on loopback addresses: names, certificates, partners, the pool. All of it is thrown away. */
export interface Surroundings {
  readonly folder: string;
  /** What `cdktf synth` wrote for the dev environment. */
  readonly federationFile: string;
  readonly certificatesFolder: string;
  readonly caFile: string;
  readonly dns: DnsServer;
  readonly resolver: DnsResolver;
  readonly authority: ThrowawayCertificate;
  readonly poolCertificate: ThrowawayCertificate;
}

export const OUR_DOMAIN = 'contoso.com';
export const POOL_FQDN = 'pool01.contoso.com';
export const GATEWAY_FQDN = 'edge1.contoso.com';

/** Synthesizes `examples/contoso` as `cdktf synth` does, and makes throw-away certificates and a name server. */
export async function prepare(folder: string): Promise<Surroundings> {
  const app = new App({ outdir: join(folder, 'cdktf.out'), stackTraces: false });
  buildContoso(app, 'dev');
  app.synth();

  const certificatesFolder = join(folder, 'certificates');
  await mkdir(certificatesFolder, { recursive: true });
  const authority = await createAuthority('Quickstart CA');
  const caFile = join(folder, 'ca.pem');
  await writeFile(caFile, authority.certificatePem);
  await store(certificatesFolder, 'default', await issue(authority, { dnsNames: [OUR_DOMAIN, GATEWAY_FQDN] }));
  await store(certificatesFolder, 'fabrikam', await issue(authority, { dnsNames: ['fabrikam.com'] }));
  // Adatum cannot prove its domain by certificate, so dialback does.
  await store(certificatesFolder, 'adatum', await selfSigned({ dnsNames: ['adatum.com'] }));
  await store(certificatesFolder, 'northwind', await issue(authority, { dnsNames: ['northwindtraders.com'] }));
  const poolCertificate = await issue(authority, { dnsNames: [POOL_FQDN] });

  const dns = await DnsServer.start({ origins: ['com'], records: [] });
  return {
    folder,
    federationFile: join(folder, 'cdktf.out', 'stacks', 'dev', 'federation.json'),
    certificatesFolder,
    caFile,
    dns,
    resolver: new DnsResolver({ servers: [dns.address] }),
    authority,
    poolCertificate,
  };
}

async function store(folder: string, name: string, certificate: ThrowawayCertificate): Promise<void> {
  await writeFile(join(folder, `${name}.crt`), certificate.chainPem);
  await writeFile(join(folder, `${name}.key`), certificate.privateKeyPem, { mode: 0o600 });
  await chmod(join(folder, `${name}.key`), 0o600);
}

/** A partner that federates with us on the terms that our configuration asks for. */
export async function partner(
  around: Surroundings,
  domain: string,
  certificate: string,
  saslNegotiation: 'Required' | 'Optional',
): Promise<{ readonly standIn: PartnerStandIn; readonly port: number }> {
  const standIn = await PartnerStandIn.create({
    config: {
      version: 1,
      environment: 'quickstart',
      domains: [{ domain, certificate }],
      accessEdgeConfiguration: { allowFederatedUsers: true },
      xmppAllowedPartners: [
        {
          domain: OUR_DOMAIN,
          partnerType: 'Federated',
          tlsNegotiation: 'Required',
          saslNegotiation,
          supportDialbackNegotiation: saslNegotiation === 'Optional',
        },
      ],
      sip: { nextHops: [{ fqdn: 'unused.example.com' }] },
    },
    certificatesFolder: around.certificatesFolder,
    caFile: around.caFile,
    resolver: around.resolver,
  });
  return { standIn, port: await standIn.listen() };
}

/** Where each domain's server is, as its SRV records say it. */
export function publish(dns: DnsServer, ports: Readonly<Record<string, number>>): void {
  const records = Object.entries(ports).flatMap(([domain, port]) => {
    const target = domain === OUR_DOMAIN ? GATEWAY_FQDN : `xmpp.${domain}`;
    const srv = {
      name: `_xmpp-server._tcp.${domain}`,
      type: 'SRV',
      data: { target, port, priority: 10, weight: 10 },
    } as const;
    return [srv, { name: target, type: 'A', data: '127.0.0.1' } as const];
  });
  dns.replaceZone({ origins: ['com'], records: [...records, { name: POOL_FQDN, type: 'A', data: '127.0.0.1' }] });
}

export { PartnerStandIn, PoolStandIn };
