import {
  ALLOW,
  authorizeStanza,
  type FederationIndex,
  type Refused,
  refusalOf,
  refuse,
  type StanzaKind,
} from '../policy/index.ts';
import { stanzaErrorNotice } from './interwork/delivery-notice.ts';
import { bounceAllowed, sipFailureReply, stanzaErrorReply, stanzaErrorToSip } from './interwork/errors.ts';
import { messageAddresses, messageToStanza } from './interwork/sip-to-xmpp.ts';
import { messageToSip, type SipTranslation } from './interwork/xmpp-to-sip.ts';
import { SentMessages } from './sent-messages.ts';
import { answerServerIq } from './server-iq.ts';
import type { SipPageMessage, SipReceivedMessage } from './sip/page-message.ts';
import type { SipOutcome } from './sip-client.ts';
import type { SipAnswer } from './sip-server.ts';
import type { SendDone } from './streams/outbound-route.ts';
import type { RouteFailure } from './streams/route-failure.ts';
import type { ReceivedStanza } from './streams/stream-services.ts';
import type { PartnerTraffic, TrafficLedger } from './traffic.ts';
import { escapeAttribute, type XmlElement } from './xmpp/element.ts';
import type { Jid } from './xmpp/jid.ts';
import type { Proof } from './xmpp/session.ts';
import type { StanzaErrorCondition } from './xmpp/stanza-error.ts';

/** Whom our users have on their contact lists. */
export interface ContactList {
  isListed(user: string, contact: string): boolean;
}

/** Nobody is listed: what cannot be known is a refusal for contacts of `PublicUnverified` partners. */
export const NO_CONTACTS: ContactList = { isListed: () => false };

export interface BridgeOptions {
  readonly contacts: ContactList;
  readonly traffic: TrafficLedger;
  /** Largest SIP request in bytes, where the way to the pool has such a limit. */
  readonly maxRequestBytes: number | undefined;
  now(): number;
  newId(): string;
  sendToPartner(localDomain: string, remoteDomain: string, xml: string, done: SendDone): void;
  sendToPool(message: SipPageMessage, done: (outcome: SipOutcome) => void): void;
  /** The outcome any message to the pool would have now, when none can get there. */
  poolOutage(): SipOutcome | undefined;
  observe(event: BridgeObservation): void;
}

export type BridgeObservation =
  | {
      readonly type: 'stanza-refused';
      readonly direction: 'inbound' | 'outbound';
      readonly partner: string;
      readonly from: string;
      readonly to: string;
      readonly kind: StanzaKind;
      readonly streamId: string;
      readonly refused: Refused;
    }
  | {
      readonly type: 'message-failed';
      readonly direction: 'inbound' | 'outbound';
      readonly partner: string;
      readonly from: string;
      readonly to: string;
      readonly cause: string;
    }
  | {
      readonly type: 'message-passed';
      readonly direction: 'inbound' | 'outbound';
      readonly partner: string;
      readonly from: string;
      readonly to: string;
      readonly body: string;
    };

/** Between the streams of partners and the SIP pool: asks the policy, translates, sees to it that every sender hears of a failure. */
export class Bridge {
  index: FederationIndex;
  readonly #options: BridgeOptions;
  readonly #sent = new SentMessages();
  #underWay = 0;

  constructor(index: FederationIndex, options: BridgeOptions) {
    this.index = index;
    this.#options = options;
  }

  /** Messages whose fate is not known yet. */
  get underWay(): number {
    return this.#underWay;
  }

  // -- from a partner ------------------------------------------------------------------------------------------------

  onStanza(received: ReceivedStanza): void {
    const { stanza, from, to } = received;
    if (to.local === '') return this.#onServerStanza(received);
    const { index } = this;
    const entry = index.partnerOf(from.domain);
    const traffic = this.#options.traffic.of(entry);
    const kind = kindOf(stanza);
    // Before anything that depends on the recipient, or the answers would tell denied users from unknown ones.
    if (kind === 'message' && !traffic.mayPass(entry?.partner.messageRateLimit, this.#options.now())) {
      return this.#refuseInbound(
        received,
        kind,
        refuse('rate-limited', `${entry?.path ?? ''}.messageRateLimit`),
        traffic,
      );
    }
    const contactListed = this.#options.contacts.isListed(to.bare, from.bare);
    const facts = { localUser: to.bare, localDomain: to.domain, remoteDomain: from.domain, kind, contactListed };
    const decision = authorizeStanza({ direction: 'inbound', ...facts }, index);
    if (decision.verdict === 'refuse') return this.#refuseInbound(received, kind, decision, traffic);
    if (kind === 'message') this.#messageToPool(received, traffic);
    else this.#answerWithoutPool(received, kind);
  }

  /** A stanza that cannot even be addressed. */
  onRejected(stanza: XmlElement, condition: StanzaErrorCondition, proof: Proof): void {
    if (bounceAllowed(stanza)) this.#reply(proof.localDomain, proof.remoteDomain, stanzaErrorReply(stanza, condition));
  }

  #messageToPool({ stanza, from, to }: ReceivedStanza, traffic: PartnerTraffic): void {
    if (stanza.attr('type') === 'error') return this.#onMessageError(stanza, from, to);
    const translation = this.#translate(stanza, from, to);
    if (translation.ok === 'ignore') return;
    if (!translation.ok) {
      traffic.sipFailures += 1;
      this.#observeFailure('inbound', traffic, from, to, translation.condition);
      return this.#reply(to.domain, from.domain, stanzaErrorReply(stanza, translation.condition, translation.text));
    }
    traffic.messagesToSip += 1;
    if (this.index.config.xmppGatewayConfiguration.enableLoggingAllMessageBodies) {
      this.#observePassed('inbound', traffic, from, to, translation.message.body);
    }
    this.#underWay += 1;
    this.#options.sendToPool(translation.message, (outcome) => {
      this.#underWay -= 1;
      if (outcome.status < 300) return;
      traffic.sipFailures += 1;
      this.#observeFailure('inbound', traffic, from, to, `${outcome.status} ${outcome.reason} (${outcome.source})`);
      if (bounceAllowed(stanza))
        this.#reply(to.domain, from.domain, sipFailureReply(stanza, outcome.status, outcome.reason));
    });
  }

  #translate(stanza: XmlElement, from: Jid, to: Jid): SipTranslation {
    const { maxRequestBytes } = this.#options;
    const served = this.index;
    return messageToSip(stanza, from, to, maxRequestBytes === undefined ? { served } : { served, maxRequestBytes });
  }

  /** A partner could not deliver what we sent: the SIP request has been answered long ago, so a notice tells the user. */
  #onMessageError(stanza: XmlElement, from: Jid, to: Jid): void {
    if (!this.#sent.take(stanza.attr('id') ?? '')) return;
    const notice = stanzaErrorNotice(stanza, from, to, this.index);
    if (notice !== undefined) this.#notify(notice);
  }

  #notify(notice: SipPageMessage): void {
    this.#underWay += 1;
    this.#options.sendToPool(notice, () => {
      this.#underWay -= 1;
    });
  }

  // Presence is not translated: whoever asks learns the same about every user (RFC 6121 sections 3.1.3, 4.3.2).
  #answerWithoutPool({ stanza, from, to }: ReceivedStanza, kind: StanzaKind): void {
    const type = stanza.attr('type');
    if (kind === 'subscribe') {
      if (type === 'subscribe' || type === 'probe') this.#replyUnsubscribed(from, to);
      return;
    }
    if (kind === 'iq' && (type === 'get' || type === 'set')) {
      this.#reply(to.domain, from.domain, stanzaErrorReply(stanza, 'service-unavailable'));
    }
  }

  #refuseInbound(received: ReceivedStanza, kind: StanzaKind, refused: Refused, traffic: PartnerTraffic): void {
    const { stanza, from, to, streamId } = received;
    traffic.countRefusal(refused.reason);
    this.#options.observe({
      type: 'stanza-refused',
      direction: 'inbound',
      partner: traffic.partner,
      from: from.bare,
      to: to.bare,
      kind,
      streamId,
      refused,
    });
    // A refused presence or iq looks the same as one for any other user.
    if (kind !== 'message') return this.#answerWithoutPool(received, kind);
    if (!bounceAllowed(stanza)) return;
    const { condition } = refusalOf(refused.reason).stanzaError;
    const answer =
      condition === 'item-not-found'
        ? this.#answerAsForUnknownUser(stanza, from, to)
        : stanzaErrorReply(stanza, condition);
    if (answer !== undefined) this.#reply(to.domain, from.domain, answer);
  }

  /** What the sender would get if the user did not exist, whatever stands in the way before the pool could say so. */
  #answerAsForUnknownUser(stanza: XmlElement, from: Jid, to: Jid): string | undefined {
    const translation = this.#translate(stanza, from, to);
    if (translation.ok === 'ignore') return undefined;
    if (!translation.ok) return stanzaErrorReply(stanza, translation.condition, translation.text);
    const outage = this.#options.poolOutage();
    if (outage !== undefined) return sipFailureReply(stanza, outage.status, outage.reason);
    return stanzaErrorReply(stanza, 'item-not-found');
  }

  #replyUnsubscribed(from: Jid, to: Jid): void {
    this.#reply(
      to.domain,
      from.domain,
      `<presence from='${escapeAttribute(to.bare)}' to='${escapeAttribute(from.bare)}' type='unsubscribed'/>`,
    );
  }

  #onServerStanza({ stanza, from, to }: ReceivedStanza): void {
    if (stanza.name === 'iq') {
      const answer = answerServerIq(stanza);
      if (answer !== undefined) this.#reply(to.domain, from.domain, answer);
    } else if (stanza.name === 'message' && bounceAllowed(stanza)) {
      this.#reply(to.domain, from.domain, stanzaErrorReply(stanza, 'service-unavailable'));
    }
  }

  #reply(localDomain: string, remoteDomain: string, xml: string): void {
    this.#options.sendToPartner(localDomain, remoteDomain, xml, (failure) => {
      if (failure === undefined) return;
      const traffic = this.#options.traffic.of(this.index.partnerOf(remoteDomain));
      traffic.xmppFailures += 1;
    });
  }

  // -- from the pool -------------------------------------------------------------------------------------------------

  onPoolMessage(message: SipReceivedMessage, answer: SipAnswer): void {
    const { index } = this;
    const addresses = messageAddresses(message, index);
    if (!addresses.ok) return answer(addresses.status, addresses.reason);
    const { from, to } = addresses;
    const traffic = this.#options.traffic.of(index.partnerOf(to.domain));
    const decision = authorizeStanza(
      {
        direction: 'outbound',
        localUser: from.bare,
        localDomain: from.domain,
        remoteDomain: to.domain,
        kind: 'message',
        contactListed: false,
      },
      index,
    );
    if (decision.verdict === 'refuse') return this.#refuseOutbound(from, to, decision, traffic, answer);
    const id = this.#options.newId();
    const maxStanzaBytes = index.config.xmppGatewayConfiguration.maximumStanzaSize;
    const translation = messageToStanza(message, { id, served: index, maxStanzaBytes });
    if (translation.ok === 'ignore') return answer(200);
    if (!translation.ok) return answer(translation.status, translation.reason);
    traffic.messagesToXmpp += 1;
    if (index.config.xmppGatewayConfiguration.enableLoggingAllMessageBodies) {
      this.#observePassed('outbound', traffic, from, to, message.body.toString());
    }
    this.#underWay += 1;
    // The pool hears 200 when the stanza is on an admitted stream, and not before.
    this.#options.sendToPartner(from.domain, to.domain, translation.xml, (failure) => {
      this.#underWay -= 1;
      if (failure === undefined) {
        this.#sent.add(id);
        answer(200);
        return;
      }
      traffic.xmppFailures += 1;
      this.#observeFailure('outbound', traffic, from, to, failure.text);
      const { status, reason } = sipFailure(failure);
      answer(status, reason);
    });
  }

  #refuseOutbound(from: Jid, to: Jid, refused: Refused, traffic: PartnerTraffic, answer: SipAnswer): void {
    traffic.countRefusal(refused.reason);
    this.#options.observe({
      type: 'stanza-refused',
      direction: 'outbound',
      partner: traffic.partner,
      from: from.bare,
      to: to.bare,
      kind: 'message',
      streamId: '',
      refused,
    });
    answer(refusalOf(refused.reason).sipStatus);
  }

  // -- observation ---------------------------------------------------------------------------------------------------

  #observeFailure(
    direction: 'inbound' | 'outbound',
    { partner }: PartnerTraffic,
    from: Jid,
    to: Jid,
    cause: string,
  ): void {
    this.#options.observe({ type: 'message-failed', direction, partner, from: from.bare, to: to.bare, cause });
  }

  #observePassed(
    direction: 'inbound' | 'outbound',
    { partner }: PartnerTraffic,
    from: Jid,
    to: Jid,
    body: string,
  ): void {
    this.#options.observe({ type: 'message-passed', direction, partner, from: from.bare, to: to.bare, body });
  }
}

function kindOf(stanza: XmlElement): StanzaKind {
  if (stanza.name === 'message') return 'message';
  if (stanza.name === 'iq') return 'iq';
  const type = stanza.attr('type');
  return type === undefined || type === 'unavailable' || type === 'error' ? 'presence' : 'subscribe';
}

/** The SIP answer for a stanza that did not reach the partner (RFC 7247 Table 2, RFC 4320 for 408). */
function sipFailure({ condition, refusal, text }: RouteFailure): { readonly status: number; readonly reason: string } {
  if (refusal !== undefined) return { status: refusalOf(refusal).sipStatus, reason: text };
  const status = stanzaErrorToSip(condition, { full: false });
  // A 408 to a non-INVITE request says nothing the sender would not find out: RFC 4320 section 4.2 forbids it.
  return { status: status === 408 ? 480 : status, reason: text };
}
