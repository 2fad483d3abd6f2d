import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { PARAM, USER } from '../../../src/runtime/sip/grammar.ts';
import {
  formatSipUri,
  parseSipUri,
  percentDecode,
  percentEncode,
  uriKind,
  uriParameter,
} from '../../../src/runtime/sip/uri.ts';

test('a SIP URI is taken apart', () => {
  const cases: [text: string, expected: ReturnType<typeof parseSipUri>][] = [
    [
      'sip:romeo@pool.example',
      { scheme: 'sip', user: 'romeo', host: 'pool.example', port: undefined, parameters: '', headers: '' },
    ],
    [
      'SIPS:Romeo@POOL.example:5061;gr=a%20b;lr',
      { scheme: 'sips', user: 'Romeo', host: 'pool.example', port: 5061, parameters: ';gr=a%20b;lr', headers: '' },
    ],
    [
      'sip:pool.example',
      { scheme: 'sip', user: '', host: 'pool.example', port: undefined, parameters: '', headers: '' },
    ],
    [
      'sip:[2001:db8::1]:5060',
      { scheme: 'sip', user: '', host: '[2001:db8::1]', port: 5060, parameters: '', headers: '' },
    ],
    [
      "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1@example.com",
      {
        scheme: 'sip',
        user: "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*",
        host: 'example.com',
        port: undefined,
        parameters: '',
        headers: '',
      },
    ],
    [
      'sip:user;par=u%40example.net@example.com',
      {
        scheme: 'sip',
        user: 'user;par=u%40example.net',
        host: 'example.com',
        port: undefined,
        parameters: '',
        headers: '',
      },
    ],
    [
      'sip:a@b.example?Route=%3Csip:c%3E',
      { scheme: 'sip', user: 'a', host: 'b.example', port: undefined, parameters: '', headers: 'Route=%3Csip:c%3E' },
    ],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseSipUri(text), expected, text);
});

test('what is not a SIP URI is refused', () => {
  const broken = [
    '',
    'sip',
    'sip:',
    'sip:@host',
    'sip:a@',
    'sip:a@b@c',
    'sip:a@b..c',
    'sip:a@.b',
    'sip:a@-b',
    'sip:a@b-.c',
    'sip:a@b_c',
    'sip:a@b:',
    'sip:a@b:0',
    'sip:a@b:65536',
    'sip:a@b:5x',
    'sip:a@b;',
    'sip:a@b;=x',
    'sip:a@b;x=',
    'sip:a@b; lr',
    'sip:a@b?',
    'sip:a b@c',
    'sip:a<b@c',
    'sip:a"b@c',
    'sip:a%4@c',
    'sip:a%zz@c',
    'sip:a@b%41',
    'sip:a@[::1',
    'sip:a@[1]',
    'sip:a@[::g]',
    'sip:a@b\r\nX: y',
    'sip:a@b\u0000',
    'sip:\u00fc@b',
    'sip:\u0141@b',
    'tel:+1',
    ' sip:a@b',
    'sip:a@b ',
    `sip:a@${'x'.repeat(256)}`,
  ];
  for (const text of broken) assert.equal(parseSipUri(text), undefined, text);
  assert.equal(parseSipUri('sip:a@b.example.')?.host, 'b.example.');
});

test('other schemes are told apart from what is no URI', () => {
  const kinds: [text: string, kind: ReturnType<typeof uriKind>][] = [
    ['sip:a@b', 'sip'],
    ['SiPs:a@b', 'sips'],
    ['nobodyKnowsThisScheme:totallyopaquecontent', 'other'],
    ['soap.beep://192.0.2.103:3002', 'other'],
    ['tel:+1-201-555-0123', 'other'],
    ['isbn:2983792873', 'other'],
    ['sip:a@b?x=y', undefined],
    ['1a:b', undefined],
    ['a b:c', undefined],
    ['mailto:', undefined],
    ['mailto:a%2', undefined],
    ['<sip:a@b>', undefined],
    ['*', undefined],
  ];
  for (const [text, kind] of kinds) {
    const bytes = Buffer.from(text);
    assert.equal(uriKind(bytes, 0, bytes.length, false), kind, text);
  }
  const bytes = Buffer.from('xsip:a@b?x=yz');
  assert.equal(uriKind(bytes, 1, bytes.length - 1, true), 'sip');
});

test('parameters are found whatever their case and escapes', () => {
  const uri = parseSipUri('sip:a@b;GR=one%20two;lr;%6C%72b=3');
  assert.ok(uri);
  assert.equal(uriParameter(uri, 'gr'), 'one%20two');
  assert.equal(uriParameter(uri, 'lr'), '');
  assert.equal(uriParameter(uri, 'lrb'), '3');
  assert.equal(uriParameter(uri, 'g'), undefined);
  const plain = parseSipUri('sip:a@b');
  assert.ok(plain);
  assert.equal(uriParameter(plain, 'gr'), undefined);
});

test('percent coding', () => {
  assert.equal(percentEncode('f\u00fc r', USER), 'f%C3%BC%20r');
  assert.equal(percentEncode('a@b:c"<>', USER), 'a%40b%3Ac%22%3C%3E');
  assert.equal(percentEncode('a;b=c', PARAM), 'a%3Bb%3Dc');
  assert.equal(percentDecode('f%C3%BC'), 'f\u00fc');
  for (const text of ['%', '%4', '%zz', '%FF', '%C3', '%ED%A0%80']) assert.equal(percentDecode(text), undefined, text);
});

test('whatever is put in a URI comes out of it, and nothing else', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
      fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
      (user, device) => {
        const text = formatSipUri({ user, host: 'pool.example', port: 5070, parameters: [['gr', device]] });
        const uri = parseSipUri(text);
        assert.ok(uri, text);
        assert.equal(uri.host, 'pool.example');
        assert.equal(uri.port, 5070);
        assert.equal(percentDecode(uri.user), user);
        assert.equal(percentDecode(uriParameter(uri, 'gr') ?? ''), device);
      },
    ),
  );
});
