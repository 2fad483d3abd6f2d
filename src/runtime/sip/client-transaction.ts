/** Timer values of RFC 3261 section 17 in milliseconds. */
export const T1 = 500;
export const T2 = 4_000;
export const T4 = 5_000;
/** Timers B, F, H and J. */
export const TIMEOUT = 64 * T1;

/**
 * The non-INVITE client transaction (RFC 3261 section 17.1.2). `resendAfter` is the interval that timer E was last set
 * to; 0 on a reliable transport, where nothing is sent again.
 */
export type ClientState =
  | { readonly name: 'new'; readonly reliable: boolean }
  | { readonly name: 'trying'; readonly resendAfter: number }
  | { readonly name: 'proceeding'; readonly resendAfter: number }
  | { readonly name: 'completed' }
  | { readonly name: 'terminated' };

/** `resend` is timer E, `timeout` timer F, `linger` timer K. */
export type ClientEvent = 'start' | 'provisional' | 'final' | 'resend' | 'timeout' | 'linger' | 'transport-failed';

export type ClientEffect =
  | { readonly effect: 'send' }
  | { readonly effect: 'start'; readonly timer: 'resend' | 'timeout' | 'linger'; readonly afterMs: number }
  | { readonly effect: 'stop'; readonly timer: 'resend' | 'timeout' }
  /** The final response goes to the user of the transaction. */
  | { readonly effect: 'deliver' }
  | { readonly effect: 'report'; readonly failure: 'timeout' | 'transport' };

export type ClientStep = readonly [state: ClientState, effects: readonly ClientEffect[]];

export const NEW_RELIABLE: ClientState = { name: 'new', reliable: true };
export const NEW_UNRELIABLE: ClientState = { name: 'new', reliable: false };

// Every step is one of these constants: a transaction costs no allocation beyond itself.
const COMPLETED: ClientState = { name: 'completed' };
const TERMINATED: ClientState = { name: 'terminated' };
const NOTHING: readonly ClientEffect[] = [];
const SEND: ClientEffect = { effect: 'send' };
const STOP_RESEND: ClientEffect = { effect: 'stop', timer: 'resend' };
const STOP_TIMEOUT: ClientEffect = { effect: 'stop', timer: 'timeout' };
const DELIVER: ClientEffect = { effect: 'deliver' };
const START_TIMEOUT: ClientEffect = { effect: 'start', timer: 'timeout', afterMs: TIMEOUT };
const resendAfter = (afterMs: number): ClientEffect => ({ effect: 'start', timer: 'resend', afterMs });

const TRYING_RELIABLE: ClientState = { name: 'trying', resendAfter: 0 };
const PROCEEDING_RELIABLE: ClientState = { name: 'proceeding', resendAfter: 0 };
const PROCEEDING_UNRELIABLE: ClientState = { name: 'proceeding', resendAfter: T2 };
const START_RELIABLE: ClientStep = [TRYING_RELIABLE, [SEND, START_TIMEOUT]];
const START_UNRELIABLE: ClientStep = [{ name: 'trying', resendAfter: T1 }, [SEND, START_TIMEOUT, resendAfter(T1)]];
const RESEND_PROCEEDING: ClientStep = [PROCEEDING_UNRELIABLE, [SEND, resendAfter(T2)]];
const FINAL_RELIABLE: ClientStep = [TERMINATED, [STOP_TIMEOUT, DELIVER]];
const FINAL_UNRELIABLE: ClientStep = [
  COMPLETED,
  [STOP_RESEND, STOP_TIMEOUT, DELIVER, { effect: 'start', timer: 'linger', afterMs: T4 }],
];
const TIMED_OUT: ClientStep = [TERMINATED, [STOP_RESEND, { effect: 'report', failure: 'timeout' }]];
const FAILED: ClientStep = [TERMINATED, [STOP_RESEND, STOP_TIMEOUT, { effect: 'report', failure: 'transport' }]];
const LINGERED: ClientStep = [TERMINATED, NOTHING];
// Timer E doubles up to T2: T1 is the interval before each of these.
const RESEND_TRYING: ReadonlyMap<number, ClientStep> = new Map(
  [T1, 2 * T1, 4 * T1, T2].map((interval): [number, ClientStep] => {
    const next = Math.min(2 * interval, T2);
    return [interval, [{ name: 'trying', resendAfter: next }, [SEND, resendAfter(next)]]];
  }),
);

/** Total: an event that means nothing in a state changes nothing. */
export function stepClient(state: ClientState, event: ClientEvent): ClientStep {
  switch (state.name) {
    case 'new':
      if (event === 'start') return state.reliable ? START_RELIABLE : START_UNRELIABLE;
      return event === 'transport-failed' ? FAILED : [state, NOTHING];
    case 'trying':
    case 'proceeding':
      switch (event) {
        case 'final':
          return state.resendAfter === 0 ? FINAL_RELIABLE : FINAL_UNRELIABLE;
        case 'provisional':
          return [state.resendAfter === 0 ? PROCEEDING_RELIABLE : PROCEEDING_UNRELIABLE, NOTHING];
        case 'resend':
          if (state.resendAfter === 0) return [state, NOTHING];
          return state.name === 'proceeding'
            ? RESEND_PROCEEDING
            : (RESEND_TRYING.get(state.resendAfter) ?? RESEND_PROCEEDING);
        case 'timeout':
          return TIMED_OUT;
        case 'transport-failed':
          return FAILED;
        case 'start':
        case 'linger':
          return [state, NOTHING];
      }
      break;
    case 'completed':
      return event === 'linger' ? LINGERED : [state, NOTHING];
    case 'terminated':
      return [state, NOTHING];
  }
}
