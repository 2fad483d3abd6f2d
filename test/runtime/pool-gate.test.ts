import assert from 'node:assert/strict';
import test from 'node:test';
import { PoolGate } from '../../src/runtime/pool-gate.ts';
import type { OutcomeCallback, SipOutcome } from '../../src/runtime/sip-client.ts';

const OK: SipOutcome = { status: 200, reason: 'OK', source: 'response' };
const FAILED: SipOutcome = { status: 503, reason: 'Connection Failed', source: 'transport' };
const MESSAGE = { requestUri: '', from: '', to: '', contentType: '', body: '' };

function gate(limit = 10) {
  const open: OutcomeCallback[] = [];
  const turns: string[] = [];
  const samples: number[] = [];
  let now = 100;
  const made = new PoolGate({
    window: { isSampleDue: () => true, sample: (milliseconds) => samples.push(milliseconds), limit },
    send: (_message, done) => open.push(done),
    pause: () => turns.push('pause'),
    resume: () => turns.push('resume'),
    now: () => (now += 1),
  });
  const settle = (count: number, outcome = OK): void => {
    for (const done of open.splice(0, count)) done(outcome);
  };
  const send = (count: number): void => {
    for (let i = 0; i < count; i++) made.send(MESSAGE, () => {});
  };
  return { made, open, turns, samples, send, settle };
}

test('reading stops at the limit and goes on at half of it', () => {
  const { turns, send, settle } = gate();
  send(9);
  assert.deepEqual(turns, []);
  send(3); // what was read already still comes
  assert.deepEqual(turns, ['pause']);
  settle(6);
  assert.deepEqual(turns, ['pause']);
  settle(1);
  assert.deepEqual(turns, ['pause', 'resume']);
  send(4);
  settle(9);
  send(9);
  assert.deepEqual(turns, ['pause', 'resume']);
  send(1);
  assert.deepEqual(turns, ['pause', 'resume', 'pause']);
});

test('failures let go too, also when everything fails at once', () => {
  const { turns, send, settle } = gate();
  send(10);
  settle(10, FAILED);
  assert.deepEqual(turns, ['pause', 'resume']);
});

test('a message that fails before it is sent never pauses', () => {
  let outcomes = 0;
  const made = new PoolGate({
    window: { isSampleDue: () => false, sample: () => {}, limit: 1 },
    send: (_message, done) => done(FAILED),
    pause: () => assert.fail('paused'),
    resume: () => assert.fail('resumed'),
    now: () => 0,
  });
  for (let i = 0; i < 100; i++) {
    made.send(MESSAGE, () => {
      outcomes += 1;
    });
  }
  assert.equal(outcomes, 100);
});

test('only answers of the pool tell how far away it is', () => {
  const { samples, send, settle } = gate();
  send(2);
  settle(1);
  settle(1, FAILED);
  assert.deepEqual(samples, [2]);
});
