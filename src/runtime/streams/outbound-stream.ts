import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { StreamConnection } from '../net/stream-connection.ts';
import type { DialbackAnswer } from '../xmpp/dialback.ts';
import type { XmlElement } from '../xmpp/element.ts';
import {
  OUTBOUND_START,
  type OutboundContext,
  type OutboundEffect,
  type OutboundEvent,
  type OutboundState,
  stepOutbound,
} from '../xmpp/outbound-session.ts';
import type { StreamEnding } from '../xmpp/session.ts';
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

/** Drives one stream that we open: finds a server, connects, feeds the session what happens, does what it says. */
export class OutboundStream {
  readonly pair: OutboundPair;
  /** Milliseconds since 1970 of the last stanza or question. */
  lastUsedAt: number;
  #state: OutboundState = OUTBOUND_START;
  #connection: StreamConnection | undefined;
  #entry: LedgerEntry | undefined;
  #tls = 'none';
  #wasAdmitted = false;
  #hasEnded = false;
  readonly #services: StreamServices;
  readonly #events: OutboundStreamEvents;
  readonly #context: OutboundContext;
  readonly #openedAt: number;
  readonly #abort = new AbortController();

  constructor(pair: OutboundPair, services: StreamServices, events: OutboundStreamEvents) {
    this.pair = pair;
    this.#services = services;
    this.#events = events;
    this.#openedAt = this.lastUsedAt = services.now();
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
    const { localDomain, remoteDomain } = this.pair;
    try {
      const partner = this.#services.index.partnerOf(remoteDomain);
      if (partner === undefined) {
        this.#end('', { why: 'refused', reason: 'partner-not-allowed', path: 'xmppAllowedPartners', detail: '' });
        return;
      }
      const { socket, isDirectTls } = await this.#services.connect(remoteDomain, partner, this.#abort.signal);
      if (this.#hasEnded) {
        socket.destroy();
        return;
      }
      this.#entry = this.#services.ledger.open(undefined);
      this.#connection = new StreamConnection(socket, this, UNPROVED_LIMITS, () => this.#services.now());
      if (isDirectTls) {
        this.#connection.start((raw) => this.#services.secureClient(raw, localDomain, remoteDomain, true));
      } else {
        this.#step({ type: 'opened', security: undefined });
        this.#connection.start();
      }
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'connect-failed';
      const detail = error instanceof Error ? error.message : String(error);
      this.#state = { at: 'closed' };
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

  /** Only while {@link isOpen}. */
  send(xml: string): void {
    this.lastUsedAt = this.#services.now();
    this.#connection?.send(xml);
  }

  verify(streamId: string, key: string): void {
    this.lastUsedAt = this.#services.now();
    this.#step({ type: 'verify', streamId, key });
  }

  onHeader(header: StreamHeader): void {
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
    const { streamEstablishmentTimeout, streamInactivityTimeout, keepAliveInterval } =
      this.#services.index.config.xmppGatewayConfiguration;
    const { at } = this.#state;
    if (at === 'closed') return;
    if (at !== 'open' && at !== 'verifying') {
      if (now - this.#openedAt >= streamEstablishmentTimeout * 1_000)
        this.#step({ type: 'timeout', what: 'establishment' });
      return;
    }
    const connection = this.#connection;
    if (connection === undefined) return;
    const lastActiveAt = Math.max(connection.lastReadAt, connection.lastWriteAt);
    const patience = at === 'verifying' ? VERIFY_IDLE : streamInactivityTimeout;
    if (now - lastActiveAt >= patience * 1_000) {
      this.#step({ type: 'timeout', what: 'inactivity' });
      return;
    }
    const partner = this.#services.index.partnerOf(this.pair.remoteDomain)?.partner;
    const isDue = now - connection.lastWriteAt >= keepAliveInterval * 1_000;
    if (at === 'open' && isDue && partner?.enableKeepAlive === true) connection.send(this.#ping());
  }

  snapshot(): StreamSnapshot {
    const state = this.#state;
    return {
      direction: 'outbound',
      streamId: streamIdOf(state),
      peerAddress: this.#connection?.remoteAddress ?? '',
      state: state.at,
      proofs: state.at === 'open' ? [state.proof] : [],
      tls: this.#tls,
      openedAt: new Date(this.#openedAt).toISOString(),
    };
  }

  /** XEP-0199 between servers; the answer comes back on the partner's own stream. */
  #ping(): string {
    const { localDomain, remoteDomain } = this.pair;
    const id = this.#services.newId();
    return `<iq type='get' id='keepalive-${id}' from='${localDomain}' to='${remoteDomain}'><ping xmlns='urn:xmpp:ping'/></iq>`;
  }

  #step(event: OutboundEvent): void {
    const streamId = streamIdOf(this.#state);
    try {
      const [state, effects] = stepOutbound(this.#state, event, this.#context);
      this.#state = state;
      for (const effect of effects) this.#perform(effect, streamId);
    } catch (error) {
      // Our bug costs this stream and no other.
      this.#state = { at: 'closed' };
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#end('', { why: 'fault', detail }, streamId);
    }
  }

  #perform(effect: OutboundEffect, streamId: string): void {
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
        this.#entry?.admit(this.#services.index.partnerOf(remoteDomain)?.partner.domain ?? remoteDomain);
        this.#services.observe({
          type: 'stream-admitted',
          direction: 'outbound',
          streamId: streamIdOf(this.#state),
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
        return;
      case 'close':
        this.#end(effect.xml, effect.ending, streamId);
        return;
    }
  }

  #end(xml: string, ending: StreamEnding, streamId = ''): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#state = { at: 'closed' };
    this.#abort.abort();
    this.#services.observe({
      type: 'stream-ended',
      direction: 'outbound',
      streamId,
      peerAddress: this.#connection?.remoteAddress ?? '',
      localDomain: this.pair.localDomain,
      remoteDomain: this.pair.remoteDomain,
      wasAdmitted: this.#wasAdmitted,
      ending,
    });
    this.#connection?.close(xml);
    this.#events.onEnded(ending);
  }
}

/** Seconds a stream for dialback questions stays without one. */
const VERIFY_IDLE = 30;

function streamIdOf(state: OutboundState): string {
  return 'streamId' in state ? state.streamId : '';
}
