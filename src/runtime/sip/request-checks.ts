import { formatHeaders } from './format.ts';
import { HEADER } from './headers.ts';
import { isCookie, type SipRequest } from './message.ts';

/** What tells one server transaction from another, without its method (RFC 3261 section 17.2.3). */
export function transactionKey(request: SipRequest): string {
  const { via, uri, from, to, callId, cseq, method } = request;
  const sentBy = `${via.host}:${via.port}`;
  if (via.branch !== undefined && isCookie(via.branch)) return `${via.branch} ${sentBy}`;
  // RFC 2543 had no such branch. The To tag of an ACK is the one of our answer, so it is left out there.
  return [uri, from.tag, method === 'ACK' ? '' : to.tag, callId, cseq, sentBy, via.branch].join(' ');
}

export interface RequestRefusal {
  readonly status: number;
  /** Header lines of the response that say what would do. */
  readonly extra: string;
}

/**
 * Checks of RFC 3261 sections 8.2.2 and 8.2.3, in that order; undefined when the request may be worked on.
 *
 * @param token part of every branch of ours
 */
export function refusalOf(request: SipRequest, token: string): RequestRefusal | undefined {
  const { headers, uriKind, from, to } = request;
  // A sips: address promises TLS on every hop, which an XMPP stream cannot keep (RFC 7247 section 8).
  if (uriKind !== 'sip' || isSips(to.uri) || isSips(from.uri)) return { status: 416, extra: '' };
  if (cameBack(request, token)) return { status: 482, extra: '' };
  if (headers.has(HEADER.require)) {
    const unsupported = headers.all('require').join(', ');
    if (unsupported !== '') return { status: 420, extra: formatHeaders([['Unsupported', unsupported]]) };
  }
  // There are no dialogs here (RFC 3261 section 12.2.2).
  if (to.tag !== undefined) return { status: 481, extra: '' };
  const encoding = headers.has(HEADER['content-encoding']) ? headers.first('content-encoding') : undefined;
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return { status: 415, extra: 'Accept-Encoding: identity\r\n' };
  }
  return undefined;
}

/** Whether a request of this process came back to it: its Via names one of our branches. */
function cameBack({ headers }: SipRequest, token: string): boolean {
  for (let row = headers.row(HEADER.via); row >= 0; row = headers.row(HEADER.via, row)) {
    if (headers.value(row).includes(token)) return true;
  }
  return false;
}

function isSips(uri: string): boolean {
  return /^sips:/i.test(uri);
}
