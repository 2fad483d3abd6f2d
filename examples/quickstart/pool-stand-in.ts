import { setTimeout as delay } from 'node:timers/promises';
import type { ThrowawayCertificate } from '../../src/certificates/throwaway.ts';
import { sipConfiguration } from '../../src/config/index.ts';
import type { Resolver } from '../../src/runtime/net/dns-resolver.ts';
import { SipEndpoint, type SipOutcome } from '../../src/runtime/sip-endpoint.ts';

/** A message one of the pool's users has received. */
export interface PoolMessage {
  readonly from: string;
  readonly to: string;
  readonly body: string;
}

/** A stand-in for a SIP pool: a few users on mutual TLS, built from the project's own SIP code. */
export class PoolStandIn {
  readonly #endpoint: SipEndpoint;
  readonly #users: ReadonlySet<string>;
  readonly #received: PoolMessage[] = [];
  #waiting: ((message: PoolMessage) => void) | undefined;

  constructor(
    users: readonly string[],
    gateway: { readonly fqdn: string; readonly port: number },
    certificate: ThrowawayCertificate,
    authority: ThrowawayCertificate,
    resolver: Resolver,
  ) {
    this.#users = new Set(users.map((user) => `sip:${user}`));
    this.#endpoint = new SipEndpoint({
      sip: sipConfiguration.parse({
        nextHops: [{ ...gateway, transport: 'tls' }],
        trustedTlsNames: [gateway.fqdn],
      }),
      listen: [{ transport: 'tls', address: '127.0.0.1', port: 0 }],
      tls: { cert: certificate.chainPem, key: certificate.privateKeyPem, ca: authority.certificatePem },
      resolver,
      onMessage: ({ requestUri, from, body }, _peer, answer) => {
        if (!this.#users.has(requestUri)) return answer(404);
        const message = { from, to: requestUri, body: body.toString() };
        if (this.#waiting === undefined) this.#received.push(message);
        else this.#waiting(message);
        this.#waiting = undefined;
        answer(200);
      },
    });
  }

  async start(): Promise<number> {
    await this.#endpoint.start();
    return this.#endpoint.port('tls') ?? 0;
  }

  stop(): Promise<void> {
    return this.#endpoint.stop();
  }

  /** Resolves when the gateway answers. */
  async connected(): Promise<void> {
    const deadline = Date.now() + 15_000;
    while (!this.#endpoint.health().some(({ healthy }) => healthy)) {
      if (Date.now() > deadline)
        throw new Error(`the pool finds no gateway: ${JSON.stringify(this.#endpoint.health())}`);
      await delay(50);
    }
  }

  /** The next message that reaches a user. */
  next(): Promise<PoolMessage> {
    const message = this.#received.shift();
    if (message !== undefined) return Promise.resolve(message);
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  send(from: string, to: string, body: string): Promise<SipOutcome> {
    return new Promise((resolve) => {
      const message = {
        requestUri: `sip:${to}`,
        from: `sip:${from}`,
        to: `sip:${to}`,
        contentType: 'text/plain;charset=UTF-8',
        body,
      };
      this.#endpoint.sendMessage(message, resolve);
    });
  }
}
