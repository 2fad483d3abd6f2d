import { T1, T2, T4, TIMEOUT } from './client-transaction.ts';

/**
 * The server transaction, INVITE (RFC 3261 section 17.2.1, without 2xx: no INVITE is accepted here) and other
 * (17.2.2). `resendAfter` is the interval that timer G was last set to; 0 where the final response is not sent again
 * unasked.
 */
export type ServerState =
  | { readonly name: 'trying'; readonly kind: ServerKind }
  | { readonly name: 'completed'; readonly kind: ServerKind; readonly resendAfter: number }
  | { readonly name: 'confirmed' }
  | { readonly name: 'terminated' };

export interface ServerKind {
  readonly invite: boolean;
  readonly reliable: boolean;
}

/** `request` is the same request again; `resend` is timer G, `timeout` timer H or J, `linger` timer I. */
export type ServerEvent = 'answer' | 'request' | 'ack' | 'resend' | 'timeout' | 'linger' | 'transport-failed';

export type ServerEffect =
  /** Sends the final response, for the first time or again. */
  | { readonly effect: 'send' }
  | { readonly effect: 'start'; readonly timer: 'resend' | 'timeout' | 'linger'; readonly afterMs: number }
  | { readonly effect: 'stop'; readonly timer: 'resend' | 'timeout' };

export type ServerStep = readonly [state: ServerState, effects: readonly ServerEffect[]];

const INVITE_RELIABLE: ServerKind = { invite: true, reliable: true };
const INVITE_UNRELIABLE: ServerKind = { invite: true, reliable: false };
const OTHER_RELIABLE: ServerKind = { invite: false, reliable: true };
const OTHER_UNRELIABLE: ServerKind = { invite: false, reliable: false };

/** State of a transaction whose request has just come in. */
export function newServerState(invite: boolean, reliable: boolean): ServerState {
  if (invite) return reliable ? TRYING_INVITE_RELIABLE : TRYING_INVITE_UNRELIABLE;
  return reliable ? TRYING_RELIABLE : TRYING_UNRELIABLE;
}

const TRYING_INVITE_RELIABLE: ServerState = { name: 'trying', kind: INVITE_RELIABLE };
const TRYING_INVITE_UNRELIABLE: ServerState = { name: 'trying', kind: INVITE_UNRELIABLE };
const TRYING_RELIABLE: ServerState = { name: 'trying', kind: OTHER_RELIABLE };
const TRYING_UNRELIABLE: ServerState = { name: 'trying', kind: OTHER_UNRELIABLE };
const CONFIRMED: ServerState = { name: 'confirmed' };
const TERMINATED: ServerState = { name: 'terminated' };

const NOTHING: readonly ServerEffect[] = [];
const SEND: ServerEffect = { effect: 'send' };
const START_TIMEOUT: ServerEffect = { effect: 'start', timer: 'timeout', afterMs: TIMEOUT };
const STOP_BOTH: readonly ServerEffect[] = [
  { effect: 'stop', timer: 'resend' },
  { effect: 'stop', timer: 'timeout' },
];
const AGAIN: readonly ServerEffect[] = [SEND];
const resendAfter = (afterMs: number): ServerEffect => ({ effect: 'start', timer: 'resend', afterMs });

const ANSWER_INVITE_RELIABLE: ServerStep = [
  { name: 'completed', kind: INVITE_RELIABLE, resendAfter: 0 },
  [SEND, START_TIMEOUT],
];
const ANSWER_INVITE_UNRELIABLE: ServerStep = [
  { name: 'completed', kind: INVITE_UNRELIABLE, resendAfter: T1 },
  [SEND, START_TIMEOUT, resendAfter(T1)],
];
// Timer J is zero on a reliable transport.
const ANSWER_RELIABLE: ServerStep = [TERMINATED, AGAIN];
const ANSWER_UNRELIABLE: ServerStep = [
  { name: 'completed', kind: OTHER_UNRELIABLE, resendAfter: 0 },
  [SEND, START_TIMEOUT],
];
const CONFIRM_RELIABLE: ServerStep = [TERMINATED, STOP_BOTH];
const CONFIRM_UNRELIABLE: ServerStep = [CONFIRMED, [...STOP_BOTH, { effect: 'start', timer: 'linger', afterMs: T4 }]];
const GIVE_UP: ServerStep = [TERMINATED, STOP_BOTH];
const DONE: ServerStep = [TERMINATED, NOTHING];

/** Total: an event that means nothing in a state changes nothing. */
export function stepServer(state: ServerState, event: ServerEvent): ServerStep {
  switch (state.name) {
    case 'trying':
      if (event === 'transport-failed') return DONE;
      if (event !== 'answer') return [state, NOTHING];
      if (state.kind.invite) return state.kind.reliable ? ANSWER_INVITE_RELIABLE : ANSWER_INVITE_UNRELIABLE;
      return state.kind.reliable ? ANSWER_RELIABLE : ANSWER_UNRELIABLE;
    case 'completed':
      switch (event) {
        case 'request':
          return [state, AGAIN];
        case 'ack':
          if (!state.kind.invite) return [state, NOTHING];
          return state.kind.reliable ? CONFIRM_RELIABLE : CONFIRM_UNRELIABLE;
        case 'resend': {
          if (state.resendAfter === 0) return [state, NOTHING];
          const next = Math.min(2 * state.resendAfter, T2);
          return [{ ...state, resendAfter: next }, [SEND, resendAfter(next)]];
        }
        case 'timeout':
        case 'transport-failed':
          return GIVE_UP;
        case 'answer':
        case 'linger':
          return [state, NOTHING];
      }
      break;
    case 'confirmed':
      return event === 'linger' ? DONE : [state, NOTHING];
    case 'terminated':
      return [state, NOTHING];
  }
}
