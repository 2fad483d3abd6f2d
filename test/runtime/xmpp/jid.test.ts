import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { bareJid, parseJid } from '../../../src/runtime/xmpp/jid.ts';

// RFC 7622 section 3.5, table 1, with the normal form of each.
const VALID: [text: string, local: string, domain: string, resource: string][] = [
  ['juliet@example.com', 'juliet', 'example.com', ''],
  ['juliet@example.com/foo', 'juliet', 'example.com', 'foo'],
  ['juliet@example.com/foo bar', 'juliet', 'example.com', 'foo bar'],
  ['juliet@example.com/foo@bar', 'juliet', 'example.com', 'foo@bar'],
  ['foo\\20bar@example.com', 'foo\\20bar', 'example.com', ''],
  ['fussball@example.com', 'fussball', 'example.com', ''],
  ['fu\u00dfball@example.com', 'fu\u00dfball', 'example.com', ''],
  ['\u03c0@example.com', '\u03c0', 'example.com', ''],
  ['\u03a3@example.com/foo', '\u03c3', 'example.com', 'foo'],
  ['\u03c3@example.com/foo', '\u03c3', 'example.com', 'foo'],
  ['\u03c2@example.com/foo', '\u03c2', 'example.com', 'foo'],
  ['king@example.com/\u265a', 'king', 'example.com', '\u265a'],
  ['example.com', '', 'example.com', ''],
  ['example.com/foobar', '', 'example.com', 'foobar'],
  ['a.example.com/b@example.net', '', 'a.example.com', 'b@example.net'],
  // Table 2 refuses this one; erratum 4560 corrects it.
  ['juliet@example.com/ foo', 'juliet', 'example.com', ' foo'],
];

// RFC 7622 section 3.5, table 2, and the malformed addresses of other implementations' tests.
const INVALID: [what: string, text: string][] = [
  ['quotation marks in localpart', '"juliet"@example.com'],
  ['space in localpart', 'foo bar@example.com'],
  ['empty localpart and resourcepart', '@example.com/'],
  ['Roman numeral in localpart', 'henry\u2163@example.com'],
  ['chess king in localpart', '\u265a@example.com'],
  ['empty domainpart', 'juliet@'],
  ['empty domainpart before a resource', '/foobar'],
  ['nothing', ''],
  ['empty localpart', '@example.com'],
  ['empty resourcepart', 'juliet@example.com/'],
  ['two at signs', 'a@b@c'],
  ['a lone at sign', '@'],
  ['a lone slash', '/'],
  ['ampersand in localpart', 'a&b@example.com'],
  ['apostrophe in localpart', "o'malley@example.com"],
  ['colon in localpart', 'a:b@example.com'],
  ['less-than in localpart', 'a<b@example.com'],
  ['NUL in localpart', 'a\0b@example.com'],
  ['NUL in domainpart', 'a@exa\0mple.com'],
  ['NUL in resourcepart', 'a@example.com/\0'],
  ['line feed in resourcepart', 'a@example.com/b\nc'],
  ['delete in localpart', 'a\x7f@example.com'],
  ['zero-width joiner in localpart', 'a\u200db@example.com'],
  ['zero-width non-joiner in localpart', 'a\u200cb@example.com'],
  ['zero-width joiner in resourcepart', 'a@example.com/b\u200dc'],
  ['zero-width space', 'a\u200bb@example.com'],
  ['byte order mark', '\ufeffa@example.com'],
  ['soft hyphen', 'a\u00adb@example.com'],
  ['right-to-left override in localpart', 'a\u202eb@example.com'],
  ['right-to-left override in resourcepart', 'a@example.com/b\u202ec'],
  ['variation selector in resourcepart', 'a@example.com/\u2764\ufe0f'],
  ['line separator in resourcepart', 'a@example.com/b\u2028c'],
  ['private use', 'a\ue000@example.com'],
  ['unassigned', 'a\u{e0fff}@example.com'],
  ['noncharacter', 'a@example.com/\ufdd0'],
  ['lone surrogate', 'a\ud800@example.com'],
  ['lone surrogate in resourcepart', 'a@example.com/\udc00'],
  ['Kelvin sign', '\u212aelvin@example.com'],
  ['ligature', 'o\ufb03ce@example.com'],
  ['full-width at sign', 'a\uff20b@example.com'],
  ['full-width slash', 'a\uff0fb@example.com'],
  ['full-width letter in domainpart', 'a@\uff45xample.com'],
  ['Kelvin sign in domainpart', 'a@\u212aelvin.example'],
  ['ideographic space', 'a\u3000b@example.com'],
  ['conjoining jamo', '\u1100@example.com'],
  ['tatweel', 'a@example.com/\u0640'],
  ['mixed Arabic digits', '\u0627\u0661\u06f1@example.com'],
  ['middle dot out of place', 'a\u00b7b@example.com'],
  ['geresh out of place', 'a\u05f3@example.com'],
  ['keraia out of place', '\u0375a@example.com'],
  ['katakana dot alone', 'a\u30fbb@example.com'],
  ['left-to-right letter in a right-to-left name', '\u05d0a\u05d1@example.com'],
  ['right-to-left letter in a left-to-right name', 'a\u05d0@example.com'],
  ['right-to-left name that starts with a digit', '1\u05d0@example.com'],
  ['right-to-left name that ends with a full stop', '\u05d0.@example.com'],
  ['right-to-left name with both kinds of digits', '\u06271\u0661@example.com'],
  ['IPv4 literal', 'a@192.0.2.1'],
  ['IPv4 literal in hexadecimal', 'a@0x7f.1'],
  ['IPv6 literal', 'a@[2001:db8::1]'],
  ['empty label', 'a@example..com'],
  ['two trailing dots', 'a@example.com..'],
  ['label that starts with a hyphen', 'a@-example.com'],
  ['underscore', 'a@ex_ample.com'],
  ['wildcard', 'a@*.example.com'],
  ['space after the address', 'a@example.com '],
  ['port', 'a@example.com:5269'],
];

const NORMALISED: [text: string, full: string][] = [
  ['Juliet@Example.COM/Balcony', 'juliet@example.com/Balcony'],
  ['a@example.com.', 'a@example.com'],
  ['a@example.com./x', 'a@example.com/x'],
  ['\uff4a\uff35\uff4c\uff49\uff45\uff54@example.com', 'juliet@example.com'],
  ['a@BÜCHER.example', 'a@xn--bcher-kva.example'],
  ['E\u0301@example.com', '\u00e9@example.com'],
  ['\u00c9@example.com/E\u0301', '\u00e9@example.com/\u00c9'],
  ['\u0391\u03a3@example.com', '\u03b1\u03c3@example.com'],
  ['a@example.com/b\u00a0c\u3000d', 'a@example.com/b c d'],
  ['a@example.com/\uff21', 'a@example.com/\uff21'],
  ['pal\u00b7lel@example.com', 'pal\u00b7lel@example.com'],
  ['\u30a2\u30fb\u30a4@example.com', '\u30a2\u30fb\u30a4@example.com'],
  ['\u05e9\u05dc\u05d5\u05dd@example.com', '\u05e9\u05dc\u05d5\u05dd@example.com'],
  ['\u0645\u0631\u062d\u0628\u0627\u0663@example.com', '\u0645\u0631\u062d\u0628\u0627\u0663@example.com'],
  ['\u05d0-1@example.com', '\u05d0-1@example.com'],
];

test('valid addresses come apart', () => {
  for (const [text, local, domain, resource] of VALID) {
    const bare = local === '' ? domain : `${local}@${domain}`;
    const full = resource === '' ? bare : `${bare}/${resource}`;
    assert.deepEqual(parseJid(text), { local, domain, resource, bare, full }, text);
  }
});

test('malformed addresses are undefined, also when asked again', async (t) => {
  for (const [what, text] of INVALID) {
    await t.test(what, () => {
      assert.equal(parseJid(text), undefined);
      assert.equal(parseJid(text), undefined);
    });
  }
});

test('addresses have one normal form', () => {
  for (const [text, full] of NORMALISED) {
    assert.equal(parseJid(text)?.full, full, text);
    assert.deepEqual(parseJid(full), parseJid(text));
  }
});

test('a part has 1 to 1023 bytes', () => {
  const domain = 'example.com';
  assert.ok(parseJid(`${'a'.repeat(1023)}@${domain}/${'b'.repeat(1023)}`));
  assert.equal(parseJid(`${'a'.repeat(1024)}@${domain}`), undefined);
  assert.equal(parseJid(`a@${domain}/${'b'.repeat(1024)}`), undefined);
  assert.ok(parseJid(`${'é'.repeat(511)}@${domain}`));
  assert.equal(parseJid(`${'é'.repeat(512)}@${domain}`), undefined);
  assert.ok(parseJid(`a@${domain}/${'👋'.repeat(255)}`));
  assert.equal(parseJid(`a@${domain}/${'👋'.repeat(256)}`), undefined);
  assert.equal(parseJid(`a@${'b.'.repeat(600)}com`), undefined);
  assert.equal(parseJid('a'.repeat(1_000_000)), undefined);
});

test('a bare address from parts does not let one part become another', () => {
  assert.equal(bareJid('Juliet', 'Example.com')?.bare, 'juliet@example.com');
  const refused: [local: string, domain: string][] = [
    ['', 'example.com'],
    ['a@b', 'example.com'],
    ['a/b', 'example.com'],
    ['a', 'example.com/b'],
    ['a', 'b@example.com'],
    ['a', ''],
    ['\uff20', 'example.com'],
  ];
  for (const [local, domain] of refused) assert.equal(bareJid(local, domain), undefined);
});

test('an answer stays the same while others come and go', () => {
  const first = parseJid('Someone@Example.com/x');
  for (let i = 0; i < 40_000; i++) assert.equal(parseJid(`user${i}@example.com`)?.local, `user${i}`);
  assert.deepEqual(parseJid('Someone@Example.com/x'), first);
  assert.equal(parseJid('someone@example.com/x')?.full, first?.full);
});

test('any text is an address in normal form or none at all', () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 8 }),
    fc.string({
      unit: fc.constantFrom(
        'a',
        'B',
        '@',
        '/',
        '.',
        '\u05d0',
        '\u0661',
        'ß',
        'Σ',
        '\uff21',
        '\u0301',
        '\ud800',
        ' ',
        'İ',
      ),
      maxLength: 8,
    }),
  );
  fc.assert(
    fc.property(part, part, part, (a, b, c) => {
      for (const text of [`${a}@example.com/${c}`, `${a}@${b}/${c}`, a + b + c]) {
        const jid = parseJid(text);
        if (jid === undefined) continue;
        assert.deepEqual(parseJid(jid.full), jid);
        assert.equal(jid.full, jid.resource === '' ? jid.bare : `${jid.bare}/${jid.resource}`);
        assert.doesNotMatch(jid.local, /["&'/:<>@\s]/);
        assert.doesNotMatch(jid.resource, /[\0-\x1f]/);
        assert.match(jid.domain, /^[a-z0-9.-]+$/);
      }
    }),
    { numRuns: 3000 },
  );
});
