import type { ThrowawayCertificate } from '../../src/certificates/throwaway.ts';
import { type SipConfiguration, sipConfiguration } from '../../src/config/index.ts';
import type { Resolver } from '../../src/runtime/net/dns-resolver.ts';
import { type SipAnswer, SipEndpoint, type SipEvent, type SipOutcome } from '../../src/runtime/sip-endpoint.ts';
import { EventQueue } from './event-queue.ts';

/** A MESSAGE that has reached the pool and waits for its answer. */
export interface PoolMessage {
  readonly to: string;
  readonly from: string;
  readonly body: string;
  readonly answer: SipAnswer;
}

export interface SipPoolOptions {
  /** Name its certificate and that of the gateway carry. */
  readonly fqdn: string;
  readonly gatewayFqdn: string;
  readonly certificate: ThrowawayCertificate;
  readonly authority: ThrowawayCertificate;
  readonly resolver: Resolver;
}

/** The SIP pool of a test, on mutual TLS: what it receives is answered by the test, or at once with `autoAnswer`. */
export class SipPool {
  readonly received = new EventQueue<PoolMessage>('pool');
  readonly events = new EventQueue<SipEvent>('events of the pool');
  /** Status for each message; undefined leaves the answer to the test. */
  autoAnswer: number | undefined = 200;
  readonly #options: SipPoolOptions;
  readonly #endpoint: SipEndpoint;

  constructor(options: SipPoolOptions) {
    this.#options = options;
    this.#endpoint = new SipEndpoint({
      sip: this.#sip([]),
      listen: [{ transport: 'tls', address: '127.0.0.1', port: 0 }],
      tls: {
        cert: options.certificate.chainPem,
        key: options.certificate.privateKeyPem,
        ca: options.authority.certificatePem,
      },
      resolver: options.resolver,
      drainTimeout: 0,
      observe: (event) => this.events.push(event),
      onMessage: ({ requestUri, from, body }, _peer, answer) => {
        this.received.push({ to: requestUri, from, body: body.toString(), answer });
        if (this.autoAnswer !== undefined) answer(this.autoAnswer);
      },
    });
  }

  async start(): Promise<void> {
    await this.#endpoint.start();
  }

  get port(): number {
    return this.#endpoint.port('tls') ?? 0;
  }

  /** From now on requests go to the gateway at this port; resolves when it answers. */
  async useGateway(port: number): Promise<void> {
    const { gatewayFqdn } = this.#options;
    this.#endpoint.reconfigure(this.#sip([{ fqdn: gatewayFqdn, port }]));
    await this.events.next(({ event }) => event === 'next-hop-up');
  }

  send(from: string, to: string, body: string, contentType = 'text/plain;charset=UTF-8'): Promise<SipOutcome> {
    const [requestUri, sender] = [`sip:${to}`, `sip:${from}`];
    return new Promise((resolve) => {
      this.#endpoint.sendMessage({ requestUri, from: sender, to: requestUri, contentType, body }, resolve);
    });
  }

  stop(): Promise<void> {
    return this.#endpoint.stop();
  }

  #sip(nextHops: readonly { readonly fqdn: string; readonly port: number }[]): SipConfiguration {
    const { gatewayFqdn } = this.#options;
    const { nextHops: _, ...rest } = sipConfiguration.parse({
      nextHops: [{ fqdn: gatewayFqdn }],
      trustedTlsNames: [gatewayFqdn],
    });
    return {
      ...rest,
      nextHops: nextHops.map((hop) => ({ ...hop, transport: 'tls', priority: 10, weight: 10, useSrv: false })),
    };
  }
}
