import assert from 'node:assert/strict';
import type { AuthMethod, FederationIndex } from '../../src/policy/index.ts';
import {
  INBOUND_START,
  type InboundContext,
  type InboundEffect,
  type InboundEvent,
  type InboundState,
  stepInbound,
} from '../../src/runtime/xmpp/inbound-session.ts';
import {
  OUTBOUND_START,
  type OutboundContext,
  type OutboundEffect,
  type OutboundEvent,
  type OutboundState,
  stepOutbound,
} from '../../src/runtime/xmpp/outbound-session.ts';
import type { ChannelSecurity, SessionEvent } from '../../src/runtime/xmpp/session.ts';
import { StreamParser } from '../../src/runtime/xmpp/stream-parser.ts';
import { LIMITS } from './xml-stream.ts';

/** An initiating and a receiving session that talk to each other in memory, by text and through the parser. */

export interface WireEnd {
  readonly domain: string;
  readonly index: FederationIndex;
  readonly secret: string;
  /** As the other end judges it; without one an end cannot be the server of a TLS handshake. */
  readonly certificate: 'valid' | 'invalid' | 'missing';
}

type Effect = InboundEffect | OutboundEffect;

/** One session behind a parser. */
class Side<Event> {
  readonly #step: (event: Event | SessionEvent) => readonly Effect[];
  readonly #send: (xml: string) => void;
  readonly #onEffect: (effect: Effect) => void;
  #parser: StreamParser;

  constructor(
    step: (event: Event | SessionEvent) => readonly Effect[],
    send: (xml: string) => void,
    onEffect: (effect: Effect) => void,
  ) {
    this.#step = step;
    this.#send = send;
    this.#onEffect = onEffect;
    this.#parser = this.#newParser();
  }

  tell(event: Event | SessionEvent): void {
    for (const effect of this.#step(event)) {
      if (effect.do === 'send' || effect.do === 'close') this.#send(effect.xml);
      if (effect.do === 'start-tls' || effect.do === 'restart' || effect.do === 'close') {
        this.#parser.stop();
        this.#parser = this.#newParser();
      }
      this.#onEffect(effect);
    }
  }

  hear(xml: string): void {
    this.#parser.write(Buffer.from(xml));
  }

  #newParser(): StreamParser {
    return new StreamParser(
      {
        onHeader: (header) => this.tell({ type: 'header', header }),
        onElement: (element) => this.tell({ type: 'element', element }),
        onEnd: () => this.tell({ type: 'stream-end' }),
        onBroken: (condition, text) => this.tell({ type: 'broken', condition, text }),
      },
      LIMITS,
    );
  }
}

/** The method that proved the initiator to the receiver on both ends, or `none`. With direct TLS there is no clear text. */
export function negotiate(initiator: WireEnd, receiver: WireEnd, isDirectTls = false): AuthMethod | 'none' {
  if (isDirectTls && receiver.certificate === 'missing') return 'none';
  const { admittedIn, admittedOut } = converse(initiator, receiver, isDirectTls);
  assert.equal(admittedOut, admittedIn, 'both ends agree on the outcome');
  return admittedIn ?? 'none';
}

interface Question {
  readonly streamId: string;
  readonly key: string;
}

interface Outcome {
  admittedIn?: AuthMethod;
  admittedOut?: AuthMethod;
  /** Set when a question was asked and answered. */
  isKeyValid?: boolean;
}

function converse(initiator: WireEnd, receiver: WireEnd, isDirectTls: boolean, question?: Question): Outcome {
  const outcome: Outcome = {};
  const tasks: (() => void)[] = [];
  const outboundContext: OutboundContext = {
    index: initiator.index,
    dialbackSecret: initiator.secret,
    localDomain: initiator.domain,
    remoteDomain: receiver.domain,
    purpose: question === undefined ? 'stanzas' : 'verify',
  };
  let ids = 0;
  const inboundContext: InboundContext = {
    index: receiver.index,
    dialbackSecret: receiver.secret,
    newStreamId: () => `stream-${++ids}`,
    limits: { maxBytes: 65_536, idleSeconds: 600 },
    limitFor: () => undefined,
  };
  let outState: OutboundState = OUTBOUND_START;
  let inState: InboundState = INBOUND_START;

  const out = new Side<OutboundEvent>(
    (event) => {
      const [state, effects] = stepOutbound(outState, event, outboundContext);
      outState = state;
      return effects;
    },
    (xml) => tasks.push(() => into.hear(xml)),
    (effect) => {
      if (effect.do === 'admitted') outcome.admittedOut = effect.proof.method;
      if (effect.do === 'verified') outcome.isKeyValid = effect.answer.type === 'valid';
      if (effect.do === 'ready' && question !== undefined) tasks.push(() => out.tell({ type: 'verify', ...question }));
      if (effect.do === 'start-tls') tasks.push(secure);
    },
  );
  const into = new Side<InboundEvent>(
    (event) => {
      const [state, effects] = stepInbound(inState, event, inboundContext);
      inState = state;
      return effects;
    },
    // A server without a certificate has no TLS to offer.
    (xml) => tasks.push(() => out.hear(receiver.certificate === 'missing' ? withoutStarttls(xml) : xml)),
    (effect) => {
      if (effect.do === 'admitted') outcome.admittedIn = effect.proof.method;
      if (effect.do !== 'verify-dialback') return;
      const { remoteDomain, localDomain, streamId, key } = effect;
      // The initiator is its own authoritative server. There it needs a certificate, of whatever kind.
      const authoritative: WireEnd = { ...initiator, certificate: 'invalid' };
      const { isKeyValid } = converse(receiver, authoritative, false, { streamId, key });
      assert.notEqual(isKeyValid, undefined, 'a server that may use dialback is asked about its keys');
      const type = isKeyValid === true ? 'valid' : 'invalid';
      tasks.push(() => into.tell({ type: 'dialback-answer', remoteDomain, localDomain, streamId, answer: { type } }));
    },
  );
  function secure(): void {
    into.tell({ type: 'secured', security: shownBy(initiator) });
    out.tell({ type: 'secured', security: shownBy(receiver) });
  }

  into.tell({ type: 'opened', security: isDirectTls ? shownBy(initiator) : undefined });
  out.tell({ type: 'opened', security: isDirectTls ? shownBy(receiver) : undefined });
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) task();
  return outcome;
}

function withoutStarttls(xml: string): string {
  return xml.replace(/<starttls xmlns='[^']*'(?:\/>|><required\/><\/starttls>)/, '');
}

function shownBy({ domain, certificate }: WireEnd): ChannelSecurity {
  return {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    judge: (name) => ({
      proves: certificate === 'valid' && name === domain,
      detail: certificate,
      refusal: 'certificate-not-valid',
    }),
  };
}
