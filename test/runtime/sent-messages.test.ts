import assert from 'node:assert/strict';
import test from 'node:test';
import { SentMessages } from '../../src/runtime/sent-messages.ts';
import { type Jid, parseJid } from '../../src/runtime/xmpp/jid.ts';

function jid(text: string): Jid {
  const parsed = parseJid(text);
  assert(parsed !== undefined);
  return parsed;
}

const ann = jid('ann@contoso.com/desk');
const juliet = jid('juliet@fabrikam.com');
const exchange = { user: ann, contact: juliet };

test('a message is found once', () => {
  const sent = new SentMessages();
  sent.add('a', exchange);
  assert.equal(sent.take('b', juliet, ann), undefined);
  assert.equal(sent.take('a', juliet, ann), exchange);
  assert.equal(sent.take('a', juliet, ann), undefined);
});

test('any device or the server of the contact may answer, and to any device of the user', () => {
  for (const from of ['juliet@fabrikam.com/phone', 'juliet@fabrikam.com', 'fabrikam.com']) {
    const sent = new SentMessages();
    sent.add('a', exchange);
    assert.equal(sent.take('a', jid(from), jid('ann@contoso.com')), exchange, from);
  }
});

test('a stranger who guesses the id finds nothing and takes nothing away', () => {
  const sent = new SentMessages();
  sent.add('a', exchange);
  assert.equal(sent.take('a', jid('juliet@chat.fabrikam.com'), ann), undefined);
  assert.equal(sent.take('a', jid('juliet@adatum.com'), ann), undefined);
  assert.equal(sent.take('a', juliet, jid('bob@contoso.com')), undefined);
  assert.equal(sent.take('a', juliet, ann), exchange);
});

test('the oldest are forgotten: between one and two generations are kept', () => {
  const sent = new SentMessages(10);
  for (let i = 0; i < 100; i++) sent.add(`id${i}`, exchange);
  const kept = Array.from({ length: 100 }, (_, i) => `id${i}`).filter((id) => sent.take(id, juliet, ann) !== undefined);
  assert.deepEqual(
    kept,
    Array.from({ length: 20 }, (_, i) => `id${i + 80}`),
  );
});
