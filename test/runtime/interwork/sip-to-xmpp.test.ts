import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  messageAddresses,
  messageToStanza,
  type ReceivedPageMessage,
} from '../../../src/runtime/interwork/sip-to-xmpp.ts';
import { messageToSip } from '../../../src/runtime/interwork/xmpp-to-sip.ts';
import { XmlElement } from '../../../src/runtime/xmpp/element.ts';
import { type Jid, parseJid } from '../../../src/runtime/xmpp/jid.ts';
import { served } from './served.ts';
import { parseElement } from './wire.ts';

function address(text: string): Jid {
  const jid = parseJid(text);
  assert(jid !== undefined);
  return jid;
}

function withThread(stanza: XmlElement, thread: string): XmlElement {
  const children = stanza.elements().filter((child) => child.name !== 'thread');
  return new XmlElement('message', stanza.ns, [], [...children, new XmlElement('thread', stanza.ns, [], [thread])]);
}

const MESSAGE: ReceivedPageMessage = {
  requestUri: 'sip:juliet@example.com;gr=balcony',
  from: 'sip:romeo@example.net',
  to: 'sip:juliet@example.com',
  contentType: 'text/plain',
  body: 'hello',
};

describe('MESSAGE to message stanza', () => {
  it('nothing in a request can add to the stanza', () => {
    const text = fc.string({
      unit: fc.oneof(
        fc.constantFrom(...'<>&\'"\r\n\0\ufffe]/', '</body>', ']]>', '<script>'),
        fc.constantFrom('a', 'é', '🌹'),
      ),
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(text, text, text, text, text, fc.boolean(), (id, subject, callId, contentLanguage, body, isHtml) => {
        const contentType = isHtml ? 'text/html' : 'text/plain';
        const outcome = messageToStanza(
          { ...MESSAGE, subject, callId, contentLanguage, contentType, body },
          { id, served },
        );
        if (outcome.ok !== true) {
          assert(isHtml);
          return;
        }
        const stanza = parseElement(outcome.xml);
        assert.deepEqual(
          stanza.attributes.filter((_, i) => i % 2 === 0).filter((name) => name !== 'xml:lang'),
          ['from', 'to', 'id'],
        );
        assert(stanza.children.every((child) => typeof child !== 'string'));
        const names = stanza.elements().map((child) => child.name);
        assert.deepEqual(
          names.filter((name) => name !== 'subject' && name !== 'html'),
          ['body', 'thread'],
        );
        if (!isHtml) {
          const expected = body.replace(/\r\n?/g, '\n').replace(/[\0-\x08\x0b-\x1f\ufffe]/g, '\ufffd');
          assert.equal(stanza.child('body')?.text(), expected);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('any bytes as a body give a stanza or a refusal', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        fc.constantFrom('text/plain', 'text/html', 'text/plain;charset=iso-8859-1'),
        (body, contentType) => {
          const outcome = messageToStanza({ ...MESSAGE, body, contentType }, { id: '1', served });
          if (outcome.ok === true) parseElement(outcome.xml);
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('brings a thread back to the partner it came from', () => {
    for (const thread of ['t1', 'the balcony, by night', '<x>&"\'']) {
      const there = parseElement(`<message xmlns='jabber:server'><body>x</body><thread/></message>`);
      const stanza = messageToSip(
        withThread(there, thread),
        address('juliet@example.com'),
        address('romeo@example.net'),
        { served },
      );
      assert(stanza.ok === true && stanza.message.callId !== undefined);
      const back = messageToStanza({ ...MESSAGE, callId: stanza.message.callId }, { id: '1', served });
      assert(back.ok === true);
      assert.equal(parseElement(back.xml).child('thread')?.text(), thread);
    }
  });

  it('a reply reaches the address the message came from', () => {
    for (const from of [
      'sip:romeo@example.net',
      "sip:o'malley@example.net",
      'sip:a%40b@example.net',
      'sip:x@contoso.example;gr=%C3%BC%3B',
    ]) {
      const outcome = messageToStanza({ ...MESSAGE, from }, { id: '1', served });
      assert(outcome.ok === true);
      const reply = messageToSip(
        parseElement(`<message xmlns='jabber:server'><body>x</body></message>`),
        outcome.to,
        outcome.from,
        { served },
      );
      assert(reply.ok === true);
      assert.equal(reply.message.requestUri, from);
      assert.equal(reply.message.from, MESSAGE.requestUri);
    }
  });

  it('drops the formatting before it refuses a message for its size', () => {
    const body = `<b>${'x'.repeat(500)}</b>`;
    const send = (maxStanzaBytes: number) =>
      messageToStanza({ ...MESSAGE, body, contentType: 'text/html' }, { id: '1', served, maxStanzaBytes });
    const whole = send(2000);
    const plain = send(1000);
    assert(whole.ok === true && plain.ok === true);
    assert(whole.xml.includes('<html') && !plain.xml.includes('<html'));
    assert.deepEqual(send(500), { ok: false, status: 413, reason: 'Request Entity Too Large' });
  });
});

describe('addresses of a MESSAGE', () => {
  const refusal = (change: Partial<ReceivedPageMessage>) => {
    const outcome = messageAddresses({ ...MESSAGE, ...change }, served);
    return outcome.ok ? undefined : outcome.status;
  };

  it('are given for policy to judge before the body is looked at', () => {
    const outcome = messageAddresses(MESSAGE, served);
    assert(outcome.ok);
    assert.deepEqual([outcome.from.full, outcome.to.full], ['romeo@example.net', 'juliet@example.com/balcony']);
  });

  it('are never of the sips: scheme', () => {
    assert.equal(refusal({ requestUri: 'sips:juliet@example.com' }), 416);
    assert.equal(refusal({ requestUri: 'sips:juliet@example.com', to: 'sips:juliet@example.com' }), 416);
    assert.equal(refusal({ to: 'SIPS:juliet@example.com' }), 416);
    assert.equal(refusal({ from: 'sips:romeo@example.net' }), 416);
  });

  it('lead from a domain of ours to one that is not, under either of its names', () => {
    assert.equal(refusal({ from: 'sip:tybalt@example.org' }), 403);
    assert.equal(refusal({ from: 'sip:juliet@example.com' }), 403);
    assert.equal(refusal({ from: 'sip:x@chat.contoso.example' }), 403);
    assert.equal(refusal({ from: 'sip:example.net' }), 400);
    assert.equal(refusal({ requestUri: 'sip:mercutio@example.net' }), 482);
    assert.equal(refusal({ requestUri: 'sip:x@contoso.example' }), 482);
    assert.equal(refusal({ requestUri: 'sip:x@chat.contoso.example' }), 482);
    assert.equal(refusal({ requestUri: 'sip:example.com' }), 404);
    assert.equal(refusal({ requestUri: 'tel:+1' }), 404);
  });
});
