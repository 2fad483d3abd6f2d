import type { SipPageMessage } from '../sip/page-message.ts';
import type { XmlElement } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { STANZA_ERROR_TYPE, type StanzaErrorCondition } from '../xmpp/stanza-error.ts';
import { bareJidToSipUri, jidToSipUri } from './addresses.ts';
import type { ServedDomains } from './served-domains.ts';
import { threadToCallId } from './thread-id.ts';

/** Why a message did not arrive, in words for the person who wrote it. */
const MEANING: Readonly<Record<StanzaErrorCondition, string>> = {
  'bad-request': 'the other system could not process it',
  conflict: 'the other system could not process it',
  'feature-not-implemented': 'the other system does not take such messages',
  forbidden: 'you are not allowed to send to this address',
  gone: 'this address is no longer in use',
  'internal-server-error': 'the other system had an internal error',
  'item-not-found': 'this address does not exist',
  'jid-malformed': 'this address is not valid',
  'not-acceptable': 'the recipient does not accept it',
  'not-allowed': 'you are not allowed to send to this address',
  'not-authorized': 'you are not allowed to send to this address',
  'policy-violation': 'the rules of the other system do not allow it',
  'recipient-unavailable': 'the recipient is not available now',
  redirect: 'the recipient has another address now',
  'registration-required': 'the recipient only takes messages from registered senders',
  'remote-server-not-found': 'the other system cannot be found',
  'remote-server-timeout': 'the other system did not answer',
  'resource-constraint': 'the other system is busy; try again later',
  'service-unavailable': 'the recipient cannot receive messages',
  'subscription-required': 'the recipient only takes messages from contacts',
  'undefined-condition': 'the other system reported an error',
  'unexpected-request': 'the other system could not process it now',
};

/**
 * A message to one of our SIP users saying that what they sent to `contact` was not delivered, for failures after the
 * MESSAGE was answered with 200. It comes from the contact, so that it shows up in that conversation, and repeats
 * nothing of the original. Undefined when `user` is not of a served domain.
 *
 * @param thread thread of the original message, when known: the notice then joins its Call-ID
 */
export function deliveryNotice(
  condition: StanzaErrorCondition,
  contact: Jid,
  user: Jid,
  served: ServedDomains,
  thread?: string,
): SipPageMessage | undefined {
  const home = served.servedDomain(user.domain);
  if (home === undefined || user.local === '' || contact.local === '') return undefined;
  const userUri = jidToSipUri(user, home.sipDomain);
  return {
    requestUri: userUri,
    // The conversation is with the person, not with one of their devices.
    from: bareJidToSipUri(contact, contact.domain),
    to: userUri,
    contentType: 'text/plain;charset=UTF-8',
    contentLanguage: 'en',
    body: `Your message was not delivered: ${MEANING[condition]}.`,
    ...(thread === undefined ? {} : { callId: threadToCallId(thread) }),
  };
}

/** The condition of an error stanza; `undefined-condition` for one that names none known (RFC 6120 section 8.3.2). */
export function stanzaErrorCondition(stanza: XmlElement): StanzaErrorCondition {
  for (const child of stanza.child('error')?.elements() ?? []) {
    if (child.ns === NS.stanzas && isCondition(child.name)) return child.name;
  }
  return 'undefined-condition';
}

function isCondition(name: string): name is StanzaErrorCondition {
  return Object.hasOwn(STANZA_ERROR_TYPE, name);
}

/**
 * The notice for an error a partner sent in answer to a translated message; undefined for anything but a message of type
 * `error`. Partners can send errors nobody asked for: the caller checks that it sent the stanza of that `id`, once.
 */
export function stanzaErrorNotice(
  stanza: XmlElement,
  from: Jid,
  to: Jid,
  served: ServedDomains,
): SipPageMessage | undefined {
  if (stanza.name !== 'message' || stanza.attr('type') !== 'error') return undefined;
  const thread = stanza.child('thread')?.text();
  return deliveryNotice(stanzaErrorCondition(stanza), from, to, served, thread || undefined);
}
