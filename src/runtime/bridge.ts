import {
  authorizeStanza,
  type Decision,
  type FederationIndex,
  type Refused,
  refusalOf,
  refuse,
  type StanzaKind,
} from '../policy/index.ts';
import type { BridgePolicy, BridgeServices, Direction } from './bridge-services.ts';
import { stanzaErrorNotice } from './interwork/delivery-notice.ts';
import { bounceAllowed, sipFailureReply, stanzaErrorReply, stanzaErrorToSip } from './interwork/errors.ts';
import { messageAddresses, messageToStanza } from './interwork/sip-to-xmpp.ts';
import { type MessageToSipOptions, messageToSip } from './interwork/xmpp-to-sip.ts';
import { SentMessages } from './sent-messages.ts';
import { answerServerIq } from './server-iq.ts';
import type { SipReceivedMessage } from './sip/page-message.ts';
import type { SipOutcome } from './sip-client.ts';
import type { SipAnswer } from './sip-server.ts';
import type { RouteFailure } from './streams/route-failure.ts';
import type { ReceivedStanza } from './streams/stream-services.ts';
import type { PartnerTraffic } from './traffic.ts';
import { escapeAttribute, XmlElement } from './xmpp/element.ts';
import type { Jid } from './xmpp/jid.ts';
import type { Proof } from './xmpp/session.ts';
import type { StanzaErrorCondition } from './xmpp/stanza-error.ts';

/** Between the streams of partners and the SIP pool: asks the policy, translates, sees to it that every sender hears of a failure. */
export class Bridge {
  readonly #services: BridgeServices;
  readonly #sent = new SentMessages();
  #index: FederationIndex;
  #toSip: MessageToSipOptions;
  #underWay = 0;
  #waitingReplies = 0;

  constructor(policy: BridgePolicy, services: BridgeServices) {
    this.#services = services;
    this.#index = policy.index;
    this.#toSip = translationOptions(policy);
  }

  /** Messages whose fate is not known yet. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Errors and answers to partners that are neither sent nor lost. */
  get waitingReplies(): number {
    return this.#waitingReplies;
  }

  apply(policy: BridgePolicy): void {
    this.#index = policy.index;
    this.#toSip = translationOptions(policy);
  }

  // -- from a partner ------------------------------------------------------------------------------------------------

  onStanza(received: ReceivedStanza): void {
    const { stanza, to } = received;
    if (to.local === '') this.#onServerStanza(received);
    else if (stanza.name !== 'message') this.#onPresenceOrIq(received);
    else if (stanza.attr('type') === 'error') this.#onMessageError(received);
    else this.#onMessage(received);
  }

  /** A stanza that cannot even be addressed. */
  onRejected(stanza: XmlElement, condition: StanzaErrorCondition, { localDomain, remoteDomain }: Proof): void {
    if (!bounceAllowed(stanza)) return;
    // In the name of the domain: an address that is none would cost us the stream the answer goes out on.
    const { name, ns, attributes } = stanza;
    const addressed = attributes.map((value, i) => (attributes[i - 1] === 'to' && i % 2 === 1 ? localDomain : value));
    this.#reply(localDomain, remoteDomain, stanzaErrorReply(new XmlElement(name, ns, addressed, []), condition));
  }

  #onMessage(received: ReceivedStanza): void {
    const { stanza, from, to } = received;
    const entry = this.#index.partnerOf(from.domain);
    const traffic = this.#services.traffic.of(entry);
    // Before anything that depends on the recipient, or the answers would tell denied users from unknown ones.
    if (!traffic.mayPass(entry?.partner.messageRateLimit, this.#services.now())) {
      this.#refuseMessage(received, refuse('rate-limited', `${entry?.path ?? ''}.messageRateLimit`), traffic);
      return;
    }
    const decision = this.#judge('inbound', to, from, 'message');
    if (decision.verdict === 'refuse') {
      this.#refuseMessage(received, decision, traffic);
      return;
    }
    const translation = messageToSip(stanza, from, to, this.#toSip);
    if (translation.ok === 'ignore') return;
    if (!translation.ok) {
      traffic.sipFailures += 1;
      this.#observeFailure('inbound', traffic, from, to, translation.condition);
      this.#reply(to.domain, from.domain, stanzaErrorReply(stanza, translation.condition, translation.text));
      return;
    }
    traffic.messagesToSip += 1;
    this.#logBody('inbound', traffic, from, to, translation.message.body);
    this.#underWay += 1;
    this.#services.sendToPool(translation.message, (outcome) => {
      this.#underWay -= 1;
      if (outcome.status < 300) return;
      traffic.sipFailures += 1;
      this.#observeFailure('inbound', traffic, from, to, `${outcome.status} ${outcome.reason} (${outcome.source})`);
      this.#reply(to.domain, from.domain, failureReply(stanza, outcome));
    });
  }

  /** A partner could not deliver what we sent: the SIP request has been answered long ago, so a notice tells the user. */
  #onMessageError(received: ReceivedStanza): void {
    const { stanza, from, to } = received;
    const exchange = this.#sent.take(stanza.attr('id') ?? '', from, to);
    if (exchange === undefined) return;
    const { user, contact } = exchange;
    // It belongs to a message of our user, and may come from wherever that message may go.
    const decision = this.#judge('outbound', user, contact, 'message');
    if (decision.verdict === 'refuse') {
      this.#observeRefusal(received, 'message', decision, this.#trafficOf(from));
      return;
    }
    const notice = stanzaErrorNotice(stanza, contact, user, this.#index);
    if (notice === undefined) return;
    this.#underWay += 1;
    // What becomes of a notice is nobody's to hear: it would be an error for an error.
    this.#services.sendToPool(notice, () => {
      this.#underWay -= 1;
    });
  }

  #refuseMessage(received: ReceivedStanza, refused: Refused, traffic: PartnerTraffic): void {
    const { stanza, from, to } = received;
    this.#observeRefusal(received, 'message', refused, traffic);
    const { condition } = refusalOf(refused.reason).stanzaError;
    const answer =
      condition === 'item-not-found'
        ? this.#answerAsForUnknownUser(stanza, from, to)
        : stanzaErrorReply(stanza, condition);
    if (answer !== undefined) this.#reply(to.domain, from.domain, answer);
  }

  /** What the sender would get if the user did not exist, whatever stands in the way before the pool could say so. */
  #answerAsForUnknownUser(stanza: XmlElement, from: Jid, to: Jid): string | undefined {
    const translation = messageToSip(stanza, from, to, this.#toSip);
    if (translation.ok === 'ignore') return undefined;
    if (!translation.ok) return stanzaErrorReply(stanza, translation.condition, translation.text);
    const outage = this.#services.poolOutage();
    return outage === undefined ? stanzaErrorReply(stanza, 'item-not-found') : failureReply(stanza, outage);
  }

  /** Presence and iq are not translated: whoever asks learns the same about every user, refused or not. */
  #onPresenceOrIq(received: ReceivedStanza): void {
    const { stanza, from, to } = received;
    const kind = kindOf(stanza);
    const decision = this.#judge('inbound', to, from, kind);
    if (decision.verdict === 'refuse') this.#observeRefusal(received, kind, decision, this.#trafficOf(from));
    const type = stanza.attr('type');
    // RFC 6121 sections 3.1.3 and 4.3.2: what a server says of a user who does not exist.
    if (kind === 'subscribe' && (type === 'subscribe' || type === 'probe')) {
      const [us, them] = [escapeAttribute(to.bare), escapeAttribute(from.bare)];
      this.#reply(to.domain, from.domain, `<presence from='${us}' to='${them}' type='unsubscribed'/>`);
    } else if (kind === 'iq' && (type === 'get' || type === 'set')) {
      this.#reply(to.domain, from.domain, stanzaErrorReply(stanza, 'service-unavailable'));
    }
  }

  /** To a served domain itself: answered here, whoever the partner is, and reaching nobody. */
  #onServerStanza({ stanza, from, to }: ReceivedStanza): void {
    if (stanza.name === 'iq') {
      const answer = answerServerIq(stanza);
      if (answer !== undefined) this.#reply(to.domain, from.domain, answer);
    } else if (stanza.name === 'message' && bounceAllowed(stanza)) {
      this.#reply(to.domain, from.domain, stanzaErrorReply(stanza, 'service-unavailable'));
    }
  }

  #reply(localDomain: string, remoteDomain: string, xml: string): void {
    this.#waitingReplies += 1;
    this.#services.sendToPartner(localDomain, remoteDomain, xml, (failure) => {
      this.#waitingReplies -= 1;
      if (failure !== undefined) this.#services.traffic.of(this.#index.partnerOf(remoteDomain)).lostReplies += 1;
    });
  }

  // -- from the pool -------------------------------------------------------------------------------------------------

  onPoolMessage(message: SipReceivedMessage, answer: SipAnswer): void {
    const index = this.#index;
    const addresses = messageAddresses(message, index);
    if (!addresses.ok) {
      const { status, reason } = addresses;
      const ends = { from: message.from, to: message.requestUri };
      this.#services.observe({ type: 'pool-message-refused', ...ends, status, reason });
      answer(status, reason);
      return;
    }
    const { from, to } = addresses;
    const traffic = this.#trafficOf(to);
    const decision = this.#judge('outbound', from, to, 'message');
    if (decision.verdict === 'refuse') {
      this.#observeRefusal({ from, to, streamId: '' }, 'message', decision, traffic, 'outbound');
      answer(refusalOf(decision.reason).sipStatus);
      return;
    }
    const id = this.#services.newId();
    const maxStanzaBytes = index.config.xmppGatewayConfiguration.maximumStanzaSize;
    const translation = messageToStanza(message, { id, served: index, maxStanzaBytes });
    if (translation.ok === 'ignore') {
      answer(200);
      return;
    }
    if (!translation.ok) {
      traffic.xmppFailures += 1;
      this.#observeFailure('outbound', traffic, from, to, `${translation.status} ${translation.reason}`);
      answer(translation.status, translation.reason);
      return;
    }
    traffic.messagesToXmpp += 1;
    this.#logBody('outbound', traffic, from, to, message.body);
    this.#underWay += 1;
    // The pool hears 200 when the stanza is on an admitted stream, and not before.
    this.#services.sendToPartner(from.domain, to.domain, translation.xml, (failure) => {
      this.#underWay -= 1;
      if (failure === undefined) {
        this.#sent.add(id, { user: from, contact: to });
        answer(200);
        return;
      }
      traffic.xmppFailures += 1;
      this.#observeFailure('outbound', traffic, from, to, failure.text);
      answer(sipStatusOf(failure), failure.text);
    });
  }

  // -- both ----------------------------------------------------------------------------------------------------------

  #judge(direction: Direction, user: Jid, contact: Jid, kind: StanzaKind): Decision {
    const contactListed = direction === 'inbound' && this.#services.contacts.isListed(user.bare, contact.bare);
    const { bare: localUser, domain: localDomain } = user;
    const { domain: remoteDomain } = contact;
    return authorizeStanza({ direction, localUser, localDomain, remoteDomain, kind, contactListed }, this.#index);
  }

  #trafficOf(contact: Jid): PartnerTraffic {
    return this.#services.traffic.of(this.#index.partnerOf(contact.domain));
  }

  #observeRefusal(
    { from, to, streamId }: Pick<ReceivedStanza, 'from' | 'to' | 'streamId'>,
    kind: StanzaKind,
    refused: Refused,
    traffic: PartnerTraffic,
    direction: Direction = 'inbound',
  ): void {
    traffic.countRefusal(refused.reason);
    const { partner } = traffic;
    const addresses = { from: from.bare, to: to.bare };
    this.#services.observe({ type: 'stanza-refused', direction, partner, ...addresses, kind, streamId, refused });
  }

  #observeFailure(direction: Direction, { partner }: PartnerTraffic, from: Jid, to: Jid, cause: string): void {
    this.#services.observe({ type: 'message-failed', direction, partner, from: from.bare, to: to.bare, cause });
  }

  #logBody(direction: Direction, { partner }: PartnerTraffic, from: Jid, to: Jid, text: string | Buffer): void {
    if (!this.#index.config.xmppGatewayConfiguration.enableLoggingAllMessageBodies) return;
    const body = text.toString();
    this.#services.observe({ type: 'message-passed', direction, partner, from: from.bare, to: to.bare, body });
  }
}

function translationOptions({ index, maxRequestBytes }: BridgePolicy): MessageToSipOptions {
  return maxRequestBytes === undefined ? { served: index } : { served: index, maxRequestBytes };
}

/** The answer to a message that the pool did not take. Our own words about the way there are for operators only. */
function failureReply(stanza: XmlElement, { status, reason, source }: SipOutcome): string {
  return sipFailureReply(stanza, status, source === 'response' ? reason : '');
}

function kindOf(stanza: XmlElement): StanzaKind {
  if (stanza.name === 'iq') return 'iq';
  const type = stanza.attr('type');
  return type === undefined || type === 'unavailable' || type === 'error' ? 'presence' : 'subscribe';
}

/** The SIP status for a stanza that did not reach the partner (RFC 7247 Table 2). */
function sipStatusOf({ condition, refusal }: RouteFailure): number {
  if (refusal !== undefined) return refusalOf(refusal).sipStatus;
  const status = stanzaErrorToSip(condition, { full: false });
  // A 408 to a non-INVITE request says nothing the sender would not find out: RFC 4320 section 4.2 forbids it.
  return status === 408 ? 480 : status;
}
