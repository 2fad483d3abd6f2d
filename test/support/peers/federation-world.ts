import type { XmppFederationProps } from '../../../src/constructs/xmpp-federation.ts';
import type { CertificateFields, CertificateFiles, ThrowawayCertificate } from '../certificates.ts';
import { createAuthority, issue, writeCertificate } from '../certificates.ts';
import { nextAddress } from './addresses.ts';
import type { Scope } from './cleanup.ts';
import { scratchDirectory } from './cleanup.ts';
import type { Dnsmasq, ZoneRecord } from './dnsmasq.ts';
import { startDnsmasq, xmppServerRecords } from './dnsmasq.ts';
import { startEjabberd } from './ejabberd.ts';
import type { GatewayProcess } from './gateway.ts';
import { startGateway } from './gateway.ts';
import type { Kamailio } from './kamailio.ts';
import { SIP_PORT, SIPS_PORT, startKamailio } from './kamailio.ts';
import type { Prosody, ProsodyOptions, StreamMode, XmppPeer } from './prosody.ts';
import { DIRECT_TLS_PORT, STARTTLS_PORT, startProsody } from './prosody.ts';
import type { SipUser } from './sip-user.ts';
import { connectSipUser } from './sip-user.ts';
import type { XmppUser } from './xmpp-user.ts';
import { connectXmppUser } from './xmpp-user.ts';

export const OUR_DOMAIN = 'contoso.example';
export const POOL_FQDN = 'pool.contoso.example';

export type PartnerProps = NonNullable<XmppFederationProps['xmppAllowedPartners']>[number];

/** A partner's settings that leave one method. */
export const EXTERNAL_ONLY = { saslNegotiation: 'Required', supportDialbackNegotiation: false } as const;
export const TLS_DIALBACK_ONLY = { saslNegotiation: 'NotSupported', supportDialbackNegotiation: true } as const;
export const TCP_DIALBACK_ONLY = {
  tlsNegotiation: 'NotSupported',
  saslNegotiation: 'NotSupported',
  supportDialbackNegotiation: true,
} as const;

export interface WorldOptions {
  /** The domains of each partner's server; one address for each. */
  readonly partners: readonly (readonly string[])[];
  /** Of these domains, the ones whose server only takes direct TLS. */
  readonly directTlsPartners?: readonly string[];
  /** Domains of ours besides {@link OUR_DOMAIN}. */
  readonly ownDomains?: readonly string[];
  readonly records?: readonly ZoneRecord[];
}

type PeerChanges = Partial<Pick<ProsodyOptions, 'certificate' | 'authorities' | 'virtualHosts'>>;

/** Names, addresses and an authority for our gateway, our pool and partners; starts the peers in them. */
export class World {
  readonly directory: string;
  readonly authority: ThrowawayCertificate;
  /** File with the authority. */
  readonly authorities: string;
  readonly dns: Dnsmasq;
  /** What {@link dns} says. */
  readonly records: readonly ZoneRecord[];
  readonly gatewayAddress: string;
  readonly poolAddress: string;
  readonly #addresses: ReadonlyMap<string, string>;

  constructor(parts: {
    readonly directory: string;
    readonly authority: ThrowawayCertificate;
    readonly authorities: string;
    readonly dns: Dnsmasq;
    readonly records: readonly ZoneRecord[];
    readonly gatewayAddress: string;
    readonly poolAddress: string;
    readonly addresses: ReadonlyMap<string, string>;
  }) {
    this.directory = parts.directory;
    this.authority = parts.authority;
    this.authorities = parts.authorities;
    this.dns = parts.dns;
    this.records = parts.records;
    this.gatewayAddress = parts.gatewayAddress;
    this.poolAddress = parts.poolAddress;
    this.#addresses = parts.addresses;
  }

  addressOf(domain: string): string {
    const address = this.#addresses.get(domain);
    if (address === undefined) throw new Error(`${domain} is no partner of this world`);
    return address;
  }

  issue(domain: string, fields: CertificateFields = {}): Promise<ThrowawayCertificate> {
    return issue(this.authority, { dnsNames: [domain], ...fields });
  }

  write(name: string, certificate: ThrowawayCertificate): Promise<CertificateFiles> {
    return writeCertificate(this.directory, name, certificate);
  }

  async prosody(scope: Scope, domain: string, mode: StreamMode, changes: PeerChanges = {}): Promise<Prosody> {
    return startProsody(scope, await this.#peer(domain, mode, changes));
  }

  async ejabberd(scope: Scope, domain: string, mode: StreamMode, changes: PeerChanges = {}): Promise<XmppPeer> {
    return startEjabberd(scope, await this.#peer(domain, mode, changes));
  }

  logIn(scope: Scope, jid: string): Promise<XmppUser> {
    const address = this.addressOf(jid.slice(jid.indexOf('@') + 1));
    return connectXmppUser(scope, { jid, password: PASSWORD, address });
  }

  /** Our SIP pool; with mutual TLS it reaches the gateway by that. */
  async pool(scope: Scope, transport: 'udp' | 'tcp' | 'tls' = 'tls', address = this.poolAddress): Promise<Kamailio> {
    const port = transport === 'tls' ? SIPS_PORT : SIP_PORT;
    const gateway = { address: this.gatewayAddress, port, transport };
    const certificate = await this.write('pool', await this.issue(POOL_FQDN));
    const tls = { certificate, authorities: this.authorities };
    return startKamailio(scope, { domain: OUR_DOMAIN, address, gateway, ...(transport === 'tls' ? { tls } : {}) });
  }

  sipUser(
    scope: Scope,
    name: string,
    pool: Pick<Kamailio, 'address'> = { address: this.poolAddress },
  ): Promise<SipUser> {
    const registrar = { address: pool.address, port: SIP_PORT };
    return connectSipUser(scope, { uri: `sip:${name}@${OUR_DOMAIN}`, address: nextAddress(), registrar });
  }

  /** @param certificates besides or instead of the ones named `default` and `sip` */
  async gateway(
    scope: Scope,
    federation: XmppFederationProps,
    certificates: Readonly<Record<string, ThrowawayCertificate>> = {},
  ): Promise<GatewayProcess> {
    return startGateway(scope, {
      address: this.gatewayAddress,
      federation,
      certificates: {
        default: await this.issue(OUR_DOMAIN),
        sip: await this.issue(`edge.${OUR_DOMAIN}`),
        ...certificates,
      },
      authorities: this.authorities,
      resolver: this.dns,
    });
  }

  /** A federation where everybody may talk to these partners, and the pool is reached by mutual TLS. */
  federation(partners: readonly PartnerProps[], changes: Partial<XmppFederationProps> = {}): XmppFederationProps {
    return {
      environment: 'e2e',
      domains: [{ domain: OUR_DOMAIN }],
      accessEdgeConfiguration: { allowFederatedUsers: true },
      xmppAllowedPartners: partners.map((partner) => ({ partnerType: 'Federated', ...partner })),
      externalAccessPolicies: [{ identity: 'global', enableFederationAccess: true, enableXmppAccess: true }],
      sip: { nextHops: [{ fqdn: POOL_FQDN }], trustedTlsNames: [POOL_FQDN], trustedAddresses: [this.poolAddress] },
      ...changes,
    };
  }

  async #peer(domain: string, mode: StreamMode, changes: PeerChanges): Promise<ProsodyOptions> {
    return {
      ...{ domain, mode, address: this.addressOf(domain), authorities: this.authorities, resolver: this.dns },
      certificate: changes.certificate ?? (await this.write(domain, await this.issue(domain))),
      users: USERS,
      ...changes,
    };
  }
}

export const PASSWORD = 'secret';
/** Who has an account at every partner. */
export const USERS = [{ localpart: 'alice', password: PASSWORD }];

export async function startWorld(scope: Scope, options: WorldOptions): Promise<World> {
  const directory = await scratchDirectory(scope);
  const authority = await createAuthority('Federation authority');
  const authorities = (await writeCertificate(directory, 'authority', authority)).certificate;
  const gatewayAddress = nextAddress();
  const poolAddress = nextAddress();
  const addresses = new Map(
    options.partners.flatMap((domains) => {
      const address = nextAddress();
      return domains.map((domain) => [domain, address]);
    }),
  );
  const records = [
    ...[OUR_DOMAIN, ...(options.ownDomains ?? [])].flatMap((domain) => xmppServerRecords(domain, gatewayAddress)),
    { type: 'A', name: POOL_FQDN, address: poolAddress } as const,
    ...Array.from(addresses, ([domain, address]) => {
      const isDirect = options.directTlsPartners?.includes(domain) === true;
      return xmppServerRecords(
        domain,
        address,
        isDirect ? { directTls: DIRECT_TLS_PORT } : { starttls: STARTTLS_PORT },
      );
    }).flat(),
    ...(options.records ?? []),
  ];
  const dns = await startDnsmasq(scope, { address: nextAddress(), records });
  return new World({ directory, authority, authorities, dns, records, gatewayAddress, poolAddress, addresses });
}
