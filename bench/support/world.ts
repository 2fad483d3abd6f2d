import { join } from 'node:path';
import type { CertificateFiles, ThrowawayCertificate } from '../../test/support/certificates.ts';
import { createAuthority, issue, writeCertificate } from '../../test/support/certificates.ts';
import { nextAddress } from '../../test/support/peers/addresses.ts';
import type { Scope } from '../../test/support/peers/cleanup.ts';
import { scratchDirectory } from '../../test/support/peers/cleanup.ts';
import type { ZoneRecord } from '../../test/support/peers/dnsmasq.ts';
import { startDnsmasq, xmppServerRecords } from '../../test/support/peers/dnsmasq.ts';
import type { TlsIdentity } from './raw-stream.ts';

/** What all measured servers share: an authority, a DNS server, a directory. */
export interface World {
  readonly directory: string;
  /** File with the authority that everybody trusts. */
  readonly authorities: string;
  readonly resolver: { readonly address: string; readonly port: number };
  readonly sites: Readonly<Record<SiteName, Site>>;
  identity(...names: string[]): Promise<TlsIdentity>;
  certificate(...names: string[]): Promise<CertificateFiles>;
  issue(...names: string[]): Promise<ThrowawayCertificate>;
}

export type SiteName = 'gateway' | 'prosody' | 'ejabberd';

/** A measured server with its partner, and its SIP pool if it has one. */
export interface Site {
  readonly domain: string;
  /** The domain that messages go to and come from: the server's own, or its component's. */
  readonly usersDomain: string;
  readonly address: string;
  readonly partner: { readonly domain: string; readonly address: string };
  readonly pool: { readonly fqdn: string; readonly address: string };
}

export async function createWorld(scope: Scope): Promise<World> {
  const directory = await scratchDirectory(scope);
  const authority = await createAuthority('Bench authority');
  const authorities = (await writeCertificate(directory, 'authority', authority)).certificate;
  const sites = { gateway: site('gateway', ''), prosody: site('prosody', 'sip.'), ejabberd: site('ejabberd', 'sip.') };
  const resolver = { address: nextAddress(), port: 53 };
  await startDnsmasq(scope, { ...resolver, records: Object.values(sites).flatMap(recordsOf) });
  const made = (...names: string[]): Promise<ThrowawayCertificate> => issue(authority, { dnsNames: names });
  return {
    ...{ directory, authorities, resolver, sites, issue: made },
    identity: async (...names) => {
      const { chainPem, privateKeyPem } = await made(...names);
      return { cert: chainPem, key: privateKeyPem, ca: authority.certificatePem };
    },
    certificate: async (...names) => writeCertificate(directory, names.join('+'), await made(...names)),
  };
}

function site(name: SiteName, prefix: string): Site {
  const domain = `${name}.example`;
  return {
    ...{ domain, usersDomain: `${prefix}${domain}`, address: nextAddress() },
    partner: { domain: `partner-of-${name}.example`, address: nextAddress() },
    pool: { fqdn: `pool.${domain}`, address: nextAddress() },
  };
}

function recordsOf({ domain, usersDomain, address, partner, pool }: Site): ZoneRecord[] {
  return [
    ...xmppServerRecords(domain, address),
    ...(usersDomain === domain ? [] : xmppServerRecords(usersDomain, address)),
    ...xmppServerRecords(partner.domain, partner.address),
    { type: 'A', name: domain, address },
    { type: 'A', name: pool.fqdn, address: pool.address },
  ];
}

/** A file in the world's directory. */
export function fileIn(world: World, name: string): string {
  return join(world.directory, name);
}
