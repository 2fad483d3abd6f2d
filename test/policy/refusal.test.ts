import assert from 'node:assert/strict';
import test from 'node:test';
import { REFUSALS, type Refusal, type RefusalReason, refusalOf } from '../../src/policy/index.ts';
import { STANZA_ERROR_TYPE, type StanzaErrorCondition } from '../../src/runtime/xmpp/stanza-error.ts';
import type { StreamErrorCondition } from '../../src/runtime/xmpp/stream-error.ts';

const reasons = Object.keys(REFUSALS) as readonly RefusalReason[];

test('conditions are those the protocol code knows, with the type RFC 6120 gives them', () => {
  for (const reason of reasons) {
    const row: Refusal = refusalOf(reason);
    const condition: StanzaErrorCondition = row.stanzaError.condition;
    const streamError: StreamErrorCondition = row.streamError;
    assert.equal(row.stanzaError.type, STANZA_ERROR_TYPE[condition], reason);
    assert.ok(streamError.length > 0);
    assert.ok(row.sipStatus >= 400 && row.sipStatus < 700 && row.sipStatus !== 503, reason);
    assert.match(row.sentence, /^[A-Z].*\.$/);
    assert.match(reason, /^[a-z-]+$/);
  }
});

test('a refused user looks to a partner like one who does not exist; our own user is told', () => {
  for (const reason of ['user-federation-denied', 'user-xmpp-denied', 'contact-not-listed'] as const) {
    assert.deepEqual(refusalOf(reason).stanzaError, { condition: 'item-not-found', type: 'cancel' });
    assert.equal(refusalOf(reason).sipStatus, 403);
  }
});
