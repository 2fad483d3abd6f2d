import { orderSrv } from './net/srv-order.ts';
import { TIMEOUT } from './sip/client-transaction.ts';
import type { SipFlow, SipTarget, SipTransport } from './sip/flow.ts';
import type { RequestLines } from './sip/format.ts';
import { type HopEvent, type HopHealth, stepHealth } from './sip/hop-health.ts';
import type { SipObserver } from './sip-event.ts';

export interface NextHopHealth {
  /** `tls:pool.example.com:5061` */
  readonly nextHop: string;
  readonly healthy: boolean;
  /** Milliseconds of the endpoint's clock; 0 before the first attempt. */
  readonly sinceMs: number;
  /** Why it is down; '' otherwise. */
  readonly reason: string;
}

export interface NextHopOptions {
  readonly transport: SipTransport;
  readonly observe: SipObserver;
  readonly random: () => number;
  readonly healthIntervalMs: number;
}

/** One server that takes our requests. */
export class Hop {
  readonly target: SipTarget;
  readonly label: string;
  health: HopHealth = { state: 'untried' };
  flow: SipFlow | undefined = undefined;
  flowSinceMs = 0;
  /** Start and end of the Via of requests over its connection. */
  lines: RequestLines = { viaStart: '', viaEnd: '' };
  /** When any response last came from it. */
  answeredMs = -1;
  nextProbeMs: number;
  isProbing = false;

  constructor(target: SipTarget, nowMs: number) {
    this.target = target;
    this.label = hopLabel(target);
    this.nextProbeMs = nowMs;
  }
}

const MAX_TARGETS = 30;
/** A server that answers and hangs up is asked again this often. */
const RECONNECT_MS = 1_000;

/** The next hops in the order they are tried: health, connections, and when to ask after them. */
export class NextHops {
  readonly #options: NextHopOptions;
  #hops: readonly Hop[] = [];
  #key = '';
  #current: Hop | undefined;
  #draining: { readonly flow: SipFlow; readonly closeAtMs: number }[] = [];

  constructor(options: NextHopOptions) {
    this.#options = options;
  }

  /** Where requests go: the first that is not down. */
  get current(): Hop | undefined {
    return this.#current;
  }

  /** The first that is not down and not among `tried`. */
  after(tried: readonly Hop[]): Hop | undefined {
    return this.#hops.find((hop) => hop.health.state !== 'down' && !tried.includes(hop));
  }

  /** Replaces the targets. Those that stay keep their connection and health. */
  set(targets: readonly SipTarget[], nowMs: number): void {
    const wanted = targets.slice(0, MAX_TARGETS);
    // Drawn once for the same targets, so that a conversation keeps its server while that is up.
    const key = JSON.stringify(wanted);
    if (key === this.#key) return;
    this.#key = key;
    const known = new Map(this.#hops.map((hop) => [hopKey(hop.target), hop]));
    const { random } = this.#options;
    this.#hops = orderSrv(wanted, (max) => Math.floor(random() * (max + 1))).map((target) => {
      const hop = known.get(hopKey(target)) ?? new Hop(target, nowMs);
      known.delete(hopKey(target));
      return hop;
    });
    for (const hop of known.values()) this.drain(hop, nowMs);
    this.#choose();
  }

  /** Its connection, opened when there is none. */
  flowTo(hop: Hop, nowMs: number): SipFlow {
    const { flow, target } = hop;
    if (flow !== undefined && flow.state !== 'closed') return flow;
    const { transport } = this.#options;
    hop.flow = transport.connect(target);
    hop.flowSinceMs = nowMs;
    hop.lines = {
      viaStart: `SIP/2.0/${target.transport.toUpperCase()} ${transport.sentBy(target.transport)};branch=`,
      // RFC 5923: the peer may send its requests over our connection. RFC 3581: over UDP, answers to where we sent from.
      viaEnd: target.transport === 'tls' ? ';alias' : ';rport',
    };
    return hop.flow;
  }

  /** Gives up its connection once nothing sent over it can be answered any more: the next request opens a new one. */
  drain(hop: Hop, nowMs: number): void {
    const { flow } = hop;
    hop.flow = undefined;
    // One that the peer opened is the peer's to close.
    if (flow?.isOutbound === true) this.#draining.push({ flow, closeAtMs: nowMs + TIMEOUT });
  }

  drainAll(nowMs: number): void {
    for (const hop of this.#hops) this.drain(hop, nowMs);
  }

  report(hop: Hop, event: HopEvent, nowMs: number): void {
    const before = hop.health;
    const { random, observe } = this.#options;
    const health = stepHealth(before, event, nowMs, random());
    hop.health = health;
    if (health.state === 'down') hop.nextProbeMs = health.retryAtMs;
    if (health.state === before.state) return;
    this.#choose();
    if (health.state === 'up') observe({ event: 'next-hop-up', nextHop: hop.label });
    else if (health.state === 'down') observe({ event: 'next-hop-down', nextHop: hop.label, reason: health.reason });
  }

  onOpen(flow: SipFlow, nowMs: number): void {
    for (const hop of this.#hops) if (hop.flow === flow) hop.flowSinceMs = nowMs;
  }

  onClosed(flow: SipFlow, wasOpen: boolean, reason: string, nowMs: number): void {
    for (const hop of this.#hops) {
      if (hop.flow !== flow) continue;
      hop.flow = undefined;
      // A connection that was closed without one answer is no better than one that could not be opened.
      if (!wasOpen || hop.answeredMs < hop.flowSinceMs) this.report(hop, { event: 'failed', reason }, nowMs);
      else hop.nextProbeMs = Math.min(hop.nextProbeMs, nowMs + RECONNECT_MS);
    }
  }

  /** Closes what has drained, and gives those that are to be asked now; each is then asked again after its interval. */
  due(nowMs: number): readonly Hop[] {
    if (this.#draining.length > 0) {
      for (const { flow, closeAtMs } of this.#draining) if (nowMs >= closeAtMs) flow.close('replaced');
      this.#draining = this.#draining.filter(({ closeAtMs }) => nowMs < closeAtMs);
    }
    const due = this.#hops.filter((hop) => nowMs >= hop.nextProbeMs);
    const { healthIntervalMs, random } = this.#options;
    // Spread by a tenth either way, so that many gateways do not ask at once.
    for (const hop of due) hop.nextProbeMs = nowMs + healthIntervalMs * (0.9 + random() / 5);
    return due.filter((hop) => !hop.isProbing);
  }

  health(): readonly NextHopHealth[] {
    return this.#hops.map(({ label, health }) => ({
      nextHop: label,
      healthy: health.state === 'up',
      sinceMs: health.state === 'untried' ? 0 : health.sinceMs,
      reason: health.state === 'down' ? health.reason : '',
    }));
  }

  #choose(): void {
    this.#current = this.after([]);
  }
}

function hopKey(target: SipTarget): string {
  return `${target.transport} ${target.fqdn} ${target.host} ${target.port}`;
}

function hopLabel({ transport, fqdn, host, port }: SipTarget): string {
  return host === fqdn ? `${transport}:${fqdn}:${port}` : `${transport}:${fqdn} (${host}:${port})`;
}
