import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dialbackCondition, dialbackKey, isDialbackKey, readDialbackKey } from '../../../src/runtime/xmpp/dialback.ts';

const SECRET = 's3cr3tf0rd14lb4ck';
const KEY = '37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643';

test('D6: the key of XEP-0185 section 4', () => {
  assert.equal(dialbackKey(SECRET, 'xmpp.example.com', 'example.org', 'D60000229F'), KEY);
});

test('D6: a key is good for one secret, one pair in one direction, one stream', () => {
  const isKey = (secret: string, receiving: string, originating: string, id: string, key = KEY) =>
    isDialbackKey(key, secret, receiving, originating, id);
  assert.ok(isKey(SECRET, 'xmpp.example.com', 'example.org', 'D60000229F'));
  assert.ok(!isKey(SECRET, 'xmpp.example.com', 'example.org', 'D60000229E'));
  assert.ok(!isKey(SECRET, 'example.org', 'xmpp.example.com', 'D60000229F'));
  assert.ok(!isKey(SECRET, 'xmpp.example.com', 'example.net', 'D60000229F'));
  assert.ok(!isKey('another', 'xmpp.example.com', 'example.org', 'D60000229F'));
  for (const key of ['', KEY.slice(1), `${KEY}0`, KEY.toUpperCase(), 'ä'.repeat(32)]) {
    assert.ok(!isKey(SECRET, 'xmpp.example.com', 'example.org', 'D60000229F', key), key);
  }
});

test('a key is read without the space around it, and only when it can be one', () => {
  assert.equal(readDialbackKey(`\n ${KEY}\t`), KEY);
  assert.equal(readDialbackKey('a1:b2/c3=='), 'a1:b2/c3==');
  for (const text of ['', '  ', 'a b', 'ä', '\u0007', 'k'.repeat(1_025)])
    assert.equal(readDialbackKey(text), undefined);
});

test('a condition that a peer made up goes no further', () => {
  assert.equal(dialbackCondition('remote-server-timeout'), 'remote-server-timeout');
  for (const name of ['made-up', 'constructor', '', undefined])
    assert.equal(dialbackCondition(name), 'undefined-condition');
});
