import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { callIdToThread, threadToCallId } from '../../../src/runtime/interwork/thread-id.ts';
import { isCallId } from '../../../src/runtime/sip/message.ts';

it('passes a thread that is a plain Call-ID', () => {
  for (const thread of ['e0ffe42b28561960c6b12b944a092794b9683a38', '711609sa@example.com', 'A-b.c_d~e+f!g*h:i/j']) {
    assert.equal(threadToCallId(thread), thread);
    assert.equal(callIdToThread(thread), thread);
  }
});

it('encodes any other thread, and takes it back', () => {
  for (const thread of ['a b', 'ü', 'a@b@c', '@', 'a@', '<x>', 'x\r\nRoute: y', 'thread-64.YQ', ' ']) {
    const callId = threadToCallId(thread);
    assert.match(callId, /^thread-64\.[A-Za-z0-9_-]+$/);
    assert.equal(callIdToThread(callId), thread);
  }
});

it('hashes a long one to the same Call-ID every time', () => {
  const callId = threadToCallId('balcony '.repeat(9000));
  assert.match(callId, /^thread-256\.[0-9a-f]{64}$/);
  assert.equal(threadToCallId('balcony '.repeat(9000)), callId);
  assert.notEqual(threadToCallId('balcony '.repeat(9001)), callId);
  assert.equal(callIdToThread(callId), callId);
});

it('leaves alone a Call-ID that only looks like one of ours', () => {
  for (const callId of [
    'thread-64.',
    'thread-64.dGhl=',
    'thread-64.YR',
    'thread-64._w',
    'thread-64.YQ@host',
    'thread-64.YWJj',
  ]) {
    assert.equal(callIdToThread(callId), callId);
  }
});

it('any thread gives a short legal Call-ID; a short thread survives the round trip', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom('a', '@', '.', '-', ' ', '\r', '\n', '<', 'ü', '🌹', 'thread-64.'),
        minLength: 1,
        maxLength: 80,
      }),
      (thread) => {
        const callId = threadToCallId(thread);
        assert(isCallId(callId) && callId.length <= 255);
        if (Buffer.byteLength(thread) <= 180) assert.equal(callIdToThread(callId), thread);
      },
    ),
    { numRuns: 1000 },
  );
});
