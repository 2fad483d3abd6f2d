import type { FederationIndex, Refused, StanzaKind } from '../policy/index.ts';
import type { SipPageMessage } from './sip/page-message.ts';
import type { SipOutcome } from './sip-client.ts';
import type { SendDone } from './streams/outbound-route.ts';
import type { TrafficLedger } from './traffic.ts';

/** Whom our users have on their contact lists. */
export interface ContactList {
  /** @param user and contact are bare addresses in normal form */
  isListed(user: string, contact: string): boolean;
}

/** Nobody is listed: what cannot be known is a refusal for contacts of `PublicUnverified` partners. */
export const NO_CONTACTS: ContactList = { isListed: () => false };

/** What decides about messages, replaced whole by a reload. */
export interface BridgePolicy {
  readonly index: FederationIndex;
  /** Largest SIP request in bytes, where the way to the pool has such a limit. */
  readonly maxRequestBytes: number | undefined;
}

/** What the bridge needs from the world around it. */
export interface BridgeServices {
  readonly contacts: ContactList;
  readonly traffic: TrafficLedger;
  /** Milliseconds of a clock that does not go back. */
  now(): number;
  /** Value of the `id` attribute of a stanza. */
  newId(): string;
  sendToPartner(localDomain: string, remoteDomain: string, xml: string, done: SendDone): void;
  /** `done` is called exactly once, possibly before this returns. */
  sendToPool(message: SipPageMessage, done: (outcome: SipOutcome) => void): void;
  /** The outcome any message to the pool would have now, when none can get there. */
  poolOutage(): SipOutcome | undefined;
  observe(event: BridgeObservation): void;
}

/** From a partner, or to one. */
export type Direction = 'inbound' | 'outbound';

/** What operators may want to know of messages: becomes audit lines and metrics. Addresses are bare. */
export type BridgeObservation =
  | {
      readonly type: 'stanza-refused';
      readonly direction: Direction;
      /** Primary domain; empty for a stranger. */
      readonly partner: string;
      readonly from: string;
      readonly to: string;
      readonly kind: StanzaKind;
      /** Empty for what came from the pool. */
      readonly streamId: string;
      readonly refused: Refused;
    }
  /** A message of the pool from nobody, or to nobody, that we could speak for or to. Addresses as they came. */
  | {
      readonly type: 'pool-message-refused';
      readonly from: string;
      readonly to: string;
      readonly status: number;
      readonly reason: string;
    }
  /** The sender has been told. */
  | {
      readonly type: 'message-failed';
      readonly direction: Direction;
      readonly partner: string;
      readonly from: string;
      readonly to: string;
      readonly cause: string;
    }
  /** Only where the configuration wants the text of messages logged. */
  | {
      readonly type: 'message-passed';
      readonly direction: Direction;
      readonly partner: string;
      readonly from: string;
      readonly to: string;
      readonly body: string;
    };
