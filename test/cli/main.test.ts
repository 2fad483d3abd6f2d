import assert from 'node:assert/strict';
import test from 'node:test';
import { runCommand } from '../support/command-line.ts';

test('what was asked for goes to standard output with status 0, a mistake to standard error with status 1', async () => {
  const [asked, mistaken] = await Promise.all([runCommand('help', 'gateway'), runCommand('gatway')]);
  assert.deepEqual([asked.status, asked.err], [0, '']);
  assert.match(asked.out, /^Usage: xmpp-federation gateway \[options\]\n/);
  assert.deepEqual([mistaken.status, mistaken.out], [1, '']);
  assert.match(mistaken.err, /^error: unknown command 'gatway'\n/);
});
