import assert from 'node:assert/strict';
import test from 'node:test';
import {
  type ClientEvent,
  type ClientState,
  NEW_RELIABLE,
  NEW_UNRELIABLE,
  stepClient,
} from '../../../src/runtime/sip/client-transaction.ts';

const EVENTS: readonly ClientEvent[] = [
  'start',
  'provisional',
  'final',
  'resend',
  'timeout',
  'linger',
  'transport-failed',
];

/** Runs events and gives the effects of all, one word each. */
function run(from: ClientState, ...events: readonly ClientEvent[]): { state: ClientState; effects: string[] } {
  let state = from;
  const effects: string[] = [];
  for (const event of events) {
    const [next, out] = stepClient(state, event);
    state = next;
    for (const effect of out) {
      if (effect.effect === 'start') effects.push(`${effect.timer} ${effect.afterMs}`);
      else if (effect.effect === 'stop') effects.push(`stop ${effect.timer}`);
      else effects.push(effect.effect === 'report' ? effect.failure : effect.effect);
    }
  }
  return { state, effects };
}

test('reliable: sent once, one timer', () => {
  const { state, effects } = run(NEW_RELIABLE, 'start', 'provisional', 'final');
  assert.deepEqual(effects, ['send', 'timeout 32000', 'stop timeout', 'deliver']);
  assert.equal(state.name, 'terminated');
});

test('unreliable: sent again at T1, doubling to T2, until timer F', () => {
  const { state, effects } = run(NEW_UNRELIABLE, 'start', ...Array(5).fill('resend'), 'timeout');
  assert.deepEqual(effects, [
    ...['send', 'timeout 32000', 'resend 500'],
    ...['send', 'resend 1000', 'send', 'resend 2000', 'send', 'resend 4000'],
    ...['send', 'resend 4000', 'send', 'resend 4000'],
    ...['stop resend', 'timeout'],
  ]);
  assert.equal(state.name, 'terminated');
});

test('unreliable: a provisional response slows down to T2', () => {
  const { effects } = run(NEW_UNRELIABLE, 'start', 'provisional', 'resend', 'resend');
  assert.deepEqual(effects.slice(3), ['send', 'resend 4000', 'send', 'resend 4000']);
});

test('unreliable: a response that comes again is absorbed until timer K', () => {
  const { state, effects } = run(NEW_UNRELIABLE, 'start', 'final', 'final', 'provisional', 'timeout');
  assert.deepEqual(effects.slice(3), ['stop resend', 'stop timeout', 'deliver', 'linger 5000']);
  assert.equal(state.name, 'completed');
  assert.equal(stepClient(state, 'linger')[0].name, 'terminated');
});

test('a broken transport is told once', () => {
  for (const state of [NEW_RELIABLE, NEW_UNRELIABLE]) {
    assert.equal(run(state, 'start', 'transport-failed', 'transport-failed').effects.at(-1), 'transport');
  }
});

test('total: every event in every state, and no state is left twice with an outcome', () => {
  const seen = new Map<string, ClientState>();
  const open: ClientState[] = [NEW_RELIABLE, NEW_UNRELIABLE];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (seen.has(JSON.stringify(state))) continue;
    seen.set(JSON.stringify(state), state);
    for (const event of EVENTS) {
      const [next, effects] = stepClient(state, event);
      const outcomes = effects.filter(({ effect }) => effect === 'deliver' || effect === 'report').length;
      const isOver = (name: string) => name === 'completed' || name === 'terminated';
      assert.equal(outcomes, isOver(next.name) && !isOver(state.name) ? 1 : 0, `${state.name} ${event}`);
      if (state.name === 'terminated') assert.deepEqual([next, effects.length], [state, 0]);
      open.push(next);
    }
  }
  assert.ok(seen.size >= 9);
});
