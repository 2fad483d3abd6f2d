/** The load processes against each other: what they count is what was sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startCeiling } from '../../bench/support/ceiling.ts';
import { cpuSeconds, residentBytes } from '../../bench/support/process-cost.ts';
import { createAuthority, issue } from '../support/certificates.ts';
import { CleanupStack } from '../support/peers/cleanup.ts';

test('messages reach the other load process over both protocols', async (t) => {
  const scope = new CleanupStack();
  t.after(() => scope.close());
  const authority = await createAuthority('Bench authority');
  const identity = async (...dnsNames: string[]) => {
    const { chainPem, privateKeyPem } = await issue(authority, { dnsNames });
    return { cert: chainPem, key: privateKeyPem, ca: authority.certificatePem };
  };
  const loads = await startCeiling(scope, { identity }, 250);
  assert.ok((await loads.xmpp({ first: 1, count: 500 })) > 0);
  assert.ok((await loads.sip({ first: 501, count: 500 })) > 0);
  assert.ok((await loads.sip({ first: 1001, count: 1 })) > 0);
});

test('the cost of a process is read from the kernel', { skip: process.platform !== 'linux' }, () => {
  assert.ok(cpuSeconds(process.pid) > 0);
  assert.ok(residentBytes(process.pid) > 1e6);
});
