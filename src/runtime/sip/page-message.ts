import { HEADER } from './headers.ts';
import type { SipRequest } from './message.ts';

/** The content of one page-mode SIP MESSAGE (RFC 3428), without transaction, routing or framing. */
export interface SipPageMessage {
  /** SIP URI of the recipient; becomes the Request-URI. */
  readonly requestUri: string;
  /** SIP URI of the sender, without display name. */
  readonly from: string;
  /** SIP URI of the recipient as addressed by the sender, without display name. */
  readonly to: string;
  /** Conversation identifier (RFC 7572: maps to `<thread/>`). */
  readonly callId?: string;
  readonly subject?: string;
  /** Media type with parameters, for example `text/plain;charset=UTF-8`. */
  readonly contentType: string;
  /** Language tag (RFC 5646). */
  readonly contentLanguage?: string;
  readonly body: string;
}

/** A page-mode MESSAGE as it came in. Its charset is for whoever reads the body to apply. */
export interface SipReceivedMessage extends Omit<SipPageMessage, 'body' | 'callId'> {
  readonly callId: string;
  /** '' when the request had none. */
  readonly contentType: string;
  /** A view of bytes that belong to the connection: read it before the handler returns, or copy it. */
  readonly body: Buffer;
}

/** What a MESSAGE request says, without how it came. */
export function receivedMessage(request: SipRequest): SipReceivedMessage {
  const { headers } = request;
  const type = headers.row(HEADER['content-type']);
  const message: { -readonly [Key in keyof SipReceivedMessage]: SipReceivedMessage[Key] } = {
    requestUri: request.uri,
    from: request.from.uri,
    to: request.to.uri,
    callId: request.callId,
    contentType: type < 0 ? '' : headers.value(type),
    body: request.body,
  };
  const subject = headers.row(HEADER.subject);
  if (subject >= 0) message.subject = headers.value(subject);
  const language = headers.row(HEADER['content-language']);
  if (language >= 0) message.contentLanguage = headers.value(language);
  return message;
}
