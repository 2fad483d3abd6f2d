import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  bounceAllowed,
  sipFailureReply,
  sipToStanzaError,
  stanzaErrorReply,
  stanzaErrorToSip,
} from '../../../src/runtime/interwork/errors.ts';
import { STANZA_ERROR_TYPE, type StanzaErrorCondition } from '../../../src/runtime/xmpp/stanza-error.ts';
import { parseElement } from './wire.ts';

// RFC 7247 Table 2: condition, full JID, bare JID.
const TABLE_2: readonly (readonly [StanzaErrorCondition, number, number])[] = [
  ['bad-request', 400, 400],
  ['conflict', 400, 400],
  ['feature-not-implemented', 405, 501],
  ['forbidden', 403, 603],
  ['gone', 410, 410],
  ['internal-server-error', 500, 500],
  ['item-not-found', 404, 604],
  ['jid-malformed', 400, 400],
  ['not-acceptable', 406, 606],
  ['not-allowed', 403, 403],
  ['not-authorized', 401, 401],
  ['policy-violation', 403, 403],
  ['recipient-unavailable', 480, 600],
  ['redirect', 302, 302],
  ['registration-required', 407, 407],
  ['remote-server-not-found', 404, 404],
  ['remote-server-timeout', 408, 408],
  ['resource-constraint', 500, 500],
  ['service-unavailable', 403, 403],
  ['subscription-required', 400, 400],
  ['undefined-condition', 400, 400],
  ['unexpected-request', 491, 491],
];

// RFC 7247 Table 3.
const TABLE_3: readonly (readonly [StanzaErrorCondition, ...number[]])[] = [
  ['redirect', 300, 302, 305],
  ['gone', 301, 410],
  ['bad-request', 400, 402, 493],
  ['not-authorized', 401],
  ['forbidden', 403],
  ['item-not-found', 404, 481, 484, 485, 604],
  ['feature-not-implemented', 405, 420, 439, 501],
  ['not-acceptable', 380, 406, 415, 416, 421, 482, 483, 488, 505, 606],
  ['registration-required', 407],
  ['remote-server-timeout', 408, 504],
  ['policy-violation', 413, 414, 440, 489, 513],
  ['resource-constraint', 423],
  ['recipient-unavailable', 430, 480, 486, 487, 600, 603],
  ['unexpected-request', 491],
  ['internal-server-error', 500, 503],
  ['remote-server-not-found', 502],
];

describe('RFC 7247 Table 2', () => {
  for (const [condition, full, bare] of TABLE_2) {
    it(`${condition} -> ${full}/${bare}`, () => {
      assert.equal(stanzaErrorToSip(condition, { full: true }), full);
      assert.equal(stanzaErrorToSip(condition, { full: false }), bare);
    });
  }

  it('has a row for every condition, and 503 in none', () => {
    assert.deepEqual(TABLE_2.map(([condition]) => condition).sort(), Object.keys(STANZA_ERROR_TYPE).sort());
    assert(TABLE_2.every(([, full, bare]) => full !== 503 && bare !== 503));
  });

  it('gone with an address is 301', () => {
    assert.equal(stanzaErrorToSip('gone', { full: false, hasNewAddress: true }), 301);
    assert.equal(stanzaErrorToSip('gone', { full: true, hasNewAddress: true }), 301);
  });
});

describe('RFC 7247 Table 3', () => {
  const listed = new Map(TABLE_3.flatMap(([condition, ...codes]) => codes.map((code) => [code, condition] as const)));

  it('maps every status from 300 to 699, listed or by class', () => {
    const byClass = ['redirect', 'bad-request', 'internal-server-error', 'recipient-unavailable'] as const;
    for (let status = 300; status < 700; status++) {
      const condition = listed.get(status) ?? byClass[Math.trunc(status / 100) - 3];
      assert(condition !== undefined);
      assert.deepEqual(sipToStanzaError(status), { condition, type: STANZA_ERROR_TYPE[condition] }, String(status));
    }
  });

  it('has no meaning for anything else', () => {
    for (const status of [0, 100, 200, 299, 700, -1, Number.NaN]) {
      assert.equal(sipToStanzaError(status).condition, 'undefined-condition');
    }
  });
});

const STANZA = parseElement(
  `<message xmlns='jabber:server' from='juliet@example.com/&apos;b' to='romeo@example.net' id='1&lt;2' type='chat'><body>secret</body></message>`,
);

describe('an error reply', () => {
  it('swaps the addresses, keeps the id, repeats nothing', () => {
    assert.equal(
      stanzaErrorReply(STANZA, 'item-not-found'),
      `<message from='romeo@example.net' to='juliet@example.com/&apos;b' id='1&lt;2' type='error'>` +
        `<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>`,
    );
  });

  it('is well formed for every condition and any text', () => {
    const conditions = Object.keys(STANZA_ERROR_TYPE) as StanzaErrorCondition[];
    fc.assert(
      fc.property(
        fc.constantFrom(...conditions),
        fc.string({ unit: 'binary' }),
        fc.string(),
        (condition, text, uri) => {
          const reply = parseElement(stanzaErrorReply(STANZA, condition, text, uri));
          const error = reply.child('error');
          assert.equal(error?.attr('type'), STANZA_ERROR_TYPE[condition]);
          assert.deepEqual(
            error?.elements().map((child) => child.name),
            [condition, 'text'],
          );
          assert.equal(bounceAllowed(reply), false);
        },
      ),
    );
  });

  it('keeps the name of the stanza and leaves out what it lacked', () => {
    const iq = parseElement(`<iq xmlns='jabber:server' type='get' from='example.com'><x xmlns='y'/></iq>`);
    assert.match(stanzaErrorReply(iq, 'service-unavailable'), /^<iq to='example\.com' type='error'>.*<\/iq>$/);
  });
});

describe('who may be answered with an error', () => {
  for (const [xml, allowed] of [
    ["<message xmlns='jabber:server'/>", true],
    ["<message xmlns='jabber:server' type='chat'/>", true],
    ["<message xmlns='jabber:server' type='error'/>", false],
    ["<presence xmlns='jabber:server' type='subscribe'/>", true],
    ["<presence xmlns='jabber:server' type='error'/>", false],
    ["<iq xmlns='jabber:server' type='get'/>", true],
    ["<iq xmlns='jabber:server' type='set'/>", true],
    ["<iq xmlns='jabber:server' type='result'/>", false],
    ["<iq xmlns='jabber:server' type='error'/>", false],
  ] as const) {
    it(xml, () => assert.equal(bounceAllowed(parseElement(xml)), allowed));
  }
});

describe('the answer to a stanza the pool refused', () => {
  it('is the same for a user who does not exist, one the pool will not name, and one policy hides', () => {
    const denied = stanzaErrorReply(STANZA, 'item-not-found');
    for (const [status, reason] of [
      [404, 'Not Found'],
      [404, 'User romeo is disabled'],
      [481, 'Call/Transaction Does Not Exist'],
      [484, 'Address Incomplete'],
      [485, 'Ambiguous'],
      [604, 'Does Not Exist Anywhere'],
    ] as const) {
      assert.equal(sipFailureReply(STANZA, status, reason), denied, String(status));
    }
  });

  it('carries the reason of any other refusal', () => {
    const text = (status: number, reason: string) =>
      parseElement(sipFailureReply(STANZA, status, reason))
        .child('error')
        ?.child('text', 'urn:ietf:params:xml:ns:xmpp-stanzas')
        ?.text();
    assert.equal(text(486, 'Busy Here'), 'Busy Here');
    assert.equal(text(486, ''), undefined);
    assert.equal(text(486, ' \r\n\0 '), undefined);
    assert.equal(text(486, 'a\r\nb\0c é'), 'a b c é');
    assert.equal(text(500, 'x'.repeat(5000))?.length, 128);
  });

  it('names the new address with 301 and 302, never with 410', () => {
    const named = (status: number, address?: string) => {
      const error = parseElement(sipFailureReply(STANZA, status, '', address))
        .child('error')
        ?.elements()[0];
      return [error?.name, error?.text()];
    };
    assert.deepEqual(named(301, 'xmpp:romeo@new.example'), ['gone', 'xmpp:romeo@new.example']);
    assert.deepEqual(named(301), ['redirect', '']);
    assert.deepEqual(named(302, 'xmpp:romeo@new.example'), ['redirect', 'xmpp:romeo@new.example']);
    assert.deepEqual(named(410, 'xmpp:romeo@new.example'), ['gone', '']);
    assert.deepEqual(named(486, 'xmpp:romeo@new.example'), ['recipient-unavailable', '']);
  });
});
