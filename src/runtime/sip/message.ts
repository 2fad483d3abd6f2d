import { isAscii, isUtf8 } from 'node:buffer';
import {
  isAllIn,
  isWordOf,
  type SipText,
  skipClass,
  skipDigits,
  skipSpace,
  startsWith,
  TOKEN,
  WORD,
  wholeNumber,
} from './grammar.ts';
import { HEADER, type HeaderId, SipHeaders, unfold } from './headers.ts';
import { areNameAddresses, type NameAddress, readNameAddress } from './name-address.ts';
import { type MessageFault, readRequestLine, readStatusLine, startLine } from './start-line.ts';
import { type UriKind, uriKind } from './uri.ts';
import { readVia, type Via } from './via.ts';

/** A request that is whole, well formed and complete: every mandatory header is there once and was read. */
export interface SipRequest {
  readonly kind: 'request';
  readonly method: string;
  /** Request-URI as written; any scheme. */
  readonly uri: string;
  readonly uriKind: UriKind;
  readonly headers: SipHeaders;
  /** The topmost Via value. */
  readonly via: Via;
  readonly from: NameAddress;
  readonly to: NameAddress;
  readonly callId: string;
  readonly cseq: number;
  readonly maxForwards: number;
  /** A view of the bytes that were parsed: copy what must outlive the call. */
  readonly body: Buffer;
}

/** A response whose top Via and CSeq are well formed. From and To are not looked at: the transaction knows them. */
export interface SipResponse {
  readonly kind: 'response';
  /** 100-699. */
  readonly status: number;
  readonly reason: string;
  readonly headers: SipHeaders;
  readonly via: Via;
  /** How many Via values there are: a response for us has exactly one. */
  readonly viaCount: number;
  readonly cseq: number;
  readonly cseqMethod: string;
  readonly body: Buffer;
}

/** Bytes that are not an acceptable SIP message. */
export interface SipFailure {
  readonly kind: 'failure';
  /** Status a response would carry: 400, 413 or 505. */
  readonly status: number;
  /** What was expected; fit for a reason phrase. */
  readonly message: string;
  /** Method and headers of a request that can be answered; undefined for a response, an ACK or anything unreadable. */
  readonly answerable: { readonly method: string; readonly headers: SipHeaders } | undefined;
  /** Whether the end of the message is unknown or in doubt, so that a stream cannot be read any further. */
  readonly breaksFraming: boolean;
}

export type ParsedSip = SipRequest | SipResponse | SipFailure;

export interface SipLimits {
  /** Start line and headers, in bytes. */
  readonly maxHeadBytes: number;
  readonly maxBodyBytes: number;
  readonly maxHeaders: number;
}

export const DEFAULT_SIP_LIMITS: SipLimits = { maxHeadBytes: 16_384, maxBodyBytes: 65_536, maxHeaders: 128 };

/** Start line and headers, before the body is there. */
export interface SipHead {
  /** Method of a request; '' for a response. */
  readonly method: string;
  /** Where the Request-URI is in the text of the headers. */
  readonly uriStart: number;
  readonly uriEnd: number;
  /** 0 for a request. */
  readonly status: number;
  readonly reason: string;
  readonly headers: SipHeaders;
  /** -1 when absent. */
  readonly contentLength: number;
  readonly fault: MessageFault | undefined;
}

const CRLF_CRLF = Buffer.from('\r\n\r\n', 'latin1');
const MAX_CSEQ = 2 ** 31 - 1;
const EMPTY = Buffer.alloc(0);

const NOT_UTF8: MessageFault = { status: 400, message: 'Headers Are Not UTF-8' };

/** A whole datagram (RFC 3261 section 18.3): bytes after the body are ignored, a body that is cut short is an error. */
export function parseDatagram(bytes: Buffer, limits: SipLimits = DEFAULT_SIP_LIMITS): ParsedSip {
  let start = 0;
  while (bytes[start] === 0x0d && bytes[start + 1] === 0x0a) start += 2;
  const headEnd = bytes.indexOf(CRLF_CRLF, start);
  if (headEnd < 0) return failure(400, 'Missing Empty Line After Headers', undefined, true);
  if (headEnd - start > limits.maxHeadBytes) return failure(413, 'Headers Too Large', undefined, true);
  const head = parseHead(bytes.subarray(start, headEnd), limits);
  if ('kind' in head) return head;
  const bodyStart = headEnd + 4;
  const available = bytes.length - bodyStart;
  const length = head.contentLength < 0 ? available : head.contentLength;
  if (length > available) return failure(400, 'Body Shorter Than Content-Length', head, true);
  if (length > limits.maxBodyBytes) return failure(413, 'Body Too Large', head, true);
  return finishMessage(head, length === 0 ? EMPTY : bytes.subarray(bodyStart, bodyStart + length));
}

/**
 * Start line and headers, without the empty line. A failure here means that the end of the message is unknown.
 * What is returned keeps a view of `bytes`.
 */
export function parseHead(head: Buffer, limits: SipLimits): SipHead | SipFailure {
  const plain = isAscii(head);
  let bytes = head;
  let source: SipText = { bytes, text: bytes.toString('latin1') };
  let startEnd = lineEnd(bytes);
  let headers = SipHeaders.read(source, plain, startEnd + 2, limits.maxHeaders);
  if (headers === 'folded') {
    bytes = unfold(head);
    source = { bytes, text: bytes.toString('latin1') };
    startEnd = lineEnd(bytes);
    headers = SipHeaders.read(source, plain, startEnd + 2, limits.maxHeaders);
  }
  if (headers === 'too-many') return failure(413, 'Too Many Headers', undefined, true);
  if (typeof headers === 'string') return failure(400, 'Malformed Header Line', undefined, true);

  if (startsWith(bytes, 0, startEnd, 'SIP/2.0 ')) readStatusLine(source, startEnd, plain);
  else if (!readRequestLine(source, startEnd)) return failure(400, 'Bad Request Line', undefined, true);
  const { method, uriStart, uriEnd, status, reason } = startLine;
  // RFC 3261 section 25.1: text in headers is UTF-8.
  const fault = startLine.fault ?? (plain || isUtf8(head) ? undefined : NOT_UTF8);

  let contentLength = -1;
  const length = headers.row(HEADER['content-length']);
  if (length >= 0) {
    contentLength = wholeNumber(bytes, headers.start(length), headers.end(length), 2 ** 31 - 1);
    if (contentLength < 0) return failure(400, 'Bad Content-Length', { method, headers }, true);
    if (headers.isRepeated(HEADER['content-length']))
      return failure(400, 'Several Content-Length', { method, headers }, true);
  }
  return { method, uriStart, uriEnd, status, reason, headers, contentLength, fault };
}

/** Joins a head with its body and checks what a request or response must have. Never throws. */
export function finishMessage(head: SipHead, body: Buffer): ParsedSip {
  if (head.fault !== undefined) return failure(head.fault.status, head.fault.message, head, false);
  return head.status === 0 ? finishRequest(head, body) : finishResponse(head, body);
}

/** A failure about a message whose head was read, answerable when that was a request. */
export function failure(
  status: number,
  message: string,
  head: { readonly method: string; readonly headers: SipHeaders } | undefined,
  breaksFraming: boolean,
): SipFailure {
  const isRequest = head !== undefined && head.method !== '' && head.method !== 'ACK' && head.headers.has(HEADER.via);
  const answerable = isRequest ? { method: head.method, headers: head.headers } : undefined;
  return { kind: 'failure', status, message, answerable, breaksFraming };
}

function finishRequest(head: SipHead, body: Buffer): SipRequest | SipFailure {
  const { method, headers } = head;
  const { source } = headers;
  const { bytes, text } = source;

  const via = topVia(headers);
  if (via === undefined) return bad(head, 'Bad Via');
  // RFC 3261 section 17.2.3: the cookie promises a branch that is unique, so something must follow it.
  if (via.branch !== undefined && via.branch.length === 7 && isCookie(via.branch)) return bad(head, 'Bad Via Branch');

  const from = onlyNameAddress(headers, HEADER.from);
  if (from === undefined) return bad(head, 'Bad From');
  const to = onlyNameAddress(headers, HEADER.to);
  if (to === undefined) return bad(head, 'Bad To');

  const callIdRow = headers.row(HEADER['call-id']);
  if (callIdRow < 0 || headers.isRepeated(HEADER['call-id'])) return bad(head, 'Bad Call-ID');
  const callIdStart = headers.start(callIdRow);
  const callIdEnd = headers.end(callIdRow);
  const at = skipClass(bytes, callIdStart, callIdEnd, WORD);
  if (at === callIdStart) return bad(head, 'Bad Call-ID');
  if (at < callIdEnd && (bytes[at] !== 0x40 || !isAllIn(bytes, at + 1, callIdEnd, WORD)))
    return bad(head, 'Bad Call-ID');

  const sequence = readCseq(headers);
  if (!sequence) return bad(head, 'Bad CSeq');
  const { number: cseq, methodStart, methodEnd } = cseqSpan;
  if (!startsWith(bytes, methodStart, methodEnd, method) || methodEnd - methodStart !== method.length) {
    return bad(head, 'CSeq Method Does Not Match');
  }

  const hops = headers.row(HEADER['max-forwards']);
  const maxForwards = hops < 0 ? -1 : wholeNumber(bytes, headers.start(hops), headers.end(hops), 255);
  if (maxForwards < 0 || headers.isRepeated(HEADER['max-forwards'])) return bad(head, 'Bad Max-Forwards');

  // Headers in a Request-URI are never honoured (RFC 3261 section 19.1.1).
  const kind = uriKind(bytes, head.uriStart, head.uriEnd, false);
  if (kind === undefined) return bad(head, 'Bad Request-URI');

  if (headers.isRepeated(HEADER['content-type'])) return bad(head, 'Several Content-Type');
  for (let row = headers.row(HEADER.contact); row >= 0; row = headers.row(HEADER.contact, row)) {
    if (!areNameAddresses(source, headers.start(row), headers.end(row))) return bad(head, 'Bad Contact');
  }
  const uri = text.slice(head.uriStart, head.uriEnd);
  const callId = text.slice(callIdStart, callIdEnd);
  return { kind: 'request', method, uri, uriKind: kind, headers, via, from, to, callId, cseq, maxForwards, body };
}

function finishResponse(head: SipHead, body: Buffer): SipResponse | SipFailure {
  const { status, reason, headers } = head;
  const row = headers.row(HEADER.via);
  const via = row < 0 ? undefined : readVia(headers.source, headers.start(row), headers.end(row));
  if (via === undefined) return bad(head, 'Bad Via');
  const isOnly = via.length === headers.end(row) - headers.start(row) && !headers.isRepeated(HEADER.via);
  if (!readCseq(headers)) return bad(head, 'Bad CSeq');
  const { number: cseq, methodStart, methodEnd } = cseqSpan;
  const cseqMethod = headers.source.text.slice(methodStart, methodEnd);
  return { kind: 'response', status, reason, headers, via, viaCount: isOnly ? 1 : 2, cseq, cseqMethod, body };
}

function bad(head: SipHead, message: string): SipFailure {
  return failure(400, message, head, false);
}

function lineEnd(bytes: Buffer): number {
  let i = 0;
  while (i < bytes.length && bytes[i] !== 0x0d && bytes[i] !== 0x0a) i++;
  return i;
}

/** The topmost Via when every Via value of the message is well formed. */
function topVia(headers: SipHeaders): Via | undefined {
  let top: Via | undefined;
  for (let row = headers.row(HEADER.via); row >= 0; row = headers.row(HEADER.via, row)) {
    const start = headers.start(row);
    const end = headers.end(row);
    for (let position = start; ; ) {
      const via = readVia(headers.source, position, end);
      if (via === undefined) return undefined;
      top ??= via;
      position += via.length;
      if (position === end) break;
      // The comma.
      position++;
    }
  }
  return top;
}

/** A From or To: exactly one value in exactly one header line. */
function onlyNameAddress(headers: SipHeaders, id: HeaderId): NameAddress | undefined {
  const row = headers.row(id);
  if (row < 0 || headers.isRepeated(id)) return undefined;
  const address = readNameAddress(headers.source, headers.start(row), headers.end(row));
  return address !== undefined && address.end === headers.end(row) ? address : undefined;
}

/** Number and place of the method of the CSeq that was read last. */
const cseqSpan = { number: 0, methodStart: 0, methodEnd: 0 };

function readCseq(headers: SipHeaders): boolean {
  const row = headers.row(HEADER.cseq);
  if (row < 0 || headers.isRepeated(HEADER.cseq)) return false;
  const { bytes } = headers.source;
  const start = headers.start(row);
  const end = headers.end(row);
  const digitsEnd = skipDigits(bytes, start, end);
  const methodStart = skipSpace(bytes, digitsEnd, end);
  cseqSpan.number = wholeNumber(bytes, start, digitsEnd, MAX_CSEQ);
  cseqSpan.methodStart = methodStart;
  cseqSpan.methodEnd = end;
  return cseqSpan.number >= 0 && methodStart > digitsEnd && isAllIn(bytes, methodStart, end, TOKEN);
}

/** Whether a branch starts with the cookie of RFC 3261 section 8.1.1.7. */
export function isCookie(branch: string): boolean {
  return branch.startsWith('z9hG4bK');
}

/** Whether a Call-ID is a word, or two words around one `@` (RFC 3261 section 25.1). */
export function isCallId(text: string): boolean {
  const at = text.indexOf('@');
  if (at < 0) return isWordOf(text, WORD);
  return isWordOf(text.slice(0, at), WORD) && isWordOf(text.slice(at + 1), WORD);
}
