// The only place that writes SIP: every value passes one of the three guards below, so that no text from the XMPP side
// can start a header line, close an angle bracket or end the head of a message.

import { isWordOf, TOKEN, URI, WORD } from './grammar.ts';
import { HEADER, type HeaderId, type SipHeaders } from './headers.ts';
import { isCallId } from './message.ts';
import type { SipPageMessage } from './page-message.ts';
import { reasonPhrase } from './reason-phrase.ts';
import { percentEncode } from './uri.ts';
import type { Via } from './via.ts';

const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]+/g;

/** Text of a header value or reason phrase: runs of control characters become one space. */
export function safeValue(text: string): string {
  return CONTROL.test(text) ? text.replace(CONTROLS, ' ') : text;
}

/** A URI for a start line or for angle brackets: whatever no URI may contain is percent-encoded. */
export function safeUri(text: string): string {
  return percentEncode(text, URI);
}

/** A Call-ID: text that breaks its grammar is percent-encoded. */
export function safeCallId(text: string): string {
  return isCallId(text) ? text : percentEncode(text, WORD);
}

/** What makes one request of a page message: stays the same for a next hop except branch, tag, Call-ID and CSeq. */
export interface RequestLines {
  /** `SIP/2.0/TLS host:port;branch=`, without the branch. */
  readonly viaStart: string;
  /** Parameters after the branch, with their semicolons, or ''. */
  readonly viaEnd: string;
}

/** A MESSAGE request (RFC 3428). */
export function formatPageMessage(
  message: SipPageMessage,
  lines: RequestLines,
  branch: string,
  fromTag: string,
  callId: string,
  cseq: number,
): string {
  const { subject, contentLanguage, body } = message;
  let optional = '';
  if (subject !== undefined) optional = `Subject: ${safeValue(subject)}\r\n`;
  if (contentLanguage !== undefined) optional += `Content-Language: ${safeValue(contentLanguage)}\r\n`;
  return `MESSAGE ${safeUri(message.requestUri)} SIP/2.0\r\nVia: ${lines.viaStart}${branch}${lines.viaEnd}\r\nMax-Forwards: 70\r\nFrom: <${safeUri(message.from)}>;tag=${fromTag}\r\nTo: <${safeUri(message.to)}>\r\nCall-ID: ${safeCallId(callId)}\r\nCSeq: ${cseq} MESSAGE\r\n${optional}Content-Type: ${safeValue(message.contentType)}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

export interface OutgoingRequest {
  readonly method: string;
  readonly uri: string;
  /** In order, without Content-Length. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body?: string;
}

/** Any other request. */
export function formatRequest(request: OutgoingRequest): string {
  const body = request.body ?? '';
  return `${safeToken(request.method)} ${safeUri(request.uri)} SIP/2.0\r\n${formatHeaders(request.headers)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

/** Header lines, each with its line end. */
export function formatHeaders(headers: readonly (readonly [name: string, value: string])[]): string {
  let lines = '';
  for (const [name, value] of headers) lines += `${safeToken(name)}: ${safeValue(value)}\r\n`;
  return lines;
}

/** Where a request came from, as its response must say (RFC 3261 section 18.2.1, RFC 3581 section 4). */
export interface RequestSource {
  readonly address: string;
  readonly port: number;
}

/**
 * A response without body to the request with these headers. Via, From, To, Call-ID and CSeq are copied as they came
 * (RFC 3261 section 8.2.6.2); a header the request lacks is left out.
 *
 * @param via the top Via of the request; undefined when it could not be read and is only copied
 * @param toTag added to To; undefined when To has a tag already or cannot take one
 * @param extra further header lines, from formatHeaders
 */
export function formatResponse(
  status: number,
  reason: string | undefined,
  headers: SipHeaders,
  via: Via | undefined,
  source: RequestSource,
  toTag: string | undefined,
  extra = '',
): string {
  const top = headers.row(HEADER.via);
  let lines = top < 0 ? '' : `Via: ${safeValue(withSource(headers.value(top), via, source))}\r\n`;
  if (headers.isRepeated(HEADER.via)) {
    for (let row = headers.row(HEADER.via, top); row >= 0; row = headers.row(HEADER.via, row)) {
      lines += `Via: ${safeValue(headers.value(row))}\r\n`;
    }
  }
  const to = headers.row(HEADER.to);
  const tag = toTag === undefined ? '' : `;tag=${toTag}`;
  if (to >= 0) lines += `To: ${safeValue(headers.value(to))}${tag}\r\n`;
  const from = copied('From: ', headers, HEADER.from);
  const callId = copied('Call-ID: ', headers, HEADER['call-id']);
  const cseq = copied('CSeq: ', headers, HEADER.cseq);
  const phrase = safeValue(reason ?? reasonPhrase(status));
  return `SIP/2.0 ${status} ${phrase}\r\n${lines}${from}${callId}${cseq}${extra}Content-Length: 0\r\n\r\n`;
}

function copied(start: string, headers: SipHeaders, id: HeaderId): string {
  const row = headers.row(id);
  return row < 0 ? '' : `${start}${safeValue(headers.value(row))}\r\n`;
}

/** The top Via with `received`, and with `rport` filled in when it was asked for. */
function withSource(text: string, via: Via | undefined, source: RequestSource): string {
  if (via === undefined) return text;
  const { length, rportLength, host } = via;
  const isSame = host === source.address;
  if (rportLength < 0) {
    return isSame ? text : `${text.slice(0, length)};received=${source.address}${text.slice(length)}`;
  }
  const tail = `${text.slice(rportLength, length)};received=${source.address}${text.slice(length)}`;
  return `${text.slice(0, rportLength)}=${source.port}${tail}`;
}

/** Host and port, an IPv6 address in brackets. */
export function formatAuthority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function safeToken(text: string): string {
  if (isWordOf(text, TOKEN)) return text;
  throw new TypeError(`expected a SIP token, got ${JSON.stringify(text)}`);
}
