// Long because: the composition root. Everything is wired here, and nowhere else.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type FederationConfig, type Finding, lintFederation, type SipConfiguration } from '../config/index.ts';
import { type FederationIndex, indexFederation } from '../policy/index.ts';
import { AuditLog } from './audit.ts';
import { Bridge, type ContactList, NO_CONTACTS } from './bridge.ts';
import { ConfigurationSource } from './configuration-source.ts';
import { InFlightWindow } from './in-flight-window.ts';
import { Metrics } from './metrics.ts';
import { ownEndpoints } from './net/address-guard.ts';
import { AdminServer } from './net/admin-server.ts';
import { DnsResolver } from './net/dns-resolver.ts';
import { parseDnsServer, systemDnsServers } from './net/dns-servers.ts';
import { connectToPartner, judgePartner, secureFromPartner, secureToPartner } from './net/partner-channel.ts';
import { S2sListener } from './net/s2s-listener.ts';
import { judgeSipPeer, sipTlsOptions } from './net/sip-channel.ts';
import { TlsFiles, type TlsGeneration, type TlsReferences } from './net/tls-files.ts';
import type { HostSettings, ListenAddress, SipTransport } from './settings.ts';
import { SipEndpoint, type SipOutcome } from './sip-endpoint.ts';
import { StreamLedger } from './streams/stream-ledger.ts';
import type { StreamServices, StreamSnapshot } from './streams/stream-services.ts';
import { XmppEndpoint } from './streams/xmpp-endpoint.ts';
import { TrafficLedger } from './traffic.ts';

/** A configuration or a host that the gateway cannot run on. */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly findings: readonly Finding[];

  constructor(message: string, findings: readonly Finding[]) {
    super(message);
    this.findings = findings;
  }
}

export interface GatewayOptions {
  readonly settings: HostSettings;
  readonly logger: Logger;
  /** @default nobody is listed */
  readonly contacts?: ContactList;
}

/** What is in force together; a reload replaces it whole. */
interface InForce {
  readonly index: FederationIndex;
  readonly tls: TlsGeneration;
  readonly dialbackSecret: string;
  /** Milliseconds since 1970. */
  readonly loadedAt: number;
}

const TICK_MS = 1_000;
/** Seconds that what was accepted has to reach its end when the gateway stops. */
const DRAIN_TIMEOUT = 10;
const UDP_REQUEST_LIMIT = 1_300;

/** One running gateway. */
export class Gateway {
  readonly #settings: HostSettings;
  readonly #logger: Logger;
  readonly #source: ConfigurationSource;
  readonly #tlsFiles: TlsFiles;
  readonly #traffic = new TrafficLedger();
  readonly #resolver: DnsResolver;
  readonly #services: StreamServices;
  readonly #xmpp: XmppEndpoint;
  readonly #sip: SipEndpoint;
  readonly #bridge: Bridge;
  readonly #metrics: Metrics;
  readonly #listeners: S2sListener[] = [];
  readonly #startedAt = Date.now();
  readonly #ownSecret: string;
  #admin: AdminServer | undefined;
  #inForce: InForce;
  #isOwn: (address: string, port: number) => boolean = () => false;
  #timer: NodeJS.Timeout | undefined;
  #reloading: Promise<boolean> | undefined;
  #refusedConfigurations = 0;
  #isListening = false;
  #stopping: Promise<void> | undefined;
  readonly #window = new InFlightWindow();
  #isPaused = false;
  /** Ports as bound, for listeners on port 0. */
  readonly ports: { xmpp: number[]; xmppDirectTls: number[]; admin: number | undefined } = {
    xmpp: [],
    xmppDirectTls: [],
    admin: undefined,
  };

  /** Reads the configuration and listens. Throws `StartError` with all findings, or the error of a listener. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const { settings } = options;
    const source = new ConfigurationSource(settings.configFile);
    const tlsFiles = new TlsFiles({ directory: settings.certificatesFolder, caFile: settings.caFile });
    const ownSecret = randomBytes(32).toString('hex');
    const inForce = await load(source, tlsFiles, settings, ownSecret);
    if ('findings' in inForce) throw new StartError('the configuration cannot be used', inForce.findings);
    const servers = settings.resolvers.flatMap((text) => parseDnsServer(text) ?? []);
    const resolver = new DnsResolver({ servers: servers.length > 0 ? servers : await systemDnsServers() });
    const gateway = new Gateway(options, { source, tlsFiles, ownSecret, inForce, resolver });
    await gateway.#listen();
    return gateway;
  }

  private constructor(
    { settings, logger, contacts = NO_CONTACTS }: GatewayOptions,
    parts: {
      readonly source: ConfigurationSource;
      readonly tlsFiles: TlsFiles;
      readonly ownSecret: string;
      readonly inForce: InForce;
      readonly resolver: DnsResolver;
    },
  ) {
    this.#settings = settings;
    this.#logger = logger;
    this.#source = parts.source;
    this.#tlsFiles = parts.tlsFiles;
    this.#ownSecret = parts.ownSecret;
    this.#inForce = parts.inForce;
    this.#resolver = parts.resolver;
    const audit = new AuditLog(logger, Date.now);
    const { index, dialbackSecret } = parts.inForce;

    this.#metrics = new Metrics({
      traffic: this.#traffic,
      streams: () => this.#xmpp.snapshot(),
      nextHops: () => this.#sip.health(),
      certificates: () => [...this.#inForce.tls.notAfter].map(([name, notAfter]) => ({ name, notAfter })),
      configuration: () => ({
        digest: this.#inForce.index.digest,
        environment: this.#inForce.index.config.environment,
        loadedAt: this.#inForce.loadedAt,
        refused: this.#refusedConfigurations,
      }),
      underWay: () => this.#bridge.underWay,
    });
    this.#services = {
      index,
      ledger: new StreamLedger(),
      dialbackSecret,
      now: Date.now,
      newId: () => randomBytes(12).toString('base64url'),
      random: Math.random,
      secureServer: (socket, localDomain) => secureFromPartner(socket, localDomain, this.#inForce),
      secureClient: (socket, localDomain, remoteDomain, isDirect) =>
        secureToPartner(socket, localDomain, remoteDomain, isDirect, this.#inForce),
      judge: (chain, remoteDomain) => judgePartner(chain, remoteDomain, this.#inForce, Date.now()),
      connect: (remoteDomain, partner, signal) =>
        connectToPartner(remoteDomain, partner, {
          resolver: this.#resolver,
          allowPrivateAddresses: settings.allowPrivateAddresses,
          outboundAddress: settings.outboundAddress,
          timeoutMs: this.#inForce.index.config.xmppGatewayConfiguration.streamEstablishmentTimeout * 1_000,
          isOwn: this.#isOwn,
          signal,
        }),
      observe: (event) => {
        audit.onStream(event);
        this.#metrics.onStream(event);
      },
      onStanza: (received) => this.#bridge.onStanza(received),
      onRejected: (stanza, condition, proof) => this.#bridge.onRejected(stanza, condition, proof),
    };
    this.#xmpp = new XmppEndpoint(this.#services);

    const messageIdStart = randomBytes(6).toString('base64url');
    let messageIds = 0;
    const sip = effectiveSip(index.config, settings);
    this.#bridge = new Bridge(index, {
      contacts,
      traffic: this.#traffic,
      maxRequestBytes: sip.nextHops.some(({ transport }) => transport === 'udp') ? UDP_REQUEST_LIMIT : undefined,
      now: Date.now,
      newId: () => `${messageIdStart}-${(++messageIds).toString(36)}`,
      sendToPartner: (localDomain, remoteDomain, xml, done) => this.#xmpp.send(localDomain, remoteDomain, xml, done),
      sendToPool: (message, done) => this.#sendToPool(message, done),
      poolOutage: () => (this.#sip.health().some(({ healthy }) => healthy) ? undefined : NO_NEXT_HOP),
      observe: (event) => audit.onBridge(event),
    });
    this.#sip = new SipEndpoint({
      sip,
      onMessage: (message, _peer, answer) => this.#bridge.onPoolMessage(message, answer),
      observe: (event) => {
        audit.onSip(event);
        this.#metrics.onSip(event);
      },
      listen: settings.sipListen.map(({ transport, address, port }) => ({
        transport,
        address: address ?? '0.0.0.0',
        port,
      })),
      ...(settings.sipHost === undefined ? {} : { host: settings.sipHost }),
      tls: sipTlsOptions(parts.inForce.tls, sipCertificateName(index.config, settings)),
      judgePeer: (socket) => judgeSipPeer(socket, this.#inForce.tls.defaultTrust, Date.now()),
      resolver: this.#resolver,
      drainTimeout: DRAIN_TIMEOUT,
    });
  }

  get digest(): string {
    return this.#inForce.index.digest;
  }

  streams(): readonly StreamSnapshot[] {
    return this.#xmpp.snapshot();
  }

  nextHops(): ReturnType<SipEndpoint['health']> {
    return this.#sip.health();
  }

  sipPort(transport: SipTransport): number | undefined {
    return this.#sip.port(transport);
  }

  async #listen(): Promise<void> {
    const { xmppListen, xmppDirectTlsListen, adminListen } = this.#settings;
    const own: { address: string; port: number }[] = [];
    const listen = async (
      addresses: readonly ListenAddress[],
      isDirectTls: boolean,
      ports: number[],
    ): Promise<void> => {
      for (const address of addresses) {
        const listener = new S2sListener((socket) => this.#xmpp.accept(socket, isDirectTls));
        const bound = await listener.listen(address);
        this.#listeners.push(listener);
        own.push({ address: bound.address ?? '0.0.0.0', port: bound.port });
        ports.push(bound.port);
      }
    };
    try {
      await listen(xmppListen, false, this.ports.xmpp);
      await listen(xmppDirectTlsListen, true, this.ports.xmppDirectTls);
      this.#isOwn = ownEndpoints(own);
      await this.#sip.start();
      if (adminListen !== undefined) {
        this.#admin = new AdminServer({
          metrics: () => this.#metrics.render(),
          status: () => this.status(),
          unreadiness: () => this.#unreadiness(),
        });
        this.ports.admin = await this.#admin.listen(adminListen);
      }
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#isListening = true;
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#logInForce('configuration in force');
    const ports = {
      ...this.ports,
      sip: this.#settings.sipListen.map(({ transport }) => `${transport}:${this.sipPort(transport)}`),
    };
    this.#logger.info({ event: 'listening', ...ports }, 'listening');
  }

  #sendToPool(message: Parameters<SipEndpoint['sendMessage']>[0], done: (outcome: SipOutcome) => void): void {
    const sentAt = this.#window.isSampleDue() ? performance.now() : 0;
    this.#sip.sendMessage(message, (outcome) => {
      done(outcome);
      if (sentAt > 0 && outcome.source === 'response') this.#window.sample(performance.now() - sentAt, performance.now());
      if (this.#isPaused && this.#bridge.underWay <= this.#window.limit / 2) {
        this.#isPaused = false;
        this.#xmpp.resume();
      }
    });
    if (!this.#isPaused && this.#bridge.underWay >= this.#window.limit) {
      this.#isPaused = true;
      this.#xmpp.pause();
    }
  }

  #tick(): void {
    this.#xmpp.tick(Date.now());
    if (this.#reloading === undefined && this.#stopping === undefined) void this.#reloadIfChanged();
  }

  async #reloadIfChanged(): Promise<void> {
    const [isNewConfiguration, isNewTls] = await Promise.all([this.#source.hasChanged(), this.#tlsFiles.hasChanged()]);
    if (isNewConfiguration || isNewTls) await this.reload();
  }

  /**
   * Reads configuration, certificates and secrets again and puts them in force together, or refuses them together and
   * keeps the old ones. Resolves with whether they are in force. Never rejects.
   */
  reload(): Promise<boolean> {
    this.#reloading ??= this.#reload().finally(() => {
      this.#reloading = undefined;
    });
    return this.#reloading;
  }

  async #reload(): Promise<boolean> {
    const next = await load(this.#source, this.#tlsFiles, this.#settings, this.#ownSecret);
    if (!('findings' in next)) {
      try {
        this.#apply(next);
        this.#logInForce('configuration reloaded');
        return true;
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        return this.#refuse([{ rule: 'not-applicable', severity: 'error', path: '', message }]);
      }
    }
    return this.#refuse(next.findings);
  }

  #refuse(findings: readonly Finding[]): false {
    this.#refusedConfigurations += 1;
    this.#logger.error(
      { event: 'configuration-refused', digest: this.digest, findings: findings.slice(0, 20), count: findings.length },
      'configuration refused, the old one stays in force',
    );
    return false;
  }

  #apply(next: InForce): void {
    const { index, tls, dialbackSecret } = next;
    const isNewTls = tls !== this.#inForce.tls;
    // The one step that may fail comes first, and changes nothing when it does.
    this.#sip.reconfigure(
      effectiveSip(index.config, this.#settings),
      isNewTls ? sipTlsOptions(tls, sipCertificateName(index.config, this.#settings)) : undefined,
    );
    this.#inForce = next;
    this.#services.dialbackSecret = dialbackSecret;
    this.#bridge.index = index;
    this.#xmpp.apply(index);
    this.#traffic.retain((domain) => index.partnerOf(domain) !== undefined);
  }

  #logInForce(message: string): void {
    const { index, tls } = this.#inForce;
    const { environment, domains, xmppAllowedPartners } = index.config;
    const fields = { environment, domains: domains.map(({ domain }) => domain), partners: xmppAllowedPartners.length };
    this.#logger.info({ event: 'configuration-in-force', digest: index.digest, ...fields }, message);
    for (const { rule, path, message: text } of [...lintFederation(index.config), ...tls.findings]) {
      this.#logger.warn({ event: 'configuration-warning', rule, path }, text);
    }
  }

  /** What the admin listener shows. */
  status(): object {
    const { index, tls, loadedAt } = this.#inForce;
    return {
      digest: index.digest,
      environment: index.config.environment,
      configurationLoadedAt: new Date(loadedAt).toISOString(),
      configurationsRefused: this.#refusedConfigurations,
      startedAt: new Date(this.#startedAt).toISOString(),
      ready: this.#unreadiness() === undefined,
      messagesUnderWay: this.#bridge.underWay,
      nextHops: this.#sip.health().map(({ nextHop, healthy, reason }) => ({ nextHop, healthy, reason })),
      certificates: [...tls.notAfter].map(([name, notAfter]) => ({ name, notAfter: new Date(notAfter).toISOString() })),
      streams: this.#xmpp.snapshot(),
    };
  }

  #unreadiness(): string | undefined {
    if (this.#stopping !== undefined) return 'stopping';
    return this.#isListening ? undefined : 'starting';
  }

  /** Takes nothing new, brings what was accepted to its end, closes the streams. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#logger.info({ event: 'stopping' }, 'stopping');
    for (const listener of this.#listeners) listener.close();
    this.#xmpp.shutdownInbound();
    // Answers of the pool that are still due become errors to partners: the streams to them go last.
    await this.#sip.stop();
    this.#xmpp.shutdownOutbound();
    clearInterval(this.#timer);
    await this.#admin?.close();
    this.#resolver.close();
    this.#logger.info({ event: 'stopped' }, 'stopped');
  }
}

const NO_NEXT_HOP: SipOutcome = { status: 503, reason: 'No Next Hop Is Up', source: 'no-next-hop' };

async function load(
  source: ConfigurationSource,
  tlsFiles: TlsFiles,
  settings: HostSettings,
  ownSecret: string,
): Promise<InForce | { readonly findings: readonly Finding[] }> {
  const read = await source.read();
  if (!read.ok) return { findings: read.errors };
  const config = read.value;
  const now = Date.now();
  const tls = await tlsFiles.load(tlsReferences(config, settings), now);
  if (!tls.ok) return { findings: tls.errors };
  const dialbackSecret = await readSecret(settings, config.xmppGatewayConfiguration.dialbackPassphrase, ownSecret);
  if (typeof dialbackSecret !== 'string') return { findings: [dialbackSecret] };
  return { index: indexFederation(config), tls: tls.value, dialbackSecret, loadedAt: now };
}

function tlsReferences(config: FederationConfig, settings: HostSettings): TlsReferences {
  const { sipCertificate } = settings;
  const anchors = config.xmppAllowedPartners.flatMap(({ trustAnchors }) =>
    trustAnchors.flatMap((anchor) => ('certificate' in anchor ? [anchor.certificate] : [])),
  );
  return { domains: config.domains, certificates: sipCertificate === undefined ? [] : [sipCertificate], anchors };
}

function sipCertificateName(config: FederationConfig, settings: HostSettings): string {
  return settings.sipCertificate ?? config.domains[0]?.certificate ?? '';
}

/** A secret by name. Without a folder for secrets the gateway is alone, and one made up by this process will do. */
async function readSecret({ secretsFolder }: HostSettings, name: string, own: string): Promise<string | Finding> {
  if (secretsFolder === undefined) return own;
  const path = 'xmppGatewayConfiguration.dialbackPassphrase';
  try {
    const secret = (await readFile(join(secretsFolder, name), 'utf8')).trim();
    if (secret.length >= 16) return secret;
    return {
      rule: 'weak-secret',
      severity: 'error',
      path,
      message: `expected at least 16 characters in the secret ${name}`,
    };
  } catch (error) {
    const cause = error instanceof Error && 'code' in error ? String(error.code) : 'an error';
    return {
      rule: 'unreadable-secret',
      severity: 'error',
      path,
      message: `expected a readable secret ${name}, got ${cause}`,
    };
  }
}

function effectiveSip(config: FederationConfig, { sipNextHops }: HostSettings): SipConfiguration {
  if (sipNextHops.length === 0) return config.sip;
  const nextHops = sipNextHops.map((hop, i) => ({ ...hop, priority: 10 * (i + 1), weight: 10, useSrv: false }));
  return { ...config.sip, nextHops };
}
