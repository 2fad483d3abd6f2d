import type { Socket } from 'node:net';
import type { FederationIndex } from '../../policy/index.ts';
import { DialbackVerifier } from './dialback-verifier.ts';
import { InboundStream } from './inbound-stream.ts';
import { OutboundRoute, type SendDone } from './outbound-route.ts';
import { SHUTTING_DOWN } from './route-failure.ts';
import type { StreamServices, StreamSnapshot } from './stream-services.ts';

/** All streams of the gateway, both directions. */
export class XmppEndpoint {
  readonly #services: StreamServices;
  readonly #inbound = new Set<InboundStream>();
  /** By remote domain, then by local domain. */
  readonly #routes = new Map<string, Map<string, OutboundRoute>>();
  readonly #verifier: DialbackVerifier;
  /** `draining`: nothing new comes in, answers still go out. */
  #phase: 'open' | 'draining' | 'stopped' = 'open';
  #isPaused = false;

  constructor(services: StreamServices) {
    this.#services = services;
    this.#verifier = new DialbackVerifier(services);
  }

  /** Takes over a socket that came in. */
  accept(socket: Socket, isDirectTls: boolean): void {
    const address = socket.remoteAddress ?? '';
    const { ledger, index } = this.#services;
    const reason = this.#phase === 'open' ? ledger.refusalFor(address, index) : 'shutting-down';
    if (reason !== undefined) {
      // Before any XML: an answer would cost more than it tells (XEP-0205).
      socket.on('error', () => undefined);
      socket.destroy();
      this.#services.observe({ type: 'connection-refused', peerAddress: address, reason });
      return;
    }
    const stream = new InboundStream(socket, isDirectTls, this.#services, {
      verifyDialback: (question, answer) => this.#verifier.ask(question, answer),
      takePong: (id, { remoteDomain, localDomain }) => this.#routeOf(remoteDomain, localDomain)?.takePong(id) ?? false,
      onAdmitted: ({ remoteDomain, localDomain }) => this.#routeOf(remoteDomain, localDomain)?.endPause(),
      onEnded: (ended) => this.#inbound.delete(ended),
    });
    this.#inbound.add(stream);
    if (this.#isPaused) stream.pause();
    stream.start();
  }

  /** Sends a stanza of one of our domains to a partner's; `done` hears once what became of it. Domains in normal form. */
  send(localDomain: string, remoteDomain: string, xml: string, done: SendDone): void {
    if (this.#phase === 'stopped') {
      done(SHUTTING_DOWN);
      return;
    }
    const route = this.#routeOf(remoteDomain, localDomain) ?? this.#addRoute(localDomain, remoteDomain);
    route.send(xml, done);
  }

  /** Puts another configuration in force and asks it about every stream. */
  apply(index: FederationIndex): void {
    this.#services.index = index;
    for (const stream of this.#inbound) stream.reconsider();
    for (const route of this.#allRoutes()) route.reconsider();
    this.#verifier.reconsider();
  }

  /** Called about once a second: time-outs, keep-alives, forgotten routes. */
  tick(now: number): void {
    for (const stream of this.#inbound) stream.tick(now);
    this.#verifier.tick(now);
    for (const route of this.#allRoutes()) {
      route.tick(now);
      if (route.isIdle(now)) this.#forget(route);
    }
  }

  /** Stops reading stanzas while what they turn into cannot be sent on. */
  pause(): void {
    this.#isPaused = true;
    for (const stream of this.#inbound) stream.pause();
  }

  resume(): void {
    this.#isPaused = false;
    for (const stream of this.#inbound) stream.resume();
  }

  /**
   * Ends the streams that come in; those that go out stay for the answers that are still due. Open ones take what is on
   * its way until their peers have closed them too; asked again, they end.
   */
  shutdownInbound(): void {
    this.#phase = 'draining';
    for (const stream of this.#inbound) stream.shutdown();
  }

  /** Whether a peer has still to close a stream that came in. */
  get isLeaving(): boolean {
    return [...this.#inbound].some((stream) => stream.isLeaving);
  }

  shutdownOutbound(): void {
    this.#phase = 'stopped';
    for (const route of this.#allRoutes()) route.shutdown();
    this.#verifier.shutdown();
  }

  snapshot(): readonly StreamSnapshot[] {
    const streams = [...this.#inbound].map((stream) => stream.snapshot());
    for (const route of this.#allRoutes()) {
      const stream = route.snapshot();
      if (stream !== undefined) streams.push(stream);
    }
    return streams;
  }

  #routeOf(remoteDomain: string, localDomain: string): OutboundRoute | undefined {
    return this.#routes.get(remoteDomain)?.get(localDomain);
  }

  #addRoute(localDomain: string, remoteDomain: string): OutboundRoute {
    const route = new OutboundRoute(localDomain, remoteDomain, this.#services);
    const routes = this.#routes.get(remoteDomain);
    if (routes === undefined) this.#routes.set(remoteDomain, new Map([[localDomain, route]]));
    else routes.set(localDomain, route);
    return route;
  }

  #forget({ localDomain, remoteDomain }: OutboundRoute): void {
    const routes = this.#routes.get(remoteDomain);
    routes?.delete(localDomain);
    if (routes?.size === 0) this.#routes.delete(remoteDomain);
  }

  *#allRoutes(): Iterable<OutboundRoute> {
    for (const routes of this.#routes.values()) yield* [...routes.values()];
  }
}
