import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  deliveryNotice,
  stanzaErrorCondition,
  stanzaErrorNotice,
} from '../../../src/runtime/interwork/delivery-notice.ts';
import { type Jid, parseJid } from '../../../src/runtime/xmpp/jid.ts';
import { STANZA_ERROR_TYPE, type StanzaErrorCondition } from '../../../src/runtime/xmpp/stanza-error.ts';
import { served } from './served.ts';
import { parseElement, parseMessage } from './wire.ts';

function address(text: string): Jid {
  const jid = parseJid(text);
  assert(jid !== undefined);
  return jid;
}

const contact = address('a;gr\\40=b@example.com/balcony');
const user = address('romeo@chat.contoso.example/orchard');

function errorStanza(inner: string, attributes = "type='error'"): ReturnType<typeof parseElement> {
  return parseElement(`<message xmlns='jabber:server' ${attributes}><body>secret</body>${inner}</message>`);
}

const STANZAS = "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'";

describe('a delivery notice', () => {
  it('comes from the contact, in words, without the original', () => {
    const stanza = errorStanza(
      `<thread>t 1</thread><error type='cancel' by='x'><text ${STANZAS}>secret</text><item-not-found ${STANZAS}/></error>`,
    );
    const notice = stanzaErrorNotice(stanza, contact, user, served);
    assert.deepEqual(notice, {
      requestUri: 'sip:romeo@contoso.example;gr=orchard',
      from: 'sip:a;gr%40=b@example.com',
      to: 'sip:romeo@contoso.example;gr=orchard',
      contentType: 'text/plain;charset=UTF-8',
      contentLanguage: 'en',
      body: 'Your message was not delivered: this address does not exist.',
      callId: 'thread-64.dCAx',
    });
    parseMessage(notice);
  });

  it('has words for every condition', () => {
    for (const condition of Object.keys(STANZA_ERROR_TYPE) as StanzaErrorCondition[]) {
      const notice = deliveryNotice(condition, contact, user, served);
      assert.match(notice?.body ?? '', /^Your message was not delivered: [a-z][a-z ;]+\.$/);
      assert.equal(notice?.callId, undefined);
    }
  });

  it('is not made of anything but an error to one of our users', () => {
    const error = `<error><gone ${STANZAS}/></error>`;
    assert.equal(stanzaErrorNotice(errorStanza(error, "type='chat'"), contact, user, served), undefined);
    assert.equal(stanzaErrorNotice(errorStanza(error, ''), contact, user, served), undefined);
    const presence = parseElement(`<presence xmlns='jabber:server' type='error'>${error}</presence>`);
    assert.equal(stanzaErrorNotice(presence, contact, user, served), undefined);
    assert.equal(stanzaErrorNotice(errorStanza(error), contact, address('x@example.org'), served), undefined);
    assert.equal(stanzaErrorNotice(errorStanza(error), contact, address('example.net'), served), undefined);
    assert.equal(stanzaErrorNotice(errorStanza(error), address('example.com'), user, served), undefined);
  });
});

describe('the condition of an error stanza', () => {
  for (const [inner, condition] of [
    [`<error><gone ${STANZAS}>xmpp:x</gone></error>`, 'gone'],
    [`<error><x xmlns='y'/><text ${STANZAS}/><forbidden ${STANZAS}/></error>`, 'forbidden'],
    [`<error><forbidden xmlns='y'/></error>`, 'undefined-condition'],
    [`<error><constructor ${STANZAS}/></error>`, 'undefined-condition'],
    [`<error code='404'/>`, 'undefined-condition'],
    ['', 'undefined-condition'],
  ] as const) {
    it(inner || '(none)', () => assert.equal(stanzaErrorCondition(errorStanza(inner)), condition));
  }
});
