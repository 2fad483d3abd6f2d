import type { SipPageMessage } from '../sip/page-message.ts';
import type { XmlElement } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import type { StanzaErrorCondition } from '../xmpp/stanza-error.ts';
import { jidToSipUri } from './addresses.ts';
import { languageTag } from './language.ts';
import { isServed, type ServedDomains } from './served-domains.ts';
import { subjectLine } from './subject.ts';
import { threadToCallId } from './thread-id.ts';

export interface MessageToSipOptions {
  readonly served: ServedDomains;
  /**
   * Largest SIP request in bytes, 1300 where a hop may be without congestion control (RFC 3428 section 8); no limit
   * when absent. Headers added later are counted as 400 bytes.
   */
  readonly maxRequestBytes?: number;
}

export type SipTranslation =
  | { readonly ok: true; readonly message: SipPageMessage }
  | { readonly ok: false; readonly condition: StanzaErrorCondition; readonly text?: string }
  | { readonly ok: 'ignore' };

const CONTENT_TYPE = 'text/plain;charset=UTF-8';
const HEADER_ALLOWANCE = 400;

const IGNORED: SipTranslation = { ok: 'ignore' };
const NOT_PERSON_TO_PERSON: SipTranslation = {
  ok: false,
  condition: 'feature-not-implemented',
  text: 'Only messages from one person to another are translated.',
};
const ENCRYPTED: SipTranslation = {
  ok: false,
  condition: 'not-acceptable',
  text: 'Encrypted messages cannot be translated.',
};
const TOO_LARGE: SipTranslation = {
  ok: false,
  condition: 'policy-violation',
  text: 'The message is too large for the recipient.',
};
// The answer to a recipient who does not exist carries no text; nor may this one.
const NO_SUCH_USER: SipTranslation = { ok: false, condition: 'item-not-found' };

/**
 * Translates a message stanza into a page-mode MESSAGE (RFC 7572 section 4). `from` and `to` are the parsed addresses
 * of the stanza. `ignore`: nothing a person wrote (chat states, receipts, errors), so neither sent nor answered.
 */
export function messageToSip(stanza: XmlElement, from: Jid, to: Jid, options: MessageToSipOptions): SipTranslation {
  const type = stanza.attr('type');
  if (type === 'error') return IGNORED;
  if (type === 'groupchat') return NOT_PERSON_TO_PERSON;
  const recipient = options.served.servedDomain(to.domain);
  if (recipient === undefined || isServed(from.domain, options.served)) return NO_SUCH_USER;

  const content = readContent(stanza);
  const { body } = content;
  if (body === undefined) return hasEncryptedContent(stanza) ? ENCRYPTED : IGNORED;
  if (from.local === '' || to.local === '') return NOT_PERSON_TO_PERSON;

  const recipientUri = jidToSipUri(to, recipient.sipDomain);
  const message: Mutable<SipPageMessage> = {
    requestUri: recipientUri,
    from: jidToSipUri(from, from.domain),
    to: recipientUri,
    contentType: CONTENT_TYPE,
    body,
  };
  const { subject, thread, language } = content;
  if (subject !== undefined) message.subject = subject;
  if (thread !== undefined) message.callId = threadToCallId(thread);
  if (language !== undefined) message.contentLanguage = language;
  const { maxRequestBytes } = options;
  if (maxRequestBytes !== undefined && requestBytes(message) > maxRequestBytes) return TOO_LARGE;
  return { ok: true, message };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface Content {
  body: string | undefined;
  subject: string | undefined;
  thread: string | undefined;
  language: string | undefined;
}

/** One pass over the children; of several bodies or subjects the one in the language of the stanza, else the first. */
function readContent(stanza: XmlElement): Content {
  const { children, ns } = stanza;
  let body: XmlElement | undefined;
  let subject: XmlElement | undefined;
  let thread: XmlElement | undefined;
  let stanzaLanguage: string | undefined;
  let isLanguageRead = false;
  for (let i = 0; i < children.length; i++) {
    const child = children[i];
    if (child === undefined || typeof child === 'string' || child.ns !== ns) continue;
    if (child.name === 'thread') {
      thread ??= child;
      continue;
    }
    if (child.name !== 'body' && child.name !== 'subject') continue;
    const isBody = child.name === 'body';
    const chosen = isBody ? body : subject;
    if (chosen !== undefined) {
      if (!isLanguageRead) {
        stanzaLanguage = stanza.attr('xml:lang');
        isLanguageRead = true;
      }
      if (isInLanguage(chosen, stanzaLanguage) || !isInLanguage(child, stanzaLanguage)) continue;
    }
    if (isBody) body = child;
    else subject = child;
  }
  const text = body?.text();
  const content: Content = {
    body: text === '' ? undefined : text,
    subject: undefined,
    thread: undefined,
    language: undefined,
  };
  if (content.body === undefined) return content;
  if (subject !== undefined) content.subject = subjectLine(subject.text());
  if (thread !== undefined) content.thread = thread.text() || undefined;
  content.language = languageTag(body?.attr('xml:lang') ?? stanza.attr('xml:lang'));
  return content;
}

/** Whether an element says it is in the language of the stanza, or says nothing (RFC 6120 section 8.1.5). */
function isInLanguage(element: XmlElement, stanzaLanguage: string | undefined): boolean {
  const language = element.attr('xml:lang');
  return language === undefined || language.toLowerCase() === stanzaLanguage?.toLowerCase();
}

// Without a fallback body the sender would believe an encrypted message delivered. An OMEMO element without payload
// only carries keys.
function hasEncryptedContent(stanza: XmlElement): boolean {
  return (
    stanza.child('openpgp', 'urn:xmpp:openpgp:0') !== undefined ||
    stanza.child('encrypted', 'urn:xmpp:omemo:2')?.child('payload') !== undefined ||
    stanza.child('encrypted', 'eu.siacs.conversations.axolotl')?.child('payload') !== undefined
  );
}

function requestBytes(message: SipPageMessage): number {
  return (
    HEADER_ALLOWANCE +
    message.requestUri.length * 2 +
    message.from.length +
    (message.callId?.length ?? 0) +
    (message.contentLanguage?.length ?? 0) +
    (message.subject === undefined ? 0 : Buffer.byteLength(message.subject)) +
    Buffer.byteLength(message.body)
  );
}
