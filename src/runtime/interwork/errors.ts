import { escapeAttribute, escapeText, type XmlElement } from '../xmpp/element.ts';
import { NS } from '../xmpp/namespaces.ts';
import { STANZA_ERROR_TYPE, type StanzaErrorCondition, type StanzaErrorType } from '../xmpp/stanza-error.ts';

/** What an error is about, where RFC 7247 makes a difference. */
export interface ErrorScope {
  /** The error concerns one resource (a full JID), not the user as a whole. */
  readonly full: boolean;
  /** `gone` names the new address. */
  readonly hasNewAddress?: boolean;
}

// RFC 7247 Table 2: [full JID, bare JID].
const TO_SIP: Readonly<Record<StanzaErrorCondition, readonly [number, number]>> = {
  'bad-request': [400, 400],
  conflict: [400, 400],
  'feature-not-implemented': [405, 501],
  forbidden: [403, 603],
  gone: [410, 410],
  'internal-server-error': [500, 500],
  'item-not-found': [404, 604],
  'jid-malformed': [400, 400],
  'not-acceptable': [406, 606],
  'not-allowed': [403, 403],
  'not-authorized': [401, 401],
  'policy-violation': [403, 403],
  'recipient-unavailable': [480, 600],
  redirect: [302, 302],
  'registration-required': [407, 407],
  // 404 or 408; a domain we were asked to reach and cannot find does not exist for the sender.
  'remote-server-not-found': [404, 404],
  'remote-server-timeout': [408, 408],
  'resource-constraint': [500, 500],
  // Note 5: never 503, which would take the whole gateway out of use; 403 also hides whether the account exists.
  'service-unavailable': [403, 403],
  'subscription-required': [400, 400],
  'undefined-condition': [400, 400],
  'unexpected-request': [491, 491],
};

/** The SIP status for a stanza error (RFC 7247 Table 2). */
export function stanzaErrorToSip(condition: StanzaErrorCondition, scope: ErrorScope): number {
  if (condition === 'gone' && scope.hasNewAddress === true) return 301;
  return TO_SIP[condition][scope.full ? 0 : 1];
}

export interface StanzaError {
  readonly condition: StanzaErrorCondition;
  readonly type: StanzaErrorType;
}

// RFC 7247 Table 3.
const TO_XMPP: Readonly<Record<number, StanzaErrorCondition>> = {
  300: 'redirect',
  301: 'gone',
  302: 'redirect',
  305: 'redirect',
  380: 'not-acceptable',
  400: 'bad-request',
  401: 'not-authorized',
  402: 'bad-request',
  403: 'forbidden',
  404: 'item-not-found',
  405: 'feature-not-implemented',
  406: 'not-acceptable',
  407: 'registration-required',
  408: 'remote-server-timeout',
  410: 'gone',
  413: 'policy-violation',
  414: 'policy-violation',
  415: 'not-acceptable',
  416: 'not-acceptable',
  420: 'feature-not-implemented',
  421: 'not-acceptable',
  423: 'resource-constraint',
  430: 'recipient-unavailable',
  439: 'feature-not-implemented',
  440: 'policy-violation',
  480: 'recipient-unavailable',
  481: 'item-not-found',
  482: 'not-acceptable',
  483: 'not-acceptable',
  484: 'item-not-found',
  485: 'item-not-found',
  486: 'recipient-unavailable',
  487: 'recipient-unavailable',
  488: 'not-acceptable',
  489: 'policy-violation',
  491: 'unexpected-request',
  493: 'bad-request',
  500: 'internal-server-error',
  501: 'feature-not-implemented',
  502: 'remote-server-not-found',
  503: 'internal-server-error',
  504: 'remote-server-timeout',
  505: 'not-acceptable',
  513: 'policy-violation',
  600: 'recipient-unavailable',
  603: 'recipient-unavailable',
  604: 'item-not-found',
  606: 'not-acceptable',
};

const CLASS_TO_XMPP: Readonly<Record<number, StanzaErrorCondition>> = {
  3: 'redirect',
  4: 'bad-request',
  5: 'internal-server-error',
  6: 'recipient-unavailable',
};

/** The stanza error for a final SIP failure, 300 to 699 (RFC 7247 Table 3 and its rules for codes not listed). */
export function sipToStanzaError(status: number): StanzaError {
  const condition = TO_XMPP[status] ?? CLASS_TO_XMPP[Math.trunc(status / 100)] ?? 'undefined-condition';
  return { condition, type: STANZA_ERROR_TYPE[condition] };
}

/** Whether a stanza may be answered with an error: never an error, never the answer to a request (RFC 6120 8.3.1). */
export function bounceAllowed(stanza: XmlElement): boolean {
  const type = stanza.attr('type');
  return type !== 'error' && !(stanza.name === 'iq' && type === 'result');
}

/**
 * The error answer to a stanza, serialised for a `jabber:server` stream: addresses swapped, id kept, nothing of the
 * original repeated. `newAddress` is a URI for `gone` and `redirect` (RFC 6120 8.3.3). Ask `bounceAllowed` first.
 */
export function stanzaErrorReply(
  stanza: XmlElement,
  condition: StanzaErrorCondition,
  text?: string,
  newAddress?: string,
): string {
  const { name } = stanza;
  let xml = `<${name}`;
  for (const [attribute, source] of [
    ['from', 'to'],
    ['to', 'from'],
    ['id', 'id'],
  ] as const) {
    const value = stanza.attr(source);
    if (value !== undefined) xml += ` ${attribute}='${escapeAttribute(value)}'`;
  }
  xml += ` type='error'><error type='${STANZA_ERROR_TYPE[condition]}'><${condition} xmlns='${NS.stanzas}'`;
  xml += newAddress === undefined ? '/>' : `>${escapeText(newAddress)}</${condition}>`;
  if (text !== undefined) xml += `<text xmlns='${NS.stanzas}' xml:lang='en'>${escapeText(text)}</text>`;
  return `${xml}</error></${name}>`;
}

const MAX_REASON = 128;
const REASON = /[^\x20-\x7e\u00a0-\u{10ffff}]+/gu;

/**
 * The error answer to a stanza whose translation a SIP peer refused. The Reason-Phrase goes along as text, except with
 * `item-not-found`: that answer must be the same, byte for byte, whether the pool does not know the user (404, 604),
 * cannot tell (481, 484, 485), or policy keeps the user from this contact.
 */
export function sipFailureReply(stanza: XmlElement, status: number, reason: string, newAddress?: string): string {
  let { condition } = sipToStanzaError(status);
  if (condition === 'item-not-found') return stanzaErrorReply(stanza, condition);
  const text = reason.slice(0, MAX_REASON).replace(REASON, ' ').trim() || undefined;
  if (status === 301) {
    // RFC 7247 Table 3, note 1: 301 must name the new address. Without one it is any other redirection.
    if (newAddress === undefined) condition = 'redirect';
    return stanzaErrorReply(stanza, condition, text, newAddress);
  }
  // 410 must not name an address.
  return stanzaErrorReply(stanza, condition, text, condition === 'redirect' ? newAddress : undefined);
}
