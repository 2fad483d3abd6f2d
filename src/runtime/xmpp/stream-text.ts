import type { StreamOffer } from '../../policy/index.ts';
import type { DialbackCondition } from './dialback.ts';
import { escapeAttribute, escapeText } from './element.ts';
import { NS } from './namespaces.ts';
import type { StreamErrorCondition } from './stream-error.ts';

/** What each side says outside stanzas, as text for a stream whose default namespace is `jabber:server`. */

export interface OwnHeader {
  /** Left out when empty, as `to` is. */
  readonly from: string;
  readonly to: string;
  /** Only the receiving entity gives an id. */
  readonly id?: string;
  /** Left out towards a peer that gave none: such a peer knows no features (RFC 6120 section 4.7.5). @default true */
  readonly hasVersion?: boolean;
}

/** Opens our side of a stream (RFC 6120 section 4.2). */
export function formatStreamHeader({ from, to, id, hasVersion = true }: OwnHeader): string {
  const attributes = [
    from === '' ? '' : ` from='${escapeAttribute(from)}'`,
    to === '' ? '' : ` to='${escapeAttribute(to)}'`,
    id === undefined ? '' : ` id='${escapeAttribute(id)}'`,
    hasVersion ? " version='1.0'" : '',
  ].join('');
  return (
    `<?xml version='1.0'?><stream:stream xmlns='${NS.server}' xmlns:stream='${NS.streams}' xmlns:db='${NS.dialback}'` +
    `${attributes} xml:lang='en'>`
  );
}

/** Whether a peer whose header has this version knows features: XMPP 1.0 and later (RFC 6120 section 4.7.5). */
export function hasFeatures(version: string | undefined): boolean {
  return version !== undefined && /^0{0,9}[1-9]/.test(version);
}

/** What a receiving entity tells about its limits (XEP-0478). */
export interface StreamLimits {
  /** Bytes of the largest stanza accepted. */
  readonly maxBytes: number;
  /** Seconds of silence after which the stream is closed. */
  readonly idleSeconds: number;
}

/** `<stream:features/>` (RFC 6120 section 4.3.2, XEP-0220 section 2.3.1, XEP-0478). */
export function formatFeatures(offer: StreamOffer, limits: StreamLimits): string {
  let features = '';
  if (offer.starttls === 'required') features += `<starttls xmlns='${NS.tls}'><required/></starttls>`;
  if (offer.starttls === 'optional') features += `<starttls xmlns='${NS.tls}'/>`;
  if (offer.saslExternal) {
    features += `<mechanisms xmlns='${NS.sasl}'><mechanism>EXTERNAL</mechanism></mechanisms>`;
  }
  if (offer.dialback) features += `<dialback xmlns='${NS.dialbackFeature}'><errors/></dialback>`;
  const { maxBytes, idleSeconds } = limits;
  features += `<limits xmlns='${NS.streamLimits}'><max-bytes>${maxBytes}</max-bytes><idle-seconds>${idleSeconds}</idle-seconds></limits>`;
  return `<stream:features>${features}</stream:features>`;
}

/** `<stream:error/>` and the end of our side (RFC 6120 section 4.9). */
export function formatStreamError(condition: StreamErrorCondition, text: string): string {
  const explanation = text === '' ? '' : `<text xmlns='${NS.streamErrors}' xml:lang='en'>${escapeText(text)}</text>`;
  return `<stream:error><${condition} xmlns='${NS.streamErrors}'/>${explanation}</stream:error>${STREAM_END}`;
}

export const STREAM_END = '</stream:stream>';
export const STARTTLS = `<starttls xmlns='${NS.tls}'/>`;
export const PROCEED = `<proceed xmlns='${NS.tls}'/>`;
export const TLS_FAILURE = `<failure xmlns='${NS.tls}'/>`;
export const SASL_SUCCESS = `<success xmlns='${NS.sasl}'/>`;

/** SASL failure (RFC 6120 section 6.5). */
export function formatSaslFailure(
  condition:
    | 'aborted'
    | 'encryption-required'
    | 'incorrect-encoding'
    | 'invalid-authzid'
    | 'invalid-mechanism'
    | 'not-authorized',
): string {
  return `<failure xmlns='${NS.sasl}'><${condition}/></failure>`;
}

/** The initiating entity's `<auth/>`: EXTERNAL as the domain itself (XEP-0178 section 3). */
export function formatExternalAuth(domain: string): string {
  return `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>${Buffer.from(domain).toString('base64')}</auth>`;
}

export interface DialbackAddress {
  readonly from: string;
  readonly to: string;
}

/** `<db:result/>` with a key: asks to be proved (XEP-0220 section 2.1.1). */
export function formatDialbackRequest({ from, to }: DialbackAddress, key: string): string {
  return `<db:result from='${escapeAttribute(from)}' to='${escapeAttribute(to)}'>${key}</db:result>`;
}

/** `<db:verify/>` with a key: asks the authoritative server (XEP-0220 section 2.1.2). */
export function formatVerifyRequest({ from, to }: DialbackAddress, id: string, key: string): string {
  return `<db:verify from='${escapeAttribute(from)}' to='${escapeAttribute(to)}' id='${escapeAttribute(id)}'>${escapeText(key)}</db:verify>`;
}

/** The answer to `<db:result/>`, or to `<db:verify/>` when an `id` is given (XEP-0220 sections 2.1, 2.5). */
export function formatDialbackAnswer(
  { from, to }: DialbackAddress,
  answer: 'valid' | 'invalid' | { readonly condition: DialbackCondition },
  id?: string,
): string {
  const name = id === undefined ? 'db:result' : 'db:verify';
  const correlation = id === undefined ? '' : ` id='${escapeAttribute(id)}'`;
  const start = `<${name} from='${escapeAttribute(from)}' to='${escapeAttribute(to)}'${correlation}`;
  if (typeof answer === 'string') return `${start} type='${answer}'/>`;
  return `${start} type='error'><error type='cancel'><${answer.condition} xmlns='${NS.stanzas}'/></error></${name}>`;
}
