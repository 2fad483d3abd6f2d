import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('the quickstart shows every step and ends well', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'examples/quickstart/main.ts'], {
    cwd: root,
    encoding: 'utf8',
    timeout: 60_000,
  });
  assert.equal(status, 0, `${stdout}\n${stderr}`);
  assert.equal(stdout.includes('✗'), false, stdout);
  for (const shown of [
    'proved by sasl-over-tls',
    'proved by tls-dialback',
    'SIP out      MESSAGE sip:alice@contoso.com from sip:juliet@fabrikam.com;gr=garden',
    'XMPP out     <message',
    'partner-not-allowed',
    'decided by   externalAccessPolicies[1].enableFederationAccess',
    'reaches bob now',
    'the old one stays in force',
    'Everything happened as declared',
  ]) {
    assert.ok(stdout.includes(shown), `expected "${shown}" in:\n${stdout}`);
  }
});

test('the quickstart says what it is asked', () => {
  const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', 'examples/quickstart/main.ts', '--help'], {
    cwd: root,
    encoding: 'utf8',
  });
  assert.equal(status, 0);
  assert.match(stdout, /--keep/);
});
