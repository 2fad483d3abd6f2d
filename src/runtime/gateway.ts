// Over 300 lines: the composition root. Everything is wired here, and nowhere else.
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type Finding, lintFederation } from '../config/index.ts';
import { AuditLog } from './audit.ts';
import { Bridge } from './bridge.ts';
import { type BridgePolicy, type ContactList, NO_CONTACTS } from './bridge-services.ts';
import { InFlightWindow } from './in-flight-window.ts';
import { type InForce, InForceFiles } from './in-force.ts';
import { Metrics } from './metrics.ts';
import { type Endpoint, ownEndpoints } from './net/address-guard.ts';
import type { AdminServer } from './net/admin-server.ts';
import { DnsResolver } from './net/dns-resolver.ts';
import { systemDnsServers } from './net/dns-servers.ts';
import { connectToPartner, judgePartner, secureFromPartner, secureToPartner } from './net/partner-channel.ts';
import { S2sListener } from './net/s2s-listener.ts';
import { judgeSipPeer, sipTlsOptions } from './net/sip-channel.ts';
import { PoolGate } from './pool-gate.ts';
import { formatListenAddress, type HostSettings, type ListenAddress, type SipTransport } from './settings.ts';
import { SipEndpoint, type SipOutcome } from './sip-endpoint.ts';
import { effectiveSip, largestRequest, sipHost, sipListeners } from './sip-settings.ts';
import { StreamLedger } from './streams/stream-ledger.ts';
import type { StreamServices, StreamSnapshot } from './streams/stream-services.ts';
import { XmppEndpoint } from './streams/xmpp-endpoint.ts';
import { TrafficLedger } from './traffic.ts';

/** A configuration or a host that the gateway cannot run on. */
export class StartError extends Error {
  override readonly name = 'StartError';
  /** All of them at once; empty when a port cannot be listened on. */
  readonly findings: readonly Finding[];

  constructor(message: string, findings: readonly Finding[], cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.findings = findings;
  }
}

export interface GatewayOptions {
  readonly settings: HostSettings;
  readonly logger: Logger;
  /** @default nobody is listed */
  readonly contacts?: ContactList;
}

const TICK_MS = 1_000;
/** Milliseconds that partners have to close their streams once we have closed our side: what they sent until then counts. */
const LEAVE_TIMEOUT = 3_000;
/** Milliseconds for answers to partners that wait for a stream. */
const REPLY_TIMEOUT = 3_000;
/** Milliseconds for the last words on every stream. */
const FAREWELL_TIMEOUT = 6_000;
const MAX_FINDINGS_LOGGED = 20;
const NO_NEXT_HOP: SipOutcome = { status: 503, reason: 'No Next Hop Is Up', source: 'no-next-hop' };

/** One running gateway. */
export class Gateway {
  readonly #settings: HostSettings;
  readonly #logger: Logger;
  readonly #sipHost: string | undefined;
  readonly #files: InForceFiles;
  readonly #audit: AuditLog;
  readonly #traffic = new TrafficLedger();
  readonly #resolver: DnsResolver;
  readonly #services: StreamServices;
  readonly #xmpp: XmppEndpoint;
  readonly #sip: SipEndpoint;
  readonly #bridge: Bridge;
  readonly #metrics: Metrics;
  readonly #listeners: S2sListener[] = [];
  readonly #startedAt = Date.now();
  #admin: AdminServer | undefined;
  #inForce: InForce;
  #isOwn: (address: string, port: number) => boolean = () => false;
  #timer: NodeJS.Timeout | undefined;
  #reloading: Promise<boolean> | undefined;
  #nextReload: Promise<boolean> | undefined;
  #refusals = 0;
  #lastRefusal: { readonly at: number; readonly findings: readonly Finding[] } | undefined;
  #isListening = false;
  #stopping: Promise<void> | undefined;
  /** Ports as bound, for listeners on port 0. */
  readonly ports: { xmpp: number[]; xmppDirectTls: number[]; admin: number | undefined } = {
    xmpp: [],
    xmppDirectTls: [],
    admin: undefined,
  };

  /** Reads the configuration and listens. Throws `StartError`; nothing is left open then. */
  static async start(options: GatewayOptions): Promise<Gateway> {
    const { settings } = options;
    const files = new InForceFiles(settings);
    const { value: inForce, errors } = await files.load();
    if (inForce === undefined) throw new StartError('the configuration cannot be used', errors);
    const servers = settings.resolvers.length > 0 ? settings.resolvers : await systemDnsServers();
    const gateway = new Gateway(options, { files, inForce, resolver: new DnsResolver({ servers }) });
    try {
      await gateway.#listen();
    } catch (error) {
      await gateway.stop();
      throw error;
    }
    return gateway;
  }

  private constructor(
    { settings, logger, contacts = NO_CONTACTS }: GatewayOptions,
    parts: { readonly files: InForceFiles; readonly inForce: InForce; readonly resolver: DnsResolver },
  ) {
    this.#settings = settings;
    this.#logger = logger;
    this.#files = parts.files;
    this.#inForce = parts.inForce;
    this.#resolver = parts.resolver;
    const { index, dialbackSecret, tls } = parts.inForce;
    this.#sipHost = sipHost(settings, index.config.domains[0]?.domain);
    const audit = new AuditLog(logger, Date.now);
    this.#audit = audit;

    const metrics = new Metrics({
      traffic: this.#traffic,
      partnerOf: (domain) => this.#inForce.index.partnerOf(domain)?.partner.domain ?? '',
      streams: () => this.#xmpp.snapshot(),
      nextHops: () => this.#sip.health(),
      certificates: () => [...this.#inForce.tls.notAfter].map(([name, notAfter]) => ({ name, notAfter })),
      configuration: () => ({
        digest: this.#inForce.index.digest,
        environment: this.#inForce.index.config.environment,
        loadedAt: this.#inForce.loadedAt,
        refused: this.#refusals,
      }),
      underWay: () => this.#bridge.underWay,
    });
    this.#metrics = metrics;

    this.#services = {
      index,
      ledger: new StreamLedger(),
      dialbackSecret,
      now: steadyNow,
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
        metrics.onStream(event);
      },
      onStanza: (received) => this.#bridge.onStanza(received),
      onRejected: (stanza, condition, proof) => this.#bridge.onRejected(stanza, condition, proof),
    };
    this.#xmpp = new XmppEndpoint(this.#services);

    const gate = new PoolGate({
      window: new InFlightWindow(),
      send: (message, done) => this.#sip.sendMessage(message, done),
      pause: () => this.#xmpp.pause(),
      resume: () => this.#xmpp.resume(),
      now: () => performance.now(),
    });
    const messageIdStart = randomBytes(6).toString('base64url');
    let messageIds = 0;
    this.#bridge = new Bridge(this.#bridgePolicy(parts.inForce), {
      contacts,
      traffic: this.#traffic,
      now: steadyNow,
      newId: () => `${messageIdStart}-${(++messageIds).toString(36)}`,
      sendToPartner: (localDomain, remoteDomain, xml, done) => this.#xmpp.send(localDomain, remoteDomain, xml, done),
      sendToPool: (message, done) => gate.send(message, done),
      // One that was not tried yet takes messages: they wait for its connection.
      poolOutage: () =>
        this.#sip.health().every(({ healthy, reason }) => !healthy && reason !== '') ? NO_NEXT_HOP : undefined,
      observe: (event) => {
        audit.onBridge(event);
        metrics.onBridge(event);
      },
    });

    this.#sip = new SipEndpoint({
      sip: effectiveSip(index.config.sip, settings),
      onMessage: (message, _peer, answer) => {
        // Another gateway may take it: that is what 503 tells the pool.
        if (this.#stopping !== undefined) answer(503, 'Shutting Down');
        else this.#bridge.onPoolMessage(message, answer);
      },
      observe: (event) => {
        audit.onSip(event);
        metrics.onSip(event);
      },
      listen: sipListeners(settings),
      ...(this.#sipHost === undefined ? {} : { host: this.#sipHost }),
      tls: sipTlsOptions(tls, this.#sipCertificate(parts.inForce)),
      judgePeer: (socket) => judgeSipPeer(socket, this.#inForce.tls.defaultTrust, Date.now()),
      resolver: this.#resolver,
      drainTimeout: settings.drainTimeout,
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

  // -- listening -----------------------------------------------------------------------------------------------------

  async #listen(): Promise<void> {
    const { xmppListen, xmppDirectTlsListen, sipListen, adminListen } = this.#settings;
    const own: Endpoint[] = [];
    for (const address of xmppListen) this.ports.xmpp.push(await this.#listenForStreams(address, false, own));
    for (const address of xmppDirectTlsListen) {
      this.ports.xmppDirectTls.push(await this.#listenForStreams(address, true, own));
    }
    this.#isOwn = ownEndpoints(own);
    await this.#sip.start().catch(cannotListen('SIP'));
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    if (adminListen !== undefined) {
      // Loaded after the ports that count are open: HTTP is a large part of Node.
      const { AdminServer } = await import('./net/admin-server.ts');
      this.#admin = new AdminServer({
        metrics: () => this.#metrics.render(),
        status: () => this.status(),
        unreadiness: () => this.#unreadiness(),
      });
      const place = `admin ${formatListenAddress(adminListen)}`;
      this.ports.admin = await this.#admin.listen(adminListen).catch(cannotListen(place));
    }
    this.#isListening = true;
    this.#logInForce('configuration in force');
    const sip = sipListen.map(({ transport }) => `${transport}:${this.sipPort(transport)}`);
    this.#logger.info({ event: 'listening', ...this.ports, sip }, 'listening');
  }

  async #listenForStreams(address: ListenAddress, isDirectTls: boolean, own: Endpoint[]): Promise<number> {
    const listener = new S2sListener((socket) => this.#xmpp.accept(socket, isDirectTls));
    const { port } = await listener.listen(address).catch(cannotListen(`XMPP ${formatListenAddress(address)}`));
    this.#listeners.push(listener);
    own.push({ address: address.address ?? '0.0.0.0', port });
    return port;
  }

  #bridgePolicy({ index }: InForce): BridgePolicy {
    const sip = effectiveSip(index.config.sip, this.#settings);
    return { index, maxRequestBytes: largestRequest(sip, this.#sipHost) };
  }

  #sipCertificate({ index }: InForce): string {
    return this.#settings.sipCertificate ?? index.config.domains[0]?.certificate ?? '';
  }

  // -- reload --------------------------------------------------------------------------------------------------------

  #tick(): void {
    try {
      this.#xmpp.tick(steadyNow());
      this.#audit.tick();
    } catch (error) {
      // A bug of ours that costs one tick, not the gateway.
      this.#logger.error({ event: 'tick-failed', detail: detailOf(error) }, 'tick failed');
    }
    if (this.#reloading === undefined && this.#stopping === undefined) void this.#reloadIfChanged();
  }

  async #reloadIfChanged(): Promise<void> {
    if (await this.#files.hasChanged()) await this.reload();
  }

  /**
   * Reads configuration, certificates and secrets again and puts them in force together, or refuses them together and
   * keeps the old ones. Resolves with whether they are in force. Never rejects.
   */
  reload(): Promise<boolean> {
    // One that has begun may have read the old files: who asks now gets the next one, together with all who ask until then.
    this.#nextReload ??= (this.#reloading ?? Promise.resolve()).then(async () => {
      this.#reloading = this.#nextReload;
      this.#nextReload = undefined;
      const isInForce = await this.#reload();
      this.#reloading = undefined;
      return isInForce;
    });
    return this.#nextReload;
  }

  async #reload(): Promise<boolean> {
    try {
      const { value, errors } = await this.#files.load(this.#inForce);
      if (this.#stopping !== undefined) return false;
      if (value !== undefined) this.#apply(value);
      if (errors.length === 0) {
        this.#lastRefusal = undefined;
        this.#logInForce('configuration reloaded');
        return true;
      }
      this.#refuse(errors);
    } catch (error) {
      this.#refuse([{ rule: 'not-applicable', severity: 'error', path: '', message: detailOf(error) }]);
    }
    return false;
  }

  #refuse(findings: readonly Finding[]): void {
    this.#refusals += 1;
    this.#lastRefusal = { at: Date.now(), findings: findings.slice(0, MAX_FINDINGS_LOGGED) };
    const fields = { digest: this.digest, findings: this.#lastRefusal.findings, count: findings.length };
    this.#logger.error({ event: 'configuration-refused', ...fields }, 'configuration refused, the old one stays');
  }

  #apply(next: InForce): void {
    const { index, tls, dialbackSecret } = next;
    const isNewTls = tls !== this.#inForce.tls;
    // The one step that may fail comes first, and changes nothing when it does. The same certificates keep their connections.
    this.#sip.reconfigure(
      effectiveSip(index.config.sip, this.#settings),
      isNewTls ? sipTlsOptions(tls, this.#sipCertificate(next)) : undefined,
    );
    this.#inForce = next;
    this.#services.dialbackSecret = dialbackSecret;
    this.#bridge.apply(this.#bridgePolicy(next));
    this.#xmpp.apply(index);
    this.#traffic.retain((domain) => index.partnerOf(domain) !== undefined);
  }

  #logInForce(message: string): void {
    const { index, tls } = this.#inForce;
    const { environment, domains, xmppAllowedPartners } = index.config;
    const fields = { environment, domains: domains.map(({ domain }) => domain), partners: xmppAllowedPartners.length };
    this.#logger.info({ event: 'configuration-in-force', digest: index.digest, ...fields }, message);
    const warnings = [...lintFederation(index.config), ...tls.findings];
    for (const { rule, path, message: text } of warnings.slice(0, MAX_FINDINGS_LOGGED)) {
      this.#logger.warn({ event: 'configuration-warning', rule, path }, text);
    }
    const count = warnings.length - MAX_FINDINGS_LOGGED;
    if (count > 0) this.#logger.warn({ event: 'configuration-warning', count }, 'more warnings: see the check command');
  }

  // -- for operators -------------------------------------------------------------------------------------------------

  /** What the admin listener shows. */
  status(): object {
    const { index, tls, loadedAt } = this.#inForce;
    const refusal = this.#lastRefusal;
    return {
      digest: index.digest,
      environment: index.config.environment,
      configurationLoadedAt: isoTime(loadedAt),
      configurationsRefused: this.#refusals,
      /** Why what is in the files is not in force; null when it is. */
      configurationRefused: refusal === undefined ? null : { at: isoTime(refusal.at), findings: refusal.findings },
      startedAt: isoTime(this.#startedAt),
      ready: this.#unreadiness() === undefined,
      messagesUnderWay: this.#bridge.underWay,
      nextHops: this.#sip.health().map(({ nextHop, healthy, reason }) => ({ nextHop, healthy, reason })),
      certificates: [...tls.notAfter].map(([name, notAfter]) => ({ name, notAfter: isoTime(notAfter) })),
      streams: this.#xmpp.snapshot(),
    };
  }

  #unreadiness(): string | undefined {
    if (this.#stopping !== undefined) return 'stopping';
    return this.#isListening ? undefined : 'starting';
  }

  // -- the end -------------------------------------------------------------------------------------------------------

  /** Takes nothing new, brings what was accepted to its end, closes the streams. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    if (this.#isListening) this.#logger.info({ event: 'stopping' }, 'stopping');
    for (const listener of this.#listeners) listener.close();
    this.#xmpp.shutdownInbound();
    await waitWhile(() => this.#xmpp.isLeaving, LEAVE_TIMEOUT);
    this.#xmpp.shutdownInbound();
    // Answers of the pool that are still due become errors to partners: the streams to them go last.
    await this.#sip.stop();
    await waitWhile(() => this.#bridge.waitingReplies > 0, REPLY_TIMEOUT);
    this.#xmpp.shutdownOutbound();
    await waitWhile(() => this.#services.ledger.total > 0, FAREWELL_TIMEOUT);
    clearInterval(this.#timer);
    await this.#admin?.close();
    this.#resolver.close();
    this.#audit.tick();
    if (this.#isListening) this.#logger.info({ event: 'stopped' }, 'stopped');
  }
}

const STARTED_AT = performance.timeOrigin;

/** Milliseconds since 1970 by a clock that nobody sets: time-outs do not all end at once because it was wrong before. */
function steadyNow(): number {
  return STARTED_AT + performance.now();
}

async function waitWhile(isSo: () => boolean, milliseconds: number): Promise<void> {
  for (let waited = 0; isSo() && waited < milliseconds; waited += 20) await delay(20);
}

function cannotListen(place: string): (cause: unknown) => never {
  return (cause) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StartError(`cannot listen for ${place}: ${reason}`, [], cause);
  };
}

function detailOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
