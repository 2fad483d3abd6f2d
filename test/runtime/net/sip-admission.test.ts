import assert from 'node:assert/strict';
import test from 'node:test';
import { Admission } from '../../../src/runtime/net/sip-admission.ts';

test('strangers are bounded, in all and for each address; whoever is trusted makes room', () => {
  const admission = new Admission({ maxConnections: 5, maxStrangers: 3, maxStrangersPerAddress: 2 });
  const enter = (key: string, address: string, isTrusted = false) => {
    const refusal = admission.refusal(address, isTrusted);
    if (refusal === undefined) admission.enter(key, address, isTrusted);
    return refusal === undefined;
  };
  assert.deepEqual([enter('1', 'a'), enter('2', 'a'), enter('3', 'a')], [true, true, false]);
  assert.deepEqual([enter('4', 'b'), enter('5', 'c')], [true, false]);
  assert.equal(enter('6', 'c', true), true);
  admission.trust('1');
  admission.trust('1');
  admission.trust('unknown');
  assert.equal(enter('7', 'a'), true);
  assert.equal(enter('8', 'd', true), false);
  for (const key of ['1', '2', '4', '6', '7', '7']) admission.leave(key);
  assert.deepEqual([enter('9', 'a'), enter('10', 'a'), enter('11', 'a')], [true, true, false]);
});
