import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { StreamConnection } from '../net/stream-connection.ts';
import type { DialbackAnswer } from '../xmpp/dialback.ts';
import type { XmlElement } from '../xmpp/element.ts';
import {
  INBOUND_START,
  type InboundContext,
  type InboundEffect,
  type InboundEvent,
  type InboundState,
  stepInbound,
} from '../xmpp/inbound-session.ts';
import type { Proof, StreamEnding } from '../xmpp/session.ts';
import type { StreamErrorCondition } from '../xmpp/stream-error.ts';
import type { StreamHeader } from '../xmpp/stream-parser.ts';
import type { LedgerEntry } from './stream-ledger.ts';
import {
  channelSecurity,
  describeSecurity,
  provedLimits,
  type StreamServices,
  type StreamSnapshot,
  UNPROVED_LIMITS,
} from './stream-services.ts';

export interface InboundStreamEvents {
  verifyDialback(
    question: {
      readonly localDomain: string;
      readonly remoteDomain: string;
      readonly streamId: string;
      readonly key: string;
    },
    answer: (answer: DialbackAnswer) => void,
  ): void;
  onEnded(stream: InboundStream): void;
}

/** Drives one stream that a partner opened: feeds the session what happens, does what it says. */
export class InboundStream {
  #state: InboundState = INBOUND_START;
  readonly #connection: StreamConnection;
  readonly #services: StreamServices;
  readonly #events: InboundStreamEvents;
  readonly #entry: LedgerEntry;
  readonly #openedAt: number;
  readonly #context: InboundContext;
  #tls = 'none';
  #wasAdmitted = false;
  /** Kept for the last audit line, when the state has no names any more. */
  #streamId = '';
  #localDomain = '';
  #remoteDomain = '';

  constructor(socket: Socket, isDirectTls: boolean, services: StreamServices, events: InboundStreamEvents) {
    this.#services = services;
    this.#events = events;
    this.#openedAt = services.now();
    this.#entry = services.ledger.open(socket.remoteAddress ?? '');
    const { xmppGatewayConfiguration } = services.index.config;
    this.#context = {
      get index() {
        return services.index;
      },
      newStreamId: () => services.newId(),
      get dialbackSecret() {
        return services.dialbackSecret;
      },
      limits: {
        maxBytes: xmppGatewayConfiguration.maximumStanzaSize,
        idleSeconds: xmppGatewayConfiguration.streamInactivityTimeout,
      },
      limitFor: (remoteDomain) => services.ledger.limitFor(remoteDomain, services.index),
    };
    this.#connection = new StreamConnection(socket, this, UNPROVED_LIMITS, () => services.now());
    if (isDirectTls) this.#connection.start((raw) => services.secureServer(raw, undefined));
    else {
      this.#step({ type: 'opened', security: undefined });
      this.#connection.start();
    }
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
    this.#step({ type: 'disconnected', detail });
    this.#entry.settle();
    this.#events.onEnded(this);
  }

  reconsider(): void {
    this.#step({ type: 'reconsider' });
  }

  shutdown(): void {
    this.#step({ type: 'shutdown' });
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  /** Called about once a second. */
  tick(now: number): void {
    const { streamEstablishmentTimeout, streamInactivityTimeout, keepAliveInterval } =
      this.#services.index.config.xmppGatewayConfiguration;
    if (this.#state.at === 'closed') return;
    if (this.#state.at !== 'open') {
      if (now - this.#openedAt >= streamEstablishmentTimeout * 1_000)
        this.#step({ type: 'timeout', what: 'establishment' });
      return;
    }
    if (now - this.#connection.lastReadAt >= streamInactivityTimeout * 1_000) {
      this.#step({ type: 'timeout', what: 'inactivity' });
      return;
    }
    const partner = this.#services.index.partnerOf(this.#state.first.remoteDomain)?.partner;
    const isDue = now - this.#connection.lastWriteAt >= keepAliveInterval * 1_000;
    // White space finds out about dead peers; a stanza may not travel this way (RFC 6120 section 4.6.1).
    if (isDue && partner?.enableKeepAlive === true) this.#connection.send(' ');
  }

  snapshot(): StreamSnapshot {
    const state = this.#state;
    return {
      direction: 'inbound',
      streamId: this.#streamId,
      peerAddress: this.#connection.remoteAddress,
      state: state.at,
      proofs: state.at === 'open' ? [...state.proofs.values()] : [],
      tls: this.#tls,
      openedAt: new Date(this.#openedAt).toISOString(),
    };
  }

  #step(event: InboundEvent): void {
    try {
      const [state, effects] = stepInbound(this.#state, event, this.#context);
      this.#state = state;
      if (state.at === 'negotiating') {
        this.#streamId = state.streamId;
        this.#localDomain = state.localDomain;
        this.#remoteDomain = state.remoteDomain;
      }
      for (let i = 0; i < effects.length; i++) {
        const effect = effects[i];
        if (effect !== undefined) this.#perform(effect);
      }
    } catch (error) {
      // Our bug costs this stream and no other.
      this.#state = { at: 'closed' };
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#end('', { why: 'fault', detail });
    }
  }

  #perform(effect: InboundEffect): void {
    switch (effect.do) {
      case 'deliver': {
        const { stanza, from, to, proof } = effect;
        this.#services.onStanza({ stanza, from, to, proof, streamId: this.#streamId });
        return;
      }
      case 'send':
        this.#connection.send(effect.xml);
        return;
      case 'start-tls':
        this.#connection.startTls((raw) => this.#services.secureServer(raw, this.#localDomain));
        return;
      case 'restart':
        this.#connection.restart();
        return;
      case 'admitted':
        this.#admitted(effect.proof);
        return;
      case 'pair-refused':
        this.#services.observe({
          type: 'pair-refused',
          ...this.#identity(),
          remoteDomain: effect.remoteDomain,
          ending: effect.ending,
        });
        return;
      case 'verify-dialback': {
        const { localDomain, remoteDomain } = effect;
        this.#events.verifyDialback(effect, (answer) =>
          this.#step({ type: 'dialback-answer', localDomain, remoteDomain, answer }),
        );
        return;
      }
      case 'reject':
        this.#services.onRejected(effect.stanza, effect.condition, effect.proof);
        return;
      case 'close':
        this.#end(effect.xml, effect.ending);
        return;
    }
  }

  #admitted(proof: Proof): void {
    const { index } = this.#services;
    this.#wasAdmitted = true;
    this.#remoteDomain = this.#remoteDomain === '' ? proof.remoteDomain : this.#remoteDomain;
    this.#entry.admit(index.partnerOf(proof.remoteDomain)?.partner.domain ?? proof.remoteDomain);
    this.#connection.setLimits(provedLimits(index.config.xmppGatewayConfiguration.maximumStanzaSize));
    const { direction, streamId, peerAddress } = this.#identity();
    this.#services.observe({ type: 'stream-admitted', direction, streamId, peerAddress, proof, tls: this.#tls });
  }

  #end(xml: string, ending: StreamEnding): void {
    this.#services.observe({ type: 'stream-ended', ...this.#identity(), wasAdmitted: this.#wasAdmitted, ending });
    this.#connection.close(xml);
  }

  #identity(): {
    readonly direction: 'inbound';
    readonly streamId: string;
    readonly peerAddress: string;
    readonly localDomain: string;
    readonly remoteDomain: string;
  } {
    return {
      direction: 'inbound',
      streamId: this.#streamId,
      peerAddress: this.#connection.remoteAddress,
      localDomain: this.#localDomain,
      remoteDomain: this.#remoteDomain,
    };
  }
}
