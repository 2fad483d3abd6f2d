import type { SipPageMessage } from '../sip/page-message.ts';
import { escapeAttribute, escapeText } from '../xmpp/element.ts';
import type { Jid } from '../xmpp/jid.ts';
import { NS } from '../xmpp/namespaces.ts';
import { isSips, readSipAddress } from './addresses.ts';
import { makeHtmlSafe } from './html.ts';
import { languageTag } from './language.ts';
import { ACCEPTED_MEDIA_TYPES, decodeBody, readMediaType } from './media-type.ts';
import { isServed, type ServedDomains } from './served-domains.ts';
import { subjectLine } from './subject.ts';
import { callIdToThread } from './thread-id.ts';

/** A page-mode MESSAGE as received: bytes let the charset be honoured, a string is taken as decoded already. */
export interface ReceivedPageMessage extends Omit<SipPageMessage, 'body'> {
  readonly body: string | Uint8Array;
}

export interface MessageToStanzaContext {
  /** Value of the `id` attribute. */
  readonly id: string;
  readonly served: ServedDomains;
  /** Largest stanza in bytes the partner takes (XEP-0478); no limit when absent. */
  readonly maxStanzaBytes?: number;
}

export interface SipRefusal {
  readonly ok: false;
  readonly status: number;
  readonly reason: string;
  /** Value of the Accept header of a 415. */
  readonly accept?: string;
}

export type MessageAddresses = { readonly ok: true; readonly from: Jid; readonly to: Jid } | SipRefusal;

export type StanzaTranslation =
  | { readonly ok: true; readonly xml: string; readonly from: Jid; readonly to: Jid }
  /** Nothing to deliver: answered with 200, no stanza. */
  | { readonly ok: 'ignore'; readonly from: Jid; readonly to: Jid }
  | SipRefusal;

const BAD_SCHEME: SipRefusal = { ok: false, status: 416, reason: 'Unsupported URI Scheme' };
const BAD_SENDER: SipRefusal = { ok: false, status: 400, reason: 'Bad From Address' };
const FOREIGN_SENDER: SipRefusal = { ok: false, status: 403, reason: 'Forbidden' };
const LOOP: SipRefusal = { ok: false, status: 482, reason: 'Loop Detected' };
const NOT_FOUND: SipRefusal = { ok: false, status: 404, reason: 'Not Found' };
const NO_TYPE: SipRefusal = { ok: false, status: 400, reason: 'Missing Content-Type' };
const BAD_TEXT: SipRefusal = { ok: false, status: 400, reason: 'Body Not In Its Charset' };
const BAD_TYPE: SipRefusal = {
  ok: false,
  status: 415,
  reason: 'Unsupported Media Type',
  accept: ACCEPTED_MEDIA_TYPES.join(', '),
};
const TOO_LARGE: SipRefusal = { ok: false, status: 413, reason: 'Request Entity Too Large' };

/**
 * The XMPP addresses of a MESSAGE: From must be a user of a served domain, the Request-URI a user of any other domain.
 * To is what the sender once typed and only has to be free of `sips:` (RFC 7247 section 8).
 */
export function messageAddresses(
  message: Pick<SipPageMessage, 'requestUri' | 'from' | 'to'>,
  served: ServedDomains,
): MessageAddresses {
  const { requestUri, from: fromUri, to: toUri } = message;
  const recipient = readSipAddress(requestUri);
  const sender = readSipAddress(fromUri);
  if ((toUri !== requestUri || recipient === undefined) && (isSips(toUri) || isSips(requestUri))) return BAD_SCHEME;
  if (sender === undefined) return isSips(fromUri) ? BAD_SCHEME : BAD_SENDER;
  const home = served.servedSipDomain(sender.sipDomain);
  if (home === undefined) return FOREIGN_SENDER;
  const from = sender.inDomain(home.domain);
  if (from === undefined || from.local === '') return BAD_SENDER;
  if (recipient === undefined) return NOT_FOUND;
  if (isServed(recipient.sipDomain, served)) return LOOP;
  const to = recipient.inDomain(recipient.sipDomain);
  if (to === undefined || to.local === '') return NOT_FOUND;
  return { ok: true, from, to };
}

/**
 * Translates a page-mode MESSAGE into a message stanza for a `jabber:server` stream (RFC 7572 section 5). The stanza has
 * no type, which means `normal`. The caller answers 200 once it has taken charge of the stanza.
 */
export function messageToStanza(message: ReceivedPageMessage, context: MessageToStanzaContext): StanzaTranslation {
  const addresses = messageAddresses(message, context.served);
  if (!addresses.ok) return addresses;
  const { from, to } = addresses;
  if (message.body.length === 0) return { ok: 'ignore', from, to };
  if (message.contentType === '') return NO_TYPE;
  const mediaType = readMediaType(message.contentType);
  if (mediaType === undefined) return BAD_TYPE;
  const content = decodeBody(message.body, mediaType.charset);
  if (content === undefined) return BAD_TEXT;

  let text = content;
  let rich = '';
  if (mediaType.kind === 'html') {
    const html = makeHtmlSafe(content);
    text = html.text;
    // Only pictures and the like: the sender should know that nothing can arrive.
    if (text === '') return BAD_TYPE;
    if (html.xhtml !== undefined) {
      rich = `<html xmlns='${NS.xhtmlIm}'><body xmlns='${NS.xhtml}'>${html.xhtml}</body></html>`;
    }
  } else if (text.includes('\r')) {
    // XML has one line end; a lone carriage return is one too (XML 1.0 section 2.11).
    text = text.replace(/\r\n?/g, '\n');
  }

  const head = `${openMessage(from, to, context.id, message)}<body>${escapeText(text)}</body>`;
  const tail = message.callId === undefined ? '' : `<thread>${escapeText(callIdToThread(message.callId))}</thread>`;
  const xml = `${head}${rich}${tail}</message>`;
  const { maxStanzaBytes } = context;
  if (maxStanzaBytes === undefined || Buffer.byteLength(xml) <= maxStanzaBytes) return { ok: true, xml, from, to };
  // The plain text alone says it all.
  const plain = `${head}${tail}</message>`;
  return rich !== '' && Buffer.byteLength(plain) <= maxStanzaBytes ? { ok: true, xml: plain, from, to } : TOO_LARGE;
}

function openMessage(from: Jid, to: Jid, id: string, message: ReceivedPageMessage): string {
  let xml = `<message from='${escapeAttribute(from.full)}' to='${escapeAttribute(to.full)}' id='${escapeAttribute(id)}'`;
  const { contentLanguage } = message;
  if (contentLanguage !== undefined) {
    // A list names several audiences of one text; XMPP has room for one.
    const comma = contentLanguage.indexOf(',');
    const language = languageTag((comma === -1 ? contentLanguage : contentLanguage.slice(0, comma)).trim());
    if (language !== undefined) xml += ` xml:lang='${language}'`;
  }
  xml += '>';
  const subject = message.subject === undefined ? undefined : subjectLine(message.subject);
  return subject === undefined ? xml : `${xml}<subject>${escapeText(subject)}</subject>`;
}
