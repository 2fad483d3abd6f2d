import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { messageToSip } from '../../../src/runtime/interwork/xmpp-to-sip.ts';
import { XmlElement } from '../../../src/runtime/xmpp/element.ts';
import { parseJid } from '../../../src/runtime/xmpp/jid.ts';
import { served } from './served.ts';
import { parseMessage } from './wire.ts';

const NS = 'jabber:server';

function message(
  attributes: readonly string[],
  ...children: readonly (readonly [name: string, text: string])[]
): XmlElement {
  return new XmlElement(
    'message',
    NS,
    attributes,
    children.map(([name, text]) => new XmlElement(name, NS, [], [text])),
  );
}

const juliet = parseJid('juliet@example.com/balcony');
const romeo = parseJid('romeo@example.net');
assert(juliet !== undefined && romeo !== undefined);

describe('message stanza to MESSAGE', () => {
  it('nothing in a stanza can add a header', () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom(...'\r\n\t\0 <>;:"@%,é🌹\u0085\u2028', 'Route: x', '\r\n\r\n'),
        fc.constantFrom('a', 'b'),
      ),
      maxLength: 30,
    });
    fc.assert(
      fc.property(text, text, text, text, text, (resource, subject, thread, language, body) => {
        const from = parseJid(`juliet@example.com/${resource}`) ?? juliet;
        const stanza = message(['xml:lang', language], ['subject', subject], ['thread', thread], ['body', body]);
        const outcome = messageToSip(stanza, from, romeo, { served });
        assert.notEqual(outcome.ok, false);
        if (outcome.ok !== true) return;
        for (const value of Object.entries(outcome.message)) {
          if (value[0] !== 'body') assert.doesNotMatch(value[1], /[\r\n\0]/);
        }
        const parsed = parseMessage(outcome.message);
        assert.equal(parsed.body.toString(), body);
      }),
      { numRuns: 1000 },
    );
  });

  it('counts the limit in bytes of the whole request', () => {
    const ofSize = (bytes: number) =>
      messageToSip(message([], ['body', 'é'.repeat(bytes / 2)]), juliet, romeo, { served, maxRequestBytes: 1300 });
    assert.equal(ofSize(700).ok, true);
    assert.deepEqual(ofSize(900), {
      ok: false,
      condition: 'policy-violation',
      text: 'The message is too large for the recipient.',
    });
    assert.equal(messageToSip(message([], ['body', 'x'.repeat(60_000)]), juliet, romeo, { served }).ok, true);
  });

  it('the limit leaves room for the headers', () => {
    for (let length = 500; length < 900; length++) {
      const outcome = messageToSip(message([], ['subject', 'Feud'], ['body', 'x'.repeat(length)]), juliet, romeo, {
        served,
        maxRequestBytes: 1300,
      });
      if (outcome.ok !== true) return;
      const { requestUri, to, from, body, subject } = outcome.message;
      // What is left over for Via, From tag, CSeq, Call-ID, Content-Type and the names of the headers.
      assert(
        1300 - requestUri.length - to.length - from.length - (subject?.length ?? 0) - Buffer.byteLength(body) >= 400,
      );
    }
    assert.fail('the limit was never reached');
  });

  it('does not tell a recipient we do not serve from a sender who may not be one', () => {
    const stanza = message([], ['body', 'x']);
    const stranger = parseJid('romeo@example.org');
    const insider = parseJid('mercutio@contoso.example');
    assert(stranger !== undefined && insider !== undefined);
    const refusal = { ok: false, condition: 'item-not-found' };
    assert.deepEqual(messageToSip(stanza, juliet, stranger, { served }), refusal);
    assert.deepEqual(messageToSip(stanza, insider, romeo, { served }), refusal);
  });
});
