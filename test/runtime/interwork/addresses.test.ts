import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isSips, jidToSipUri, sipUriToJid } from '../../../src/runtime/interwork/addresses.ts';
import { parseSipUri } from '../../../src/runtime/sip/uri.ts';
import { type Jid, parseJid } from '../../../src/runtime/xmpp/jid.ts';

function jid(text: string): Jid {
  const parsed = parseJid(text);
  assert(parsed !== undefined, `not a JID: ${text}`);
  return parsed;
}

// RFC 7247 sections 6.4 and 6.5; all of them hold in both directions.
const ROWS: readonly (readonly [uri: string, jid: string])[] = [
  ['sip:f%C3%BC@sip.example', 'fü@sip.example'],
  ["sip:o'malley@sip.example", 'o\\27malley@sip.example'],
  ['sip:foo@sip.example;gr=bar', 'foo@sip.example/bar'],
  ['sip:m&m@xmpp.example', 'm\\26m@xmpp.example'],
  ['sip:tsch%C3%BCss@xmpp.example', 'tschüss@xmpp.example'],
  ['sip:baz@xmpp.example;gr=qux', 'baz@xmpp.example/qux'],
  // Ours: what the steps of the RFC leave open.
  ['sip:a/b@sip.example', 'a\\2fb@sip.example'],
  ['sip:a%40evil@sip.example', 'a\\40evil@sip.example'],
  ['sip:a%20b%22c%3Ad%3Ce%3Ef@sip.example', 'a\\20b\\22c\\3ad\\3ce\\3ef@sip.example'],
  ['sip:a%5C26b@sip.example', 'a\\5c26b@sip.example'],
  ['sip:a%5C41b@sip.example', 'a\\41b@sip.example'],
  ['sip:sip.example', 'sip.example'],
  [
    'sip:foo@sip.example;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
    'foo@sip.example/urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6',
  ],
  ['sip:foo@sip.example;gr=a%20b%3B%C3%BC%22%3E', 'foo@sip.example/a b;ü">'],
  ['sip:foo@sip.example;gr=a%40b/c', 'foo@sip.example/a@b/c'],
  ['sip:foo@xn--bcher-kva.example', 'foo@xn--bcher-kva.example'],
];

describe('RFC 7247 addresses', () => {
  for (const [uri, address] of ROWS) {
    it(`${uri} -> ${address}`, () => assert.equal(sipUriToJid(uri)?.full, address));
    it(`${address} -> ${uri}`, () => assert.equal(jidToSipUri(jid(address), jid(address).domain), uri));
  }

  for (const char of '!$()*+,-.;=?_~') {
    it(`leaves ${char} alone`, () => {
      assert.equal(jidToSipUri(jid(`a${char}b@x.example`), 'x.example'), `sip:a${char}b@x.example`);
      assert.equal(sipUriToJid(`sip:a${char}b@x.example`)?.local, `a${char}b`);
    });
  }

  for (const char of '#%[\\]^`{|}') {
    it(`percent-encodes ${char}`, () => {
      const uri = `sip:a%${char.charCodeAt(0).toString(16).toUpperCase()}b@x.example`;
      assert.equal(jidToSipUri(jid(`a${char}b@x.example`), 'x.example'), uri);
      assert.equal(sipUriToJid(uri)?.local, `a${char}b`);
    });
  }

  it('writes the domain as an A-label', () => {
    const address = jid('foo@bücher.example');
    assert.equal(jidToSipUri(address, address.domain), 'sip:foo@xn--bcher-kva.example');
  });

  it('puts either side into the domain it is given', () => {
    assert.equal(jidToSipUri(jid('foo@chat.x.example/r'), 'x.example'), 'sip:foo@x.example;gr=r');
    assert.equal(sipUriToJid('sip:foo@x.example;gr=r', 'chat.x.example')?.full, 'foo@chat.x.example/r');
    assert.equal(sipUriToJid('sip:foo@x.example;gr=r')?.full, 'foo@x.example/r');
  });

  it('reads past port, password and other parameters', () => {
    assert.equal(sipUriToJid('SIP:Foo:secret@X.Example.:5061;transport=tls;GR=r')?.full, 'foo@x.example/r');
  });
});

const REFUSED: readonly string[] = [
  'sips:foo@x.example',
  'tel:+12125551212',
  'im:foo@x.example',
  'foo@x.example',
  '',
  'sip:',
  'sip:@x.example',
  'sip:a@b@x.example',
  'sip:a%00b@x.example',
  'sip:a%0d%0ab@x.example',
  'sip:a%7fb@x.example',
  'sip:a%c3@x.example',
  'sip:a%c0%af@x.example',
  'sip:a%ed%a0%80@x.example',
  'sip:a%f8%88%80%80%80@x.example',
  'sip:a%ff@x.example',
  'sip:a%2@x.example',
  'sip:a%zz@x.example',
  'sip:%20a@x.example',
  'sip:a%20@x.example',
  'sip:a%EF%BC%A0b@x.example', // full-width @
  'sip:a%EF%BC%BC26b@x.example', // full-width backslash
  'sip:%E2%84%AAelvin@x.example', // Kelvin sign
  'sip:ü@x.example',
  'sip:a b@x.example',
  'sip:a"b@x.example',
  'sip:foo@x.example?subject=x',
  'sip:foo@x.example;gr',
  'sip:foo@x.example;gr=%00',
  'sip:foo@x.example;gr=%0a',
  'sip:foo@x.example;gr=%ff',
  'sip:foo@127.0.0.1',
  'sip:foo@0x7f.1',
  'sip:foo@[::1]',
  'sip:foo@x..example',
  'sip:foo@*.example',
  `sip:${'a'.repeat(1024)}@x.example`,
  `sip:foo@x.example;gr=${'a'.repeat(1024)}`,
];

describe('a URI without an XMPP address', () => {
  for (const uri of REFUSED) {
    it(uri.slice(0, 60) || '(empty)', () => {
      assert.equal(sipUriToJid(uri), undefined);
      // The remembered answer is the same.
      assert.equal(sipUriToJid(uri), undefined);
    });
  }

  it('knows a sips: URI whatever its case', () => {
    assert.deepEqual(['sips:a@b', 'SiPs:a@b', 'sip:a@b', 'sips', ''].map(isSips), [true, true, false, false, false]);
  });
});

describe('round trips', () => {
  const local = fc.string({
    unit: fc.oneof(
      fc.constantFrom(...'abcxyz0123456789!#$%()*+,-.;=?[\\]^_`{|}~'),
      fc.constantFrom('\\26', '\\5c', '\\40', 'ü', 'ß', 'ж', '日', '한'),
    ),
    minLength: 1,
    maxLength: 20,
  });
  const resource = fc.string({ unit: 'grapheme', maxLength: 20 });

  it('jid -> uri -> jid is the same jid, and the uri is one', () => {
    let checked = 0;
    fc.assert(
      fc.property(local, resource, (localpart, resourcepart) => {
        const address = parseJid(`${localpart}@x.example${resourcepart === '' ? '' : `/${resourcepart}`}`);
        if (address === undefined || /^\\20|\\20$/.test(address.local)) return;
        checked++;
        const uri = jidToSipUri(address, 'x.example');
        assert.match(uri, /^[\x21-\x7e]+$/);
        assert.equal(parseSipUri(uri)?.host, 'x.example');
        assert.equal(sipUriToJid(uri)?.full, address.full);
      }),
      { numRuns: 2000 },
    );
    assert(checked > 500, `only ${checked} of the addresses were valid`);
  });

  it('uri -> jid -> uri names the same user, and two users never share a jid', () => {
    const user = fc.string({
      unit: fc.oneof(
        fc.constantFrom(..."abc019!$&'()*+,-.;=?_~/"),
        fc.integer({ min: 0x20, max: 0x7e }).map((code) => `%${code.toString(16).toUpperCase()}`),
        fc.constantFrom('%5C26', '%5C5c', '%5C2F', '%C3%BC'),
      ),
      minLength: 1,
      maxLength: 12,
    });
    const seen = new Map<string, string>();
    fc.assert(
      fc.property(user, (text) => {
        const address = sipUriToJid(`sip:${text}@x.example`);
        if (address === undefined) return;
        assert.equal(address.full.split('@').length, 2);
        // An XMPP address knows no case; apart from that nothing is lost.
        const meant = decodeURIComponent(text).toLowerCase();
        const back = jidToSipUri(address, 'x.example');
        assert.equal(decodeURIComponent(back.slice(4, -'@x.example'.length)).toLowerCase(), meant);
        assert.equal(seen.get(address.full) ?? meant, meant);
        seen.set(address.full, meant);
      }),
      { numRuns: 3000 },
    );
  });

  it('no text whatever gives an address with a control character or a second @', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (text) => {
        for (const uri of [text, `sip:${text}@x.example`, `sip:a@${text}`, `sip:a@x.example;gr=${text}`]) {
          const address = sipUriToJid(uri);
          if (address === undefined) continue;
          assert.doesNotMatch(address.full, /[\0-\x1f\x7f]/);
          assert.doesNotMatch(address.bare, /@.*@/);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
