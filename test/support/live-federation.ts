import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { PartnerStandIn } from '../../examples/quickstart/partner-stand-in.ts';
import type { FederationConfigProps, XmppAllowedPartnerProps } from '../../src/config/index.ts';
import { createLogger, DEFAULT_SETTINGS, Gateway, type HostSettings } from '../../src/runtime/index.ts';
import { DnsResolver } from '../../src/runtime/net/dns-resolver.ts';
import { DnsServer, type ZoneRecord } from '../../src/runtime/net/dns-server.ts';
import {
  type CertificateFields,
  createAuthority,
  issue,
  selfSigned,
  type ThrowawayCertificate,
  temporaryDirectory,
  writeCertificate,
} from './certificates.ts';
import { EventQueue } from './event-queue.ts';
import { sampleProps } from './federations.ts';
import { SipPool } from './sip-pool.ts';

export const GATEWAY_FQDN = 'edge1.contoso.com';
export const POOL_FQDN = 'pool.contoso.com';

export type LogLine = Record<string, unknown> & { readonly event?: string };

/** A gateway in this process, and what it logs. */
export interface LiveGateway {
  readonly gateway: Gateway;
  readonly log: EventQueue<LogLine>;
}

/** Everything around a gateway on loopback addresses: names, certificates, partners, a pool. Gone when the test ends. */
export class LiveFederation {
  readonly folder: string;
  readonly authority: ThrowawayCertificate;
  readonly pool: SipPool;
  readonly dns: DnsServer;
  readonly #test: TestContext;
  readonly #resolver: DnsResolver;
  readonly #records = new Map<string, readonly ZoneRecord[]>();
  readonly #ports = new Map<string, number>();

  /** A folder with certificates for contoso.com, a name server, and a pool that takes every message. */
  static async create(t: TestContext): Promise<LiveFederation> {
    const folder = await temporaryDirectory(t);
    const authority = await createAuthority('Test authority');
    const dns = await DnsServer.start({ origins: ['com'], records: [], negativeTtl: 0 });
    const resolver = new DnsResolver({ servers: [dns.address] });
    const certificate = await issue(authority, { dnsNames: [POOL_FQDN] });
    const pool = new SipPool({ fqdn: POOL_FQDN, gatewayFqdn: GATEWAY_FQDN, certificate, authority, resolver });
    const live = new LiveFederation(t, { folder, authority, dns, resolver, pool });
    await mkdir(live.certificatesFolder);
    await writeFile(live.caFile, authority.certificatePem);
    await live.certify('default', { dnsNames: ['contoso.com', GATEWAY_FQDN] });
    await pool.start();
    t.after(async () => {
      await pool.stop();
      resolver.close();
      await dns.close();
    });
    for (const host of [GATEWAY_FQDN, POOL_FQDN]) live.#address(host);
    return live;
  }

  private constructor(
    t: TestContext,
    parts: Pick<LiveFederation, 'folder' | 'authority' | 'dns' | 'pool'> & { readonly resolver: DnsResolver },
  ) {
    this.#test = t;
    this.folder = parts.folder;
    this.authority = parts.authority;
    this.dns = parts.dns;
    this.pool = parts.pool;
    this.#resolver = parts.resolver;
  }

  get certificatesFolder(): string {
    return join(this.folder, 'certificates');
  }

  get caFile(): string {
    return join(this.folder, 'ca.pem');
  }

  get federationFile(): string {
    return join(this.folder, 'federation.json');
  }

  /** Writes a certificate of ours. */
  async certify(name: string, fields: CertificateFields): Promise<ThrowawayCertificate> {
    const certificate = await issue(this.authority, fields);
    await writeCertificate(this.certificatesFolder, name, certificate);
    return certificate;
  }

  /** The sample federation with these changes, which the pool may send to. */
  async declare(changes: Partial<FederationConfigProps> = {}): Promise<void> {
    const sip = { nextHops: [{ fqdn: POOL_FQDN }], trustedTlsNames: [POOL_FQDN] };
    await writeFile(this.federationFile, JSON.stringify(sampleProps({ sip, ...changes })));
  }

  settings(changes: Partial<HostSettings> = {}): HostSettings {
    return {
      ...DEFAULT_SETTINGS,
      configFile: this.federationFile,
      certificatesFolder: this.certificatesFolder,
      caFile: this.caFile,
      xmppListen: [{ address: '127.0.0.1', port: 0 }],
      sipListen: [{ transport: 'tls', address: '127.0.0.1', port: 0 }],
      sipNextHops: [{ transport: 'tls', fqdn: POOL_FQDN, port: this.pool.port }],
      sipHost: GATEWAY_FQDN,
      resolvers: [this.dns.address],
      adminListen: undefined,
      allowPrivateAddresses: true,
      ...changes,
    };
  }

  /** Starts a gateway, tells DNS and the pool where it is, and waits until it and the pool know each other. */
  async start(changes: Partial<HostSettings> = {}): Promise<LiveGateway> {
    const log = new EventQueue<LogLine>('log');
    const logger = createLogger('debug', { write: (line) => log.push(JSON.parse(line)) });
    const gateway = await Gateway.start({ settings: this.settings(changes), logger });
    this.#test.after(() => gateway.stop());
    this.serve('contoso.com', { starttls: gateway.ports.xmpp[0], directTls: gateway.ports.xmppDirectTls[0] });
    await this.pool.useGateway(gateway.sipPort('tls') ?? 0);
    await log.next(({ event }) => event === 'sip-next-hop-up');
    return { gateway, log };
  }

  /** Says in DNS where a domain's server is. */
  serve(
    domain: string,
    ports: { readonly starttls?: number | undefined; readonly directTls?: number | undefined },
  ): void {
    const records: ZoneRecord[] = [{ name: `xmpp.${domain}`, type: 'A', data: '127.0.0.1' }];
    for (const [service, port] of [
      ['_xmpp-server', ports.starttls],
      ['_xmpps-server', ports.directTls],
    ] as const) {
      if (port === undefined) continue;
      const data = { target: `xmpp.${domain}`, port, priority: 10, weight: 10 };
      records.push({ name: `${service}._tcp.${domain}`, type: 'SRV', data });
    }
    this.#publish(domain, records);
  }

  /**
   * Starts a partner's server. By default a certificate of the authority proves its domain; a self-signed one leaves
   * that to dialback.
   */
  async partner(
    domain: string,
    {
      isSelfSigned = false,
      towards = 'contoso.com',
    }: { readonly isSelfSigned?: boolean; readonly towards?: string } = {},
  ): Promise<PartnerStandIn> {
    const fields = { dnsNames: [domain] };
    const certificate = isSelfSigned ? await selfSigned(fields) : await issue(this.authority, fields);
    await writeCertificate(this.folder, domain, certificate);
    const terms: XmppAllowedPartnerProps = {
      domain: towards,
      partnerType: 'Federated',
      saslNegotiation: isSelfSigned ? 'Optional' : 'Required',
      supportDialbackNegotiation: isSelfSigned,
    };
    const partner = await PartnerStandIn.create({
      config: sampleProps({ domains: [{ domain, certificate: domain }], xmppAllowedPartners: [terms], grants: [] }),
      certificatesFolder: this.folder,
      caFile: this.caFile,
      resolver: this.#resolver,
    });
    this.#ports.set(domain, await partner.listen());
    this.serve(domain, { starttls: this.portOf(domain) });
    this.#test.after(() => partner.stop());
    return partner;
  }

  /** Where a partner's server listens. */
  portOf(domain: string): number {
    return this.#ports.get(domain) ?? 0;
  }

  #address(host: string): void {
    this.#publish(host, [{ name: host, type: 'A', data: '127.0.0.1' }]);
  }

  #publish(key: string, records: readonly ZoneRecord[]): void {
    this.#records.set(key, records);
    this.dns.replaceZone({ origins: ['com'], records: [...this.#records.values()].flat(), negativeTtl: 0 });
  }
}
