import assert from 'node:assert/strict';
import type { FederationConfigProps, XmppAllowedPartnerProps } from '../../src/config/index.ts';
import { type FederationIndex, indexFederation, type Refused } from '../../src/policy/index.ts';
import type { XmlElement } from '../../src/runtime/xmpp/element.ts';
import {
  INBOUND_START,
  type InboundContext,
  type InboundEffect,
  type InboundEvent,
  type InboundState,
  stepInbound,
} from '../../src/runtime/xmpp/inbound-session.ts';
import { NS } from '../../src/runtime/xmpp/namespaces.ts';
import {
  OUTBOUND_START,
  type OutboundContext,
  type OutboundEffect,
  type OutboundEvent,
  type OutboundState,
  stepOutbound,
} from '../../src/runtime/xmpp/outbound-session.ts';
import type { ChannelSecurity, StreamEnding } from '../../src/runtime/xmpp/session.ts';
import { type StreamHeader, StreamParser } from '../../src/runtime/xmpp/stream-parser.ts';
import { sampleFederation } from './federations.ts';
import { partnerWith } from './partners.ts';
import { LIMITS } from './xml-stream.ts';

/** Both directions of a stream as pure machines, told what happens by the test. */

export const OURS = 'contoso.com';
export const THEIRS = 'fabrikam.com';
export const SECRET = 'a secret of both our gateways';

export type PartnerSettings = Omit<XmppAllowedPartnerProps, 'domain'>;

/** contoso.com with fabrikam.com as its partner on these terms. */
export function indexWith(partner: PartnerSettings, changes: Partial<FederationConfigProps> = {}): FederationIndex {
  return indexFederation(sampleFederation({ xmppAllowedPartners: [{ domain: THEIRS, ...partner }], ...changes }));
}

/** The same for settings that a checked configuration would refuse: the streams must not rely on the check. */
export function uncheckedIndexWith(partner: PartnerSettings, ours = OURS, theirs = THEIRS): FederationIndex {
  const xmppAllowedPartners = [partnerWith({ ...partner, domain: theirs })];
  return indexFederation({
    ...sampleFederation({ domains: [{ domain: ours }], grants: [], xmppAllowedPartners: [] }),
    xmppAllowedPartners,
  });
}

/** Every method allowed. */
export const LENIENT: PartnerSettings = {
  tlsNegotiation: 'Optional',
  saslNegotiation: 'Optional',
  supportDialbackNegotiation: true,
};

/** An encrypted channel whose peer shows a certificate for these domains. */
export function channel(...provedDomains: readonly string[]): ChannelSecurity {
  return {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    judge: (domain) =>
      provedDomains.includes(domain)
        ? { proves: true, detail: '', refusal: 'certificate-not-valid' }
        : provedDomains.length > 0
          ? { proves: false, detail: 'certificate is for another domain', refusal: 'certificate-name-mismatch' }
          : { proves: false, detail: 'certificate: self-signed', refusal: 'certificate-not-valid' },
  };
}

export type HeaderFields = Omit<StreamHeader, 'namespaces' | 'defaultNs'> &
  Partial<Pick<StreamHeader, 'namespaces' | 'defaultNs'>>;

export function headerOf(fields: HeaderFields): StreamHeader {
  const namespaces = new Map([
    ['stream', NS.streams],
    ['db', NS.dialback],
  ]);
  return { defaultNs: NS.server, namespaces, ...fields };
}

const PREAMBLE = `<stream:stream xmlns='${NS.server}' xmlns:stream='${NS.streams}' xmlns:db='${NS.dialback}'>`;

/** Top-level elements as they would come on a stream; fails for what the parser refuses. */
export function elementsIn(xml: string): XmlElement[] {
  const elements: XmlElement[] = [];
  const handler = {
    onHeader: () => undefined,
    onElement: (element: XmlElement) => void elements.push(element),
    onEnd: () => undefined,
    onBroken: (condition: string, text: string) => assert.fail(`${condition}: ${text} in ${xml}`),
  };
  const parser = new StreamParser(handler, LIMITS);
  parser.write(Buffer.from(PREAMBLE + xml));
  return elements;
}

/** What the two directions have in common for a test: what came out, in words. */
abstract class Play<Event extends { readonly type: string }, Effect extends { readonly do: string }> {
  /** Everything since the start. */
  readonly effects: Effect[] = [];
  /** Effects of the last event. */
  last: readonly Effect[] = [];

  protected abstract step(event: Event): readonly Effect[];

  tell(...events: readonly Event[]): this {
    for (const event of events) {
      this.last = this.step(event);
      this.effects.push(...this.last);
    }
    return this;
  }

  /** Effects of the last event by name, e.g. `send admitted`. */
  get did(): string {
    return this.last.map((effect) => effect.do).join(' ');
  }

  everDid(name: Effect['do']): boolean {
    return this.effects.some((effect) => effect.do === name);
  }
}

export interface InboundPlayOptions {
  readonly limitFor?: (remoteDomain: string) => Refused | undefined;
}

/** The receiving side. */
export class InboundPlay extends Play<InboundEvent, InboundEffect> {
  state: InboundState = INBOUND_START;
  index: FederationIndex;
  #ids = 0;
  readonly #limitFor: InboundContext['limitFor'];

  constructor(index: FederationIndex, options: InboundPlayOptions = {}) {
    super();
    this.index = index;
    this.#limitFor = options.limitFor ?? (() => undefined);
  }

  protected step(event: InboundEvent): readonly InboundEffect[] {
    const [state, effects] = stepInbound(this.state, event, {
      index: this.index,
      dialbackSecret: SECRET,
      newStreamId: () => `stream-${++this.#ids}`,
      limits: { maxBytes: 65_536, idleSeconds: 600 },
      limitFor: this.#limitFor,
    });
    this.state = state;
    return effects;
  }

  /** Opens the connection and sends a header, fabrikam.com to contoso.com unless told otherwise. */
  open(security: ChannelSecurity | undefined, fields: HeaderFields = { from: THEIRS, to: OURS, version: '1.0' }): this {
    return this.tell({ type: 'opened', security }, { type: 'header', header: headerOf(fields) });
  }

  hear(xml: string): this {
    return this.tell(...elementsIn(xml).map((element) => ({ type: 'element', element }) as const));
  }

  /** SASL EXTERNAL and the new stream after it. */
  authenticate(authzid = '='): this {
    this.hear(`<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>${authzid}</auth>`);
    return this.tell({ type: 'header', header: headerOf({ from: THEIRS, to: OURS, version: '1.0' }) });
  }

  /** `<db:result/>` with a key, and the answer of the authoritative server. */
  dialback(answer: 'valid' | 'invalid' | undefined, from = THEIRS, to = OURS): this {
    this.hear(`<db:result from='${from}' to='${to}'>key</db:result>`);
    if (answer === undefined) return this;
    const asked = this.last.find((effect) => effect.do === 'verify-dialback');
    if (asked?.do !== 'verify-dialback') return this;
    const { remoteDomain, localDomain, streamId } = asked;
    return this.tell({ type: 'dialback-answer', remoteDomain, localDomain, streamId, answer: { type: answer } });
  }

  /** What the last event wrote, the end included. */
  get said(): string {
    return textOf(this.last);
  }

  get ending(): StreamEnding | undefined {
    return endingOf(this.effects);
  }
}

/** The initiating side, contoso.com to fabrikam.com. */
export class OutboundPlay extends Play<OutboundEvent, OutboundEffect> {
  state: OutboundState = OUTBOUND_START;
  index: FederationIndex;
  readonly #purpose: OutboundContext['purpose'];

  constructor(index: FederationIndex, purpose: OutboundContext['purpose'] = 'stanzas') {
    super();
    this.index = index;
    this.#purpose = purpose;
  }

  protected step(event: OutboundEvent): readonly OutboundEffect[] {
    const context = { dialbackSecret: SECRET, localDomain: OURS, remoteDomain: THEIRS };
    const [state, effects] = stepOutbound(this.state, event, { index: this.index, purpose: this.#purpose, ...context });
    this.state = state;
    return effects;
  }

  /** Opens the connection and hears a header and, if any, features. */
  open(security: ChannelSecurity | undefined, features?: string, id = 'D60000229F'): this {
    this.tell({ type: 'opened', security }, { type: 'header', header: headerOf({ from: THEIRS, id, version: '1.0' }) });
    return features === undefined ? this : this.hear(`<stream:features>${features}</stream:features>`);
  }

  /** The same on the stream that starts after TLS. */
  secured(security: ChannelSecurity, features: string): this {
    const header = headerOf({ from: THEIRS, id: 'after-tls', version: '1.0' });
    this.tell({ type: 'secured', security }, { type: 'header', header });
    return this.hear(`<stream:features>${features}</stream:features>`);
  }

  hear(xml: string): this {
    return this.tell(...elementsIn(xml).map((element) => ({ type: 'element', element }) as const));
  }

  get said(): string {
    return textOf(this.last);
  }

  get ending(): StreamEnding | undefined {
    return endingOf(this.effects);
  }
}

export const FEATURE = {
  starttls: `<starttls xmlns='${NS.tls}'/>`,
  external: `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`,
  dialback: `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`,
} as const;

type AnyEffect = InboundEffect | OutboundEffect;

export function textOf(effects: readonly AnyEffect[]): string {
  return effects.map((effect) => (effect.do === 'send' || effect.do === 'close' ? effect.xml : '')).join('');
}

export function endingOf(effects: readonly AnyEffect[]): StreamEnding | undefined {
  const close = effects.find((effect) => effect.do === 'close');
  return close?.do === 'close' ? close.ending : undefined;
}

/** Why a stream was refused, or what else ended it. */
export function reasonOf(ending: StreamEnding | undefined): string | undefined {
  if (ending?.why === 'refused') return ending.reason;
  return ending?.why === 'protocol' || ending?.why === 'peer-error' ? ending.condition : ending?.why;
}

/** The stream error in a text, if any. */
export function streamErrorIn(xml: string): string | undefined {
  return /<stream:error><([a-z-]+) /.exec(xml)?.[1];
}
