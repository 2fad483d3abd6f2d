import type { SipTransportName } from './sip/flow.ts';

/** What the SIP side tells whoever counts and logs. Never holds a message body. */
export type SipEvent =
  | { readonly event: 'message-received'; readonly peer: string; readonly transport: SipTransportName }
  /** A request, packet or connection of a peer that may not send to us. */
  | { readonly event: 'peer-refused'; readonly peer: string; readonly reason: string }
  | {
      readonly event: 'parse-failure';
      readonly peer: string;
      readonly status: number;
      readonly message: string;
      readonly closes: boolean;
    }
  /** A request from a trusted peer that is answered without asking the handler. */
  | { readonly event: 'request-refused'; readonly peer: string; readonly method: string; readonly status: number }
  | { readonly event: 'response-unmatched'; readonly peer: string }
  | { readonly event: 'next-hop-up'; readonly nextHop: string }
  | { readonly event: 'next-hop-down'; readonly nextHop: string; readonly reason: string }
  | { readonly event: 'connection-opened'; readonly peer: string; readonly inbound: boolean }
  | { readonly event: 'connection-closed'; readonly peer: string; readonly reason: string }
  /** Too much is under way: refused at once instead of queued. */
  | { readonly event: 'overload'; readonly direction: 'to-sip' | 'from-sip' }
  /** SRV records could not be read; what was known before stays in use. */
  | { readonly event: 'resolution-failed'; readonly nextHop: string; readonly reason: string }
  /** The handler or a completion callback threw: our bug. */
  | { readonly event: 'handler-failed'; readonly error: unknown };

export type SipObserver = (event: SipEvent) => void;
