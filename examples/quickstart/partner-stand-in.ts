import { randomBytes } from 'node:crypto';
import { type FederationConfigProps, parseFederation } from '../../src/config/index.ts';
import { indexFederation } from '../../src/policy/index.ts';
import type { Resolver } from '../../src/runtime/net/dns-resolver.ts';
import {
  connectToPartner,
  judgePartner,
  secureFromPartner,
  secureToPartner,
} from '../../src/runtime/net/partner-channel.ts';
import { S2sListener } from '../../src/runtime/net/s2s-listener.ts';
import { TlsFiles, type TlsGeneration } from '../../src/runtime/net/tls-files.ts';
import type { RouteFailure } from '../../src/runtime/streams/route-failure.ts';
import { StreamLedger } from '../../src/runtime/streams/stream-ledger.ts';
import type { StreamObservation, StreamServices } from '../../src/runtime/streams/stream-services.ts';
import { XmppEndpoint } from '../../src/runtime/streams/xmpp-endpoint.ts';
import { formatElement, type XmlElement } from '../../src/runtime/xmpp/element.ts';

export interface PartnerStandInOptions {
  /** The partner's own view of the federation: its domain, and ours as its partner. */
  readonly config: FederationConfigProps;
  readonly certificatesFolder: string;
  readonly caFile: string;
  readonly resolver: Resolver;
}

/** What a partner's server saw, in the order it happened. */
export type PartnerEvent =
  | StreamObservation
  | { readonly type: 'stanza'; readonly xml: string; readonly stanza: XmlElement };

/** A stand-in for a partner's XMPP server, built from the project's own stream code. */
export class PartnerStandIn {
  readonly domain: string;
  readonly #endpoint: XmppEndpoint;
  readonly #listener: S2sListener;
  readonly #events: PartnerEvent[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #timer: NodeJS.Timeout;

  static async create(options: PartnerStandInOptions): Promise<PartnerStandIn> {
    const config = parseFederation(options.config);
    if (!config.ok) throw new Error(config.errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
    const index = indexFederation(config.value);
    const files = new TlsFiles({ directory: options.certificatesFolder, caFile: options.caFile });
    const tls = await files.load({ domains: config.value.domains, anchors: [] }, Date.now());
    if (!tls.ok) throw new Error(tls.errors.map(({ path, message }) => `${path}: ${message}`).join('; '));
    return new PartnerStandIn(options.resolver, { index, tls: tls.value });
  }

  private constructor(
    resolver: Resolver,
    trust: { readonly index: ReturnType<typeof indexFederation>; readonly tls: TlsGeneration },
  ) {
    this.domain = trust.index.config.domains[0]?.domain ?? '';
    const services: StreamServices = {
      index: trust.index,
      ledger: new StreamLedger(),
      dialbackSecret: randomBytes(32).toString('hex'),
      now: Date.now,
      newId: () => randomBytes(12).toString('base64url'),
      random: Math.random,
      secureServer: (socket, localDomain) => secureFromPartner(socket, localDomain, trust),
      secureClient: (socket, localDomain, remoteDomain, isDirect) =>
        secureToPartner(socket, localDomain, remoteDomain, isDirect, trust),
      judge: (chain, remoteDomain) => judgePartner(chain, remoteDomain, trust, Date.now()),
      connect: (remoteDomain, partner, signal) =>
        connectToPartner(remoteDomain, partner, {
          resolver,
          allowPrivateAddresses: true,
          outboundAddress: undefined,
          timeoutMs: 10_000,
          isOwn: () => false,
          signal,
        }),
      observe: (event) => this.#note(event),
      onStanza: ({ stanza }) => this.#note({ type: 'stanza', xml: formatElement(stanza, stanza.ns), stanza }),
      onRejected: () => undefined,
    };
    this.#endpoint = new XmppEndpoint(services);
    this.#listener = new S2sListener((socket) => this.#endpoint.accept(socket, false));
    this.#timer = setInterval(() => this.#endpoint.tick(Date.now()), 1_000);
  }

  async listen(): Promise<number> {
    return (await this.#listener.listen({ address: '127.0.0.1', port: 0 })).port;
  }

  /** Writes a stanza to the stream towards `toDomain`; resolves with why it could not, or with nothing. */
  send(toDomain: string, xml: string): Promise<RouteFailure | undefined> {
    return new Promise((resolve) => this.#endpoint.send(this.domain, toDomain, xml, resolve));
  }

  /** Waits for an event, also among those that have happened already. Each is handed out once. */
  async next<T extends PartnerEvent>(is: (event: PartnerEvent) => event is T, milliseconds = 10_000): Promise<T> {
    const deadline = Date.now() + milliseconds;
    for (;;) {
      const at = this.#events.findIndex(is);
      const found = this.#events[at];
      if (found !== undefined && is(found)) {
        this.#events.splice(at, 1);
        return found;
      }
      if (Date.now() >= deadline)
        throw new Error(`${this.domain}: what was expected did not happen in ${milliseconds} ms`);
      await this.#change(deadline - Date.now());
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#listener.close();
    this.#endpoint.shutdownInbound();
    this.#endpoint.shutdownOutbound();
  }

  #change(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#waiting.add(done);
    });
  }

  #note(event: PartnerEvent): void {
    this.#events.push(event);
    for (const wake of [...this.#waiting]) wake();
  }
}
