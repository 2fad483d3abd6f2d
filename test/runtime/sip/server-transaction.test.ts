import assert from 'node:assert/strict';
import test from 'node:test';
import {
  newServerState,
  type ServerEvent,
  type ServerState,
  stepServer,
} from '../../../src/runtime/sip/server-transaction.ts';

const EVENTS: readonly ServerEvent[] = ['answer', 'request', 'ack', 'resend', 'timeout', 'linger', 'transport-failed'];

function run(from: ServerState, ...events: readonly ServerEvent[]): { state: ServerState; effects: string[] } {
  let state = from;
  const effects: string[] = [];
  for (const event of events) {
    const [next, out] = stepServer(state, event);
    state = next;
    for (const effect of out) {
      if (effect.effect === 'start') effects.push(`${effect.timer} ${effect.afterMs}`);
      else effects.push(effect.effect === 'stop' ? `stop ${effect.timer}` : effect.effect);
    }
  }
  return { state, effects };
}

test('non-INVITE, reliable: over with its answer', () => {
  const { state, effects } = run(newServerState(false, true), 'request', 'answer', 'request');
  assert.deepEqual(effects, ['send']);
  assert.equal(state.name, 'terminated');
});

test('non-INVITE, unreliable: the answer goes out again for every repeated request, until timer J', () => {
  const { state, effects } = run(newServerState(false, false), 'request', 'answer', 'request', 'request', 'answer');
  assert.deepEqual(effects, ['send', 'timeout 32000', 'send', 'send']);
  assert.equal(run(state, 'timeout').state.name, 'terminated');
});

test('INVITE, unreliable: the final response is sent again until the ACK', () => {
  const answered = run(newServerState(true, false), 'answer', 'resend', 'resend', 'resend', 'resend');
  assert.deepEqual(answered.effects, [
    ...['send', 'timeout 32000', 'resend 500'],
    ...['send', 'resend 1000', 'send', 'resend 2000', 'send', 'resend 4000', 'send', 'resend 4000'],
  ]);
  const confirmed = run(answered.state, 'ack', 'ack', 'request', 'resend');
  assert.deepEqual(confirmed.effects, ['stop resend', 'stop timeout', 'linger 5000']);
  assert.equal(run(confirmed.state, 'linger').state.name, 'terminated');
  assert.equal(run(answered.state, 'timeout').state.name, 'terminated');
});

test('INVITE, reliable: waits for the ACK and sends nothing again', () => {
  const { state, effects } = run(newServerState(true, true), 'answer', 'resend', 'ack');
  assert.deepEqual(effects, ['send', 'timeout 32000', 'stop resend', 'stop timeout']);
  assert.equal(state.name, 'terminated');
});

test('total: every event in every state, and terminated absorbs all', () => {
  const seen = new Set<string>();
  const open: ServerState[] = [true, false].flatMap((invite) => [
    newServerState(invite, true),
    newServerState(invite, false),
  ]);
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    if (seen.has(JSON.stringify(state))) continue;
    seen.add(JSON.stringify(state));
    for (const event of EVENTS) {
      const [next, effects] = stepServer(state, event);
      if (state.name === 'terminated') assert.deepEqual([next, effects.length], [state, 0]);
      // An ACK is never answered.
      if (event === 'ack') assert.ok(effects.every(({ effect }) => effect !== 'send'));
      open.push(next);
    }
  }
});
