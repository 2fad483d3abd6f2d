import assert from 'node:assert/strict';
import test from 'node:test';
import { createLogger } from '../../src/runtime/log.ts';
import { LOG_LEVELS } from '../../src/runtime/settings.ts';

test('a line is JSON with a level name and an ISO time, and nothing of the host', () => {
  const lines: string[] = [];
  createLogger('info', { write: (line) => lines.push(line) }).info({ event: 'x' }, 'hello');
  assert.equal(lines.length, 1);
  const { time, ...rest } = JSON.parse(lines[0] ?? '');
  assert.deepEqual(rest, { level: 'info', event: 'x', msg: 'hello' });
  assert.equal(new Date(time).toISOString(), time);
});

test('every level leaves out what is below it', () => {
  const writing = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
  for (const [i, level] of LOG_LEVELS.entries()) {
    const seen: string[] = [];
    const logger = createLogger(level, { write: (line) => seen.push(JSON.parse(line).level) });
    for (const each of writing) logger[each]('x');
    assert.deepEqual(seen, writing.slice(i), level);
  }
});
