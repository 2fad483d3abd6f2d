import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { normalizeDomain } from '../../config/index.ts';
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
import type { DialbackQuestion } from './dialback-verifier.ts';
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
  verifyDialback(question: DialbackQuestion, answer: (answer: DialbackAnswer) => void): void;
  /** Takes an answer to a ping of ours (XEP-0199); says whether it was one. */
  takePong(id: string, proof: Proof): boolean;
  /** A domain of the partner has been proved. */
  onAdmitted(proof: Proof): void;
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
  readonly #isDirectTls: boolean;
  #tls = 'none';
  #wasAdmitted = false;
  #hasEnded = false;
  /** Of the latest stream header, for audit lines: a closed state has no names any more. */
  #streamId = '';
  #localDomain = '';
  #remoteDomain = '';

  constructor(socket: Socket, isDirectTls: boolean, services: StreamServices, events: InboundStreamEvents) {
    this.#services = services;
    this.#events = events;
    this.#isDirectTls = isDirectTls;
    this.#openedAt = services.now();
    const entry = services.ledger.open(socket.remoteAddress ?? '');
    this.#entry = entry;
    this.#context = {
      get index() {
        return services.index;
      },
      get dialbackSecret() {
        return services.dialbackSecret;
      },
      get limits() {
        const { maximumStanzaSize, streamInactivityTimeout } = services.index.config.xmppGatewayConfiguration;
        return { maxBytes: maximumStanzaSize, idleSeconds: streamInactivityTimeout };
      },
      newStreamId: () => {
        this.#streamId = services.newId();
        return this.#streamId;
      },
      limitFor: (remoteDomain) => entry.limitFor(remoteDomain, services.index),
    };
    this.#connection = new StreamConnection(socket, this, UNPROVED_LIMITS, () => services.now());
  }

  start(): void {
    if (this.#isDirectTls) {
      this.#connection.start((raw) => this.#services.secureServer(raw, undefined));
    } else {
      this.#step({ type: 'opened', security: undefined });
      this.#connection.start();
    }
  }

  onHeader(header: StreamHeader): void {
    this.#localDomain = normalizeDomain(header.to ?? '') ?? '';
    this.#remoteDomain = normalizeDomain(header.from ?? '') ?? '';
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
    if (this.#state.at === 'open') this.#widenLimits();
  }

  /** An open stream stays to take what is on its way; asked again, it ends. */
  shutdown(): void {
    this.#step({ type: 'shutdown' });
  }

  /** Whether only the peer has still to close the stream. */
  get isLeaving(): boolean {
    return this.#state.at === 'leaving';
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
    const state = this.#state;
    // How long the peer may take to leave is for who shuts down to say.
    if (state.at === 'closed' || state.at === 'leaving') return;
    if (state.at !== 'open') {
      if (now - this.#openedAt >= streamEstablishmentTimeout * 1_000) {
        this.#step({ type: 'timeout', what: 'establishment' });
      }
      return;
    }
    const { lastReadAt, lastWriteAt } = this.#connection;
    if (now - lastReadAt >= streamInactivityTimeout * 1_000) {
      this.#step({ type: 'timeout', what: 'inactivity' });
      return;
    }
    // White space finds out about dead peers; we may not send a stanza this way (RFC 6120 section 4.6.1).
    const isSilent = now - Math.max(lastReadAt, lastWriteAt) >= keepAliveInterval * 1_000;
    const partner = this.#services.index.partnerOf(state.first.remoteDomain)?.partner;
    if (isSilent && partner?.enableKeepAlive === true) this.#connection.send(' ');
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
        if (stanza.name === 'iq' && to.local === '' && this.#isPong(stanza, proof)) return;
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
        this.#onAdmitted(effect.proof);
        return;
      case 'pair-refused': {
        const { ending, remoteDomain } = effect;
        this.#services.observe({ type: 'pair-refused', ...this.#identity(), remoteDomain, ending });
        return;
      }
      case 'verify-dialback': {
        const { localDomain, remoteDomain, streamId } = effect;
        this.#events.verifyDialback(effect, (answer) =>
          this.#step({ type: 'dialback-answer', streamId, localDomain, remoteDomain, answer }),
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

  #isPong(stanza: XmlElement, proof: Proof): boolean {
    const type = stanza.attr('type');
    if (type !== 'result' && type !== 'error') return false;
    return this.#events.takePong(stanza.attr('id') ?? '', proof);
  }

  #onAdmitted(proof: Proof): void {
    this.#wasAdmitted = true;
    if (this.#remoteDomain === '') this.#remoteDomain = proof.remoteDomain;
    this.#entry.admit(this.#services.index.partnerOf(proof.remoteDomain)?.partner.domain ?? proof.remoteDomain);
    this.#widenLimits();
    const { direction, streamId, peerAddress } = this.#identity();
    this.#services.observe({ type: 'stream-admitted', direction, streamId, peerAddress, proof, tls: this.#tls });
    this.#events.onAdmitted(proof);
  }

  #widenLimits(): void {
    this.#connection.setLimits(provedLimits(this.#services.index.config.xmppGatewayConfiguration.maximumStanzaSize));
  }

  #end(xml: string, ending: StreamEnding): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#connection.close(xml);
    this.#services.observe({ type: 'stream-ended', ...this.#identity(), wasAdmitted: this.#wasAdmitted, ending });
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
