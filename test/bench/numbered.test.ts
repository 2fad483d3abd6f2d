import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { ArrivalLog } from '../../bench/support/arrivals.ts';
import { spreadOf, tableLines } from '../../bench/support/figures.ts';
import { readDigits, stanzaTemplate, Template } from '../../bench/support/numbered.ts';
import { noteBodies } from '../../bench/support/numbered-sink.ts';

const { text, tail } = stanzaTemplate('partner.example', 'gateway.example', '', 250);

test('every message has the wanted size, its number, and users that vary', () => {
  const messages =
    new Template(text)
      .fill(41, 3)
      .toString('latin1')
      .match(/<message.*?<\/message>/g) ?? [];
  assert.deepEqual(
    messages.map((message) => message.length),
    [250, 250, 250],
  );
  assert.ok(messages[1]?.startsWith("<message from='r0042@partner.example' to='l0294@gateway.example' type='chat'"));
  assert.ok(messages[1]?.includes(" id='n00000042'><body>#00000042 the meeting"));
  assert.equal(readDigits(Buffer.from('x00000042'), 1), 42);
  assert.equal(readDigits(Buffer.from('0000-042'), 0), -1);
});

test('a message that does not fit is refused', () => {
  assert.throws(() => stanzaTemplate('partner.example', 'gateway.example', '', 100), /no body tail of -\d+ characters/);
});

test('the sink finds every message, however the stream is cut', async () => {
  const stream = new Template(text).fill(7, 4);
  for (let cut = 0; cut <= stream.length; cut += 1) {
    const log = new ArrivalLog();
    log.arm(7, 4);
    const socket = new Socket();
    noteBodies({ socket, rest: stream.subarray(0, cut) }, tail, log);
    deliver(socket, stream.subarray(cut));
    const { missing, duplicates, damaged, strays } = await log.settled();
    assert.deepEqual([missing, duplicates, damaged, strays], [0, 0, 0, 0], `cut at ${cut}`);
  }
});

test('the sink notices a doubled, a damaged and a foreign message', async () => {
  const log = new ArrivalLog();
  log.arm(7, 2);
  const socket = new Socket();
  noteBodies({ socket, rest: Buffer.alloc(0) }, tail, log);
  const template = new Template(text);
  deliver(socket, template.fill(7, 1));
  deliver(socket, template.fill(7, 1));
  deliver(socket, template.fill(99, 1));
  deliver(socket, Buffer.from(template.fill(8, 1).toString().replace('noon', 'nine')));
  const { expected, missing, firstMissing, duplicates, damaged, strays, sample } = await log.settled();
  assert.deepEqual([expected, missing, firstMissing, duplicates, damaged, strays], [2, 0, -1, 1, 1, 1]);
  assert.match(sample, /#00000007/);
});

test('a spread is lowest, median, highest', () => {
  assert.deepEqual(spreadOf([5, 1, 3]), { min: 1, median: 3, max: 5 });
  assert.deepEqual(spreadOf([4, 1, 3, 2]), { min: 1, median: 2.5, max: 4 });
  assert.throws(() => spreadOf([]), /no values/);
});

test('a table is aligned', () => {
  assert.deepEqual(
    tableLines([
      ['what', 'n'],
      ['a', '10'],
    ]),
    ['what   n', 'a     10'],
  );
});

function deliver(socket: EventEmitter, bytes: Buffer): void {
  socket.emit('data', bytes);
}
