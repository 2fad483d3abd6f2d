import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { FederationConfigProps, XmppGatewayConfigurationProps } from '../../src/config/index.ts';
import { type FederationIndex, indexFederation } from '../../src/policy/index.ts';
import { judgePartner, secureFromPartner, secureToPartner } from '../../src/runtime/net/partner-channel.ts';
import { S2sListener } from '../../src/runtime/net/s2s-listener.ts';
import { TlsGeneration } from '../../src/runtime/net/tls-generation.ts';
import { tlsContext } from '../../src/runtime/net/tls-secure.ts';
import { readCertificate } from '../../src/runtime/pki/certificate.ts';
import type { RouteFailure } from '../../src/runtime/streams/route-failure.ts';
import { StreamLedger } from '../../src/runtime/streams/stream-ledger.ts';
import type {
  Dialled,
  ReceivedStanza,
  StreamObservation,
  StreamServices,
} from '../../src/runtime/streams/stream-services.ts';
import { XmppEndpoint } from '../../src/runtime/streams/xmpp-endpoint.ts';
import { type ThrowawayCertificate, x509 } from './certificates.ts';
import { sampleFederation } from './federations.ts';

type Partners = NonNullable<FederationConfigProps['xmppAllowedPartners']>;

export interface SiteOptions {
  /** The domains it serves. */
  readonly domains: readonly string[];
  readonly partners: Partners;
  readonly gateway?: XmppGatewayConfigurationProps;
  readonly certificate: ThrowawayCertificate;
  /** Whom it trusts. */
  readonly authority: ThrowawayCertificate;
}

/** Where a domain's server listens. */
interface Road {
  readonly port: number;
  readonly isDirectTls: boolean;
}

const PATIENCE = 10_000;

/** One end of a federation on loopback: an endpoint with its listeners, a clock of its own, and a record of what it saw. */
export class Site {
  readonly endpoint: XmppEndpoint;
  readonly services: StreamServices;
  readonly observed: StreamObservation[] = [];
  readonly stanzas: ReceivedStanza[] = [];
  /** Connections that were asked for, by domain. */
  readonly dialled: string[] = [];
  /** Milliseconds since 1970; moved by {@link advance} alone. */
  now = Date.UTC(2026, 0, 1);
  port = 0;
  directPort = 0;
  readonly #options: SiteOptions;
  readonly #tls: TlsGeneration;
  readonly #roads = new Map<string, Road>();
  #wake: (() => void)[] = [];
  #ids = 0;

  static async start(context: Pick<TestContext, 'after'>, options: SiteOptions): Promise<Site> {
    const site = new Site(options);
    const sockets = new Set<Socket>();
    const listen = async (isDirectTls: boolean): Promise<number> => {
      const listener = new S2sListener((socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
        site.endpoint.accept(socket, isDirectTls);
      });
      context.after(() => listener.close());
      return (await listener.listen({ address: '127.0.0.1', port: 0 })).port;
    };
    site.port = await listen(false);
    site.directPort = await listen(true);
    context.after(() => {
      site.endpoint.shutdownInbound();
      site.endpoint.shutdownOutbound();
      for (const socket of sockets) socket.destroy();
    });
    return site;
  }

  private constructor(options: SiteOptions) {
    this.#options = options;
    this.#tls = generationOf(options);
    const trust = (): { index: FederationIndex; tls: TlsGeneration } => ({
      index: this.services.index,
      tls: this.#tls,
    });
    this.services = {
      index: this.indexOf(options.partners),
      ledger: new StreamLedger(),
      dialbackSecret: `secret of ${options.domains[0]}`,
      now: () => this.now,
      newId: () => `${options.domains[0]}-${++this.#ids}`,
      random: () => 0.5,
      secureServer: (socket, localDomain) => secureFromPartner(socket, localDomain, trust()),
      secureClient: (socket, localDomain, remoteDomain, isDirect) =>
        secureToPartner(socket, localDomain, remoteDomain, isDirect, trust()),
      judge: (chain, remoteDomain) => judgePartner(chain, remoteDomain, trust(), Date.now()),
      connect: (remoteDomain, _partner, signal) => this.#connect(remoteDomain, signal),
      observe: (event) => {
        this.observed.push(event);
        this.#changed();
      },
      onStanza: (stanza) => {
        this.stanzas.push(stanza);
        this.#changed();
      },
      onRejected: () => undefined,
    };
    this.endpoint = new XmppEndpoint(this.services);
  }

  get domain(): string {
    return this.#options.domains[0] ?? '';
  }

  /** The configuration of this site with other partners. */
  indexOf(partners: Partners, gateway = this.#options.gateway): FederationIndex {
    return indexFederation(
      sampleFederation({
        domains: this.#options.domains.map((domain) => ({ domain })),
        grants: [],
        xmppAllowedPartners: partners,
        ...(gateway === undefined ? {} : { xmppGatewayConfiguration: gateway }),
      }),
    );
  }

  /** Says where the server of a domain is; nowhere until then. */
  route(domain: string, port: number, isDirectTls = false): void {
    this.#roads.set(domain, { port, isDirectTls });
  }

  /** Resolves with why the stanza was not written, or undefined. */
  send(toDomain: string, xml: string, fromDomain = this.domain): Promise<RouteFailure | undefined> {
    return new Promise((resolve) => this.endpoint.send(fromDomain, toDomain, xml, resolve));
  }

  /** Lets time pass and gives the endpoint its turn. */
  advance(seconds: number): void {
    this.now += seconds * 1_000;
    this.endpoint.tick(this.now);
  }

  /** Waits until something holds, looked at whenever something was seen here. */
  async until<T>(find: (site: this) => T | undefined | false, what = 'what was expected'): Promise<T> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const found = find(this);
      if (found !== undefined && found !== false) return found;
      const left = deadline - Date.now();
      if (left <= 0)
        assert.fail(`${this.domain}: ${what} did not happen: ${JSON.stringify(this.observed, undefined, 1)}`);
      await this.#change(Math.min(left, 20));
    }
  }

  admitted(direction: 'inbound' | 'outbound'): Promise<Extract<StreamObservation, { type: 'stream-admitted' }>> {
    const is = (event: StreamObservation) => event.type === 'stream-admitted' && event.direction === direction;
    return this.until(({ observed }) => {
      const event = observed.find(is);
      return event?.type === 'stream-admitted' ? event : undefined;
    }, `an admitted ${direction} stream`);
  }

  ended(direction: 'inbound' | 'outbound'): Promise<Extract<StreamObservation, { type: 'stream-ended' }>> {
    const is = (event: StreamObservation) => event.type === 'stream-ended' && event.direction === direction;
    return this.until(({ observed }) => {
      const event = observed.find(is);
      return event?.type === 'stream-ended' ? event : undefined;
    }, `the end of an ${direction} stream`);
  }

  async #connect(remoteDomain: string, signal: AbortSignal): Promise<Dialled> {
    this.dialled.push(remoteDomain);
    const road = this.#roads.get(remoteDomain);
    if (road === undefined) throw Object.assign(new Error('no road'), { code: 'dns-no-service' });
    const socket = connect({ host: '127.0.0.1', port: road.port });
    signal.addEventListener('abort', () => socket.connecting && socket.destroy());
    await once(socket, 'connect');
    return { socket, isDirectTls: road.isDirectTls };
  }

  #changed(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const each of wake) each();
  }

  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }
}

function generationOf({ certificate, authority }: SiteOptions): TlsGeneration {
  const leaf = readCertificate(x509(certificate).raw);
  assert.ok(leaf);
  const pem = { chainPem: certificate.chainPem, keyPem: certificate.privateKeyPem };
  const identity = { certificate: leaf, context: tlsContext(pem), pem };
  return new TlsGeneration([], new Map([['default', identity]]), new Map(), () => [x509(authority).raw]);
}
