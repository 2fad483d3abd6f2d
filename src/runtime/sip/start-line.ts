import { type SipText, skipClass, startsWith, TOKEN, wholeNumber } from './grammar.ts';

/** Something that spoils a message but not its framing. */
export interface MessageFault {
  readonly status: number;
  readonly message: string;
}

const BAD_STATUS_LINE: MessageFault = { status: 400, message: 'Bad Status Line' };
const BAD_REQUEST_LINE: MessageFault = { status: 400, message: 'Bad Request Line' };
const BAD_VERSION: MessageFault = { status: 505, message: 'Version Not Supported' };

/** What the start line that was read last says. */
export const startLine = {
  method: '',
  uriStart: 0,
  uriEnd: 0,
  status: 0,
  reason: '',
  fault: undefined as MessageFault | undefined,
};

// Status-Line = SIP-Version SP Status-Code SP Reason-Phrase; the phrase may be empty, the space before it not.
export function readStatusLine({ bytes, text }: SipText, end: number, plain: boolean): void {
  const status = end < 12 ? -1 : wholeNumber(bytes, 8, 11, 699);
  const isGood = status >= 100 && bytes[11] === 0x20;
  const reason = isGood ? text.slice(12, end) : '';
  startLine.method = '';
  startLine.uriStart = 0;
  startLine.uriEnd = 0;
  startLine.status = isGood ? status : 0;
  startLine.reason = plain ? reason : Buffer.from(reason, 'latin1').toString('utf8');
  startLine.fault = isGood ? undefined : BAD_STATUS_LINE;
}

// Request-Line = Method SP Request-URI SP SIP-Version, with exactly these two spaces. False for what does not even
// mention SIP: then this is no SIP stream.
export function readRequestLine({ bytes, text }: SipText, end: number): boolean {
  const methodEnd = skipClass(bytes, 0, end, TOKEN);
  let version = end;
  while (version > 0 && bytes[version - 1] !== 0x20) version--;
  if (methodEnd === 0 || version <= methodEnd + 1 || bytes[methodEnd] !== 0x20) return false;
  startLine.method = text.slice(0, methodEnd);
  startLine.uriStart = methodEnd + 1;
  startLine.uriEnd = version - 1;
  startLine.status = 0;
  startLine.reason = '';
  startLine.fault = undefined;
  if (version + 7 === end && startsWith(bytes, version, end, 'SIP/2.0')) return true;
  const words = text.slice(version, end);
  if (/^sip\/[0-9]{1,9}\.[0-9]{1,9}$/i.test(words)) {
    if (words.toUpperCase() !== 'SIP/2.0') startLine.fault = BAD_VERSION;
    return true;
  }
  startLine.fault = BAD_REQUEST_LINE;
  return / sip\//i.test(text.slice(methodEnd, end));
}
