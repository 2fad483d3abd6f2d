import assert from 'node:assert/strict';
import test from 'node:test';
import { joinPath, showText, showValue } from '../../src/config/finding.ts';

test('paths read like property access', () => {
  const path = (...keys: PropertyKey[]) => keys.reduce<string>(joinPath, '');
  assert.equal(path('xmppAllowedPartners', 2, 'tlsNegotiation'), 'xmppAllowedPartners[2].tlsNegotiation');
  assert.equal(path('sip', 'nextHops', 0), 'sip.nextHops[0]');
  assert.equal(path('a b'), '["a b"]');
  assert.equal(path('sip', 'x\u001b[2J'), 'sip["x\\u001b[2J"]');
  assert.equal(path('k'.repeat(1000)).length < 60, true);
});

test('values are shown short', () => {
  assert.equal(showValue(undefined), 'nothing');
  assert.equal(showValue(null), 'null');
  assert.equal(showValue(0), '0');
  assert.equal(showValue(false), 'false');
  assert.equal(showValue('x'), '"x"');
  assert.equal(showValue([1]), 'a list of 1 entry');
  assert.equal(showValue([1, 2]), 'a list of 2 entries');
  assert.equal(showValue({ a: 1 }), 'an object');
  assert.equal(
    showValue(() => 1),
    'a function',
  );
  assert.equal(showValue('x'.repeat(1e6)).length, 43);
});

test('nothing shown can steer a terminal', () => {
  const hostile = '\u001b[31m\u0085\u009b\u202e\u2028\u200f\ud800\n';
  assert.match(showText(hostile), /^[\x20-\x7e]+$/);
});
