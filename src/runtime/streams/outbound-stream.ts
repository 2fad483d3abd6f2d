// Over 300 lines with its types: dialling, the session and the idle clock of a stream meet here and nowhere else.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { StreamConnection } from '../net/stream-connection.ts';
import type { DialbackAnswer } from '../xmpp/dialback.ts';
import type { XmlElement } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import {
  OUTBOUND_START,
  type OutboundContext,
  type OutboundEffect,
  type OutboundEvent,
  type OutboundState,
  stepOutbound,
} from '../xmpp/outbound-session.ts';
import { refused, type StreamEnding } from '../xmpp/session.ts';
import type { StreamErrorCondition } from '../xmpp/stream-error.ts';
import type { StreamHeader } from '../xmpp/stream-parser.ts';
import type { LedgerEntry } from './stream-ledger.ts';
import {
  channelSecurity,
  describeSecurity,
  type StreamServices,
  type StreamSnapshot,
  UNPROVED_LIMITS,
} from './stream-services.ts';

export interface OutboundStreamEvents {
  /** The stream may carry stanzas. */
  onAdmitted(): void;
  /** A `verify` stream may be asked. */
  onReady(): void;
  onVerified(streamId: string, answer: DialbackAnswer): void;
  /** Comes once; nothing comes after it. */
  onEnded(ending: StreamEnding): void;
}

export interface OutboundPair {
  readonly localDomain: string;
  readonly remoteDomain: string;
  readonly purpose: 'stanzas' | 'verify';
}

/** Seconds a stream for dialback questions stays without one. */
const VERIFY_IDLE = 30;
/** Milliseconds a partner has to answer a ping, and to take what fills its connection. */
const PONG_PATIENCE = 60_000;
const CONGESTION_PATIENCE = 60_000;

/** Drives one stream that we open: finds a server, connects, feeds the session what happens, does what it says. */
export class OutboundStream {
  readonly pair: OutboundPair;
  #state: OutboundState = OUTBOUND_START;
  #connection: StreamConnection | undefined;
  #entry: LedgerEntry | undefined;
  #tls = 'none';
  #wasAdmitted = false;
  #hasEnded = false;
  /** Of the latest stream header, for audit lines: a closed state has none any more. */
  #streamId = '';
  /** Milliseconds since 1970 of the last stanza or question. */
  #lastUsedAt: number;
  #ping: { readonly id: string; readonly sentAt: number } | undefined;
  #lastPongAt = 0;
  #congestedSince: number | undefined;
  readonly #services: StreamServices;
  readonly #events: OutboundStreamEvents;
  readonly #context: OutboundContext;
  readonly #openedAt: number;
  readonly #abort = new AbortController();

  constructor(pair: OutboundPair, services: StreamServices, events: OutboundStreamEvents) {
    this.pair = pair;
    this.#services = services;
    this.#events = events;
    this.#openedAt = this.#lastUsedAt = services.now();
    this.#context = {
      get index() {
        return services.index;
      },
      get dialbackSecret() {
        return services.dialbackSecret;
      },
      ...pair,
    };
  }

  /** Never rejects: what goes wrong ends the stream. */
  async open(): Promise<void> {
    const { remoteDomain } = this.pair;
    const { index, ledger } = this.#services;
    const partner = index.partnerOf(remoteDomain);
    const refusal = ledger.outboundRefusal(index);
    if (partner === undefined) {
      return this.#end('', { why: 'refused', reason: 'partner-not-allowed', path: 'xmppAllowedPartners', detail: '' });
    }
    if (refusal !== undefined) return this.#end('', refused(refusal, ''));
    try {
      const { socket, isDirectTls } = await this.#services.connect(remoteDomain, partner, this.#abort.signal);
      if (this.#hasEnded) socket.destroy();
      else this.#start(socket, isDirectTls);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'connect-failed';
      const detail = error instanceof Error ? error.message : String(error);
      this.#end('', { why: 'unreachable', code, detail });
    }
  }

  get isOpen(): boolean {
    return this.#state.at === 'open';
  }

  /** Whether it has ever been open. */
  get wasAdmitted(): boolean {
    return this.#wasAdmitted;
  }

  get isCongested(): boolean {
    return this.#connection?.isCongested ?? false;
  }

  /** Bytes of the largest stanza the peer says it takes; only while {@link isOpen}. */
  get peerMaxBytes(): number {
    return this.#state.at === 'open' ? this.#state.peerMaxBytes : 0;
  }

  /** Only while {@link isOpen}. */
  send(xml: string): void {
    this.#lastUsedAt = this.#services.now();
    this.#connection?.send(xml);
  }

  verify(streamId: string, key: string): void {
    this.#lastUsedAt = this.#services.now();
    this.#step({ type: 'verify', streamId, key });
  }

  /** An answer to a ping has come, on a stream of the partner's own. Says whether it was to the last ping here. */
  takePong(id: string): boolean {
    if (this.#ping?.id !== id) return false;
    this.#ping = undefined;
    this.#lastPongAt = this.#services.now();
    return true;
  }

  onHeader(header: StreamHeader): void {
    this.#streamId = header.id ?? '';
    this.#step({ type: 'header', header });
  }

  onElement(element: XmlElement): void {
    this.#step({ type: 'element', element });
  }

  onEnd(): void {
    this.#step({ type: 'stream-end' });
  }

  onBroken(condition: StreamErrorCondition, text: string): void {
    this.#step({ type: 'broken', condition, text });
  }

  onSecured(socket: TLSSocket): void {
    const security = channelSecurity(socket, this.#services);
    this.#tls = describeSecurity(security);
    this.#step(this.#state.at === 'connecting' ? { type: 'opened', security } : { type: 'secured', security });
  }

  onDisconnected(detail: string): void {
    this.#entry?.settle();
    this.#step({ type: 'disconnected', detail });
  }

  reconsider(): void {
    this.#step({ type: 'reconsider' });
  }

  shutdown(): void {
    this.#step({ type: 'shutdown' });
  }

  /** Called about once a second. */
  tick(now: number): void {
    switch (this.#state.at) {
      case 'closed':
        return;
      case 'open':
        this.#tickOpen(now);
        return;
      case 'verifying':
        if (now - this.#lastUsedAt >= VERIFY_IDLE * 1_000) this.#step({ type: 'timeout', what: 'inactivity' });
        return;
      default: {
        const { streamEstablishmentTimeout } = this.#services.index.config.xmppGatewayConfiguration;
        if (now - this.#openedAt < streamEstablishmentTimeout * 1_000) return;
        this.#step({ type: 'timeout', what: 'establishment' });
      }
    }
  }

  #tickOpen(now: number): void {
    const { keepAliveInterval, streamInactivityTimeout } = this.#services.index.config.xmppGatewayConfiguration;
    this.#congestedSince = this.isCongested ? (this.#congestedSince ?? now) : undefined;
    const isStuck = this.#congestedSince !== undefined && now - this.#congestedSince >= CONGESTION_PATIENCE;
    const isSilent = this.#ping !== undefined && now - this.#ping.sentAt >= PONG_PATIENCE;
    if (isStuck || isSilent || now - this.#lastUsedAt >= streamInactivityTimeout * 1_000) {
      this.#step({ type: 'timeout', what: 'inactivity' });
      return;
    }
    const isDue = now - Math.max(this.#lastUsedAt, this.#lastPongAt) >= keepAliveInterval * 1_000;
    const partner = this.#services.index.partnerOf(this.pair.remoteDomain)?.partner;
    if (isDue && this.#ping === undefined && partner?.enableKeepAlive === true) this.#sendPing(now);
  }

  /** XEP-0199 between servers; the answer comes on a stream of the partner's own. */
  #sendPing(now: number): void {
    const { localDomain, remoteDomain } = this.pair;
    const id = `keepalive-${this.#services.newId()}`;
    this.#ping = { id, sentAt: now };
    this.#connection?.send(
      `<iq type='get' id='${id}' from='${localDomain}' to='${remoteDomain}'><ping xmlns='${NS.ping}'/></iq>`,
    );
  }

  snapshot(): StreamSnapshot {
    const state = this.#state;
    return {
      direction: 'outbound',
      streamId: this.#streamId,
      peerAddress: this.#connection?.remoteAddress ?? '',
      state: state.at,
      proofs: state.at === 'open' ? [state.proof] : [],
      tls: this.#tls,
      openedAt: new Date(this.#openedAt).toISOString(),
    };
  }

  #start(socket: Socket, isDirectTls: boolean): void {
    const { localDomain, remoteDomain } = this.pair;
    this.#entry = this.#services.ledger.open();
    const connection = new StreamConnection(socket, this, UNPROVED_LIMITS, () => this.#services.now());
    this.#connection = connection;
    if (isDirectTls) {
      connection.start((raw) => this.#services.secureClient(raw, localDomain, remoteDomain, true));
      return;
    }
    this.#step({ type: 'opened', security: undefined });
    connection.start();
  }

  #step(event: OutboundEvent): void {
    try {
      const [state, effects] = stepOutbound(this.#state, event, this.#context);
      this.#state = state;
      for (const effect of effects) this.#perform(effect);
    } catch (error) {
      // Our bug costs this stream and no other.
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#end('', { why: 'fault', detail });
    }
  }

  #perform(effect: OutboundEffect): void {
    const { localDomain, remoteDomain } = this.pair;
    switch (effect.do) {
      case 'send':
        this.#connection?.send(effect.xml);
        return;
      case 'start-tls':
        this.#connection?.startTls((raw) => this.#services.secureClient(raw, localDomain, remoteDomain, false));
        return;
      case 'restart':
        this.#connection?.restart();
        return;
      case 'admitted':
        this.#wasAdmitted = true;
        this.#lastUsedAt = this.#services.now();
        this.#services.observe({
          type: 'stream-admitted',
          direction: 'outbound',
          streamId: this.#streamId,
          peerAddress: this.#connection?.remoteAddress ?? '',
          proof: effect.proof,
          tls: this.#tls,
        });
        this.#events.onAdmitted();
        return;
      case 'ready':
        this.#events.onReady();
        return;
      case 'verified':
        this.#events.onVerified(effect.streamId, effect.answer);
        return;
      case 'pair-refused':
        // An outbound stream carries one pair: it is refused with the stream.
        return;
      case 'close':
        this.#end(effect.xml, effect.ending);
        return;
    }
  }

  #end(xml: string, ending: StreamEnding): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#state = { at: 'closed' };
    this.#abort.abort();
    this.#connection?.close(xml);
    this.#services.observe({
      type: 'stream-ended',
      direction: 'outbound',
      streamId: this.#streamId,
      peerAddress: this.#connection?.remoteAddress ?? '',
      localDomain: this.pair.localDomain,
      remoteDomain: this.pair.remoteDomain,
      wasAdmitted: this.#wasAdmitted,
      ending,
    });
    this.#events.onEnded(ending);
  }
}
