import { type RefusalReason, refusalOf } from '../../policy/index.ts';
import type { StreamEnding } from '../xmpp/session.ts';
import type { StanzaErrorCondition } from '../xmpp/stanza-error.ts';

/** Why a stanza could not be handed to the partner, in terms its sender can be told. */
export interface RouteFailure {
  readonly condition: StanzaErrorCondition;
  readonly text: string;
  /** Set when it was our own policy. */
  readonly refusal?: RefusalReason;
}

export const QUEUE_FULL: RouteFailure = {
  condition: 'resource-constraint',
  text: 'too many messages wait for the partner',
};
export const CONGESTED: RouteFailure = {
  condition: 'resource-constraint',
  text: 'the partner does not take messages fast enough',
};
export const TOO_LONG: RouteFailure = {
  condition: 'policy-violation',
  text: "the partner's server takes no message this long",
};
export const TOO_LATE: RouteFailure = {
  condition: 'remote-server-timeout',
  text: "the partner's server did not answer in time",
};
export const SHUTTING_DOWN: RouteFailure = { condition: 'remote-server-timeout', text: 'the gateway is shutting down' };

/** What the end of a stream means for the stanzas that waited for it (RFC 6120 section 8.3.3). */
export function failureOf(ending: StreamEnding): RouteFailure {
  switch (ending.why) {
    case 'refused':
      return {
        condition: refusalOf(ending.reason).stanzaError.condition,
        text: refusalOf(ending.reason).sentence,
        refusal: ending.reason,
      };
    case 'unreachable':
      return ending.code === 'dns-no-service'
        ? { condition: 'remote-server-not-found', text: "the partner's domain has no server" }
        : { condition: 'remote-server-timeout', text: "the partner's server cannot be reached" };
    case 'peer-error':
      return ending.condition === 'host-unknown' || ending.condition === 'host-gone'
        ? { condition: 'remote-server-not-found', text: "the partner's server does not serve the domain" }
        : { condition: 'remote-server-timeout', text: "the partner's server closed the stream" };
    case 'timeout':
      return { condition: 'remote-server-timeout', text: "the partner's server did not answer in time" };
    case 'shutdown':
      return SHUTTING_DOWN;
    case 'protocol':
    case 'peer-closed':
    case 'disconnected':
    case 'fault':
      return { condition: 'remote-server-timeout', text: "the stream to the partner's server failed" };
  }
}
