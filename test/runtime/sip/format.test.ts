import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  formatAuthority,
  formatHeaders,
  formatPageMessage,
  formatRequest,
  formatResponse,
  safeCallId,
  safeUri,
  safeValue,
} from '../../../src/runtime/sip/format.ts';
import { isCallId, parseDatagram, type SipRequest } from '../../../src/runtime/sip/message.ts';
import type { SipPageMessage } from '../../../src/runtime/sip/page-message.ts';

const LINES = { viaStart: 'SIP/2.0/TLS gateway.example:5061;branch=', viaEnd: ';alias' };
const PAGE: SipPageMessage = {
  requestUri: 'sip:romeo@pool.example',
  from: 'sip:juliet@fabrikam.example;gr=balcony',
  to: 'sip:romeo@pool.example',
  subject: 'Gr\u00fc\u00dfe',
  contentType: 'text/plain;charset=UTF-8',
  contentLanguage: 'de',
  body: 'Sch\u00f6n \u{1f600}\r\n\r\nX: y',
};

function format(page: SipPageMessage, callId = 'call'): string {
  return formatPageMessage(page, LINES, 'z9hG4bKa.1', 'tag1', callId, 5);
}

function parse(text: string): SipRequest {
  const parsed = parseDatagram(Buffer.from(text));
  assert.ok(parsed.kind === 'request', `${text}\n${parsed.kind === 'failure' ? parsed.message : ''}`);
  return parsed;
}

test('a MESSAGE', () => {
  assert.equal(
    format(PAGE),
    [
      'MESSAGE sip:romeo@pool.example SIP/2.0',
      'Via: SIP/2.0/TLS gateway.example:5061;branch=z9hG4bKa.1;alias',
      'Max-Forwards: 70',
      'From: <sip:juliet@fabrikam.example;gr=balcony>;tag=tag1',
      'To: <sip:romeo@pool.example>',
      'Call-ID: call',
      'CSeq: 5 MESSAGE',
      'Subject: Gr\u00fc\u00dfe',
      'Content-Language: de',
      'Content-Type: text/plain;charset=UTF-8',
      'Content-Length: 19',
      '',
      'Sch\u00f6n \u{1f600}\r\n\r\nX: y',
    ].join('\r\n'),
  );
});

test('nothing that comes in can start a header, leave an angle bracket or end the head (P4)', () => {
  const attacks = [
    'x\r\nX-Evil: 1',
    'x\nX-Evil: 1',
    'x\rX-Evil: 1',
    'x\r\n\r\nMESSAGE sip:evil SIP/2.0',
    'x\0y',
    'x>;tag=evil',
    '"',
    '\\',
    '\u0085x',
    'a b',
    '<sip:evil@x>',
    '\ud800',
  ];
  for (const attack of attacks) {
    const page: SipPageMessage = {
      requestUri: `sip:romeo${attack}@pool.example`,
      from: `sip:juliet@fabrikam.example;gr=${attack}`,
      to: `sip:romeo${attack}@pool.example`,
      subject: attack,
      contentLanguage: attack,
      contentType: `text/plain${attack}`,
      body: attack,
    };
    const text = format(page, attack);
    const head = text.slice(0, text.indexOf('\r\n\r\n'));
    assert.equal(head.split('\r\n').length, 11, attack);
    assert.doesNotMatch(head.replaceAll('\r\n', ''), /[\0-\x1f\x7f-\x9f]/);
    const parsed = parseDatagram(Buffer.from(text));
    if (parsed.kind === 'request') {
      assert.equal(parsed.headers.first('x-evil'), undefined);
      assert.equal(parsed.from.tag, 'tag1');
      assert.equal(parsed.to.tag, undefined);
      assert.equal(parsed.body.toString(), Buffer.from(attack).toString());
    } else assert.match(parsed.kind === 'failure' ? parsed.message : '', /^Bad (From|To|Request-URI)$/, attack);
  }
});

test('any text at all makes one message with the same headers', () => {
  const text = fc.string({ unit: 'binary', maxLength: 30 });
  fc.assert(
    fc.property(text, text, text, text, (subject, callId, language, body) => {
      const parsed = parse(format({ ...PAGE, subject, contentLanguage: language, body }, callId === '' ? 'x' : callId));
      assert.equal(parsed.headers.count, 10);
      assert.equal(parsed.body.toString(), body);
    }),
  );
});

test('guards leave alone what is right', () => {
  assert.equal(safeValue('Gr\u00fc\u00dfe, "x" <y>; z'), 'Gr\u00fc\u00dfe, "x" <y>; z');
  assert.equal(safeValue('a\r\n\tb'), 'a b');
  assert.equal(safeUri('sip:a%20b@c;gr=d?x'), 'sip:a%20b@c;gr=d?x');
  assert.equal(safeUri('sip:a b>@c'), 'sip:a%20b%3E@c');
  assert.equal(safeCallId('a@b'), 'a@b');
  assert.equal(safeCallId('a b@c@d'), 'a%20b%40c%40d');
  assert.equal(isCallId(safeCallId('\u00e9 \r\n')), true);
});

test('other requests', () => {
  const text = formatRequest({ method: 'OPTIONS', uri: 'sip:a', headers: [['Via', 'x\r\ny']], body: '\u00e9' });
  assert.equal(text, 'OPTIONS sip:a SIP/2.0\r\nVia: x y\r\nContent-Length: 2\r\n\r\n\u00e9');
  assert.throws(() => formatRequest({ method: 'A B', uri: 'sip:a', headers: [] }), TypeError);
  assert.throws(() => formatHeaders([['X\r\nY', 'z']]), TypeError);
  assert.equal(formatAuthority('2001:db8::1', 5060), '[2001:db8::1]:5060');
  assert.equal(formatAuthority('192.0.2.1', 5060), '192.0.2.1:5060');
});

test('a response copies what it must and adds where the request came from', () => {
  const source = { address: '192.0.2.7', port: 40_000 };
  const received = (via: string, rest = '') => {
    const request = parse(format(PAGE).replace(/Via: [^\r]*/, `Via: ${via}${rest}`));
    return formatResponse(200, undefined, request.headers, request.via, source, 'ours', 'X: y\r\n');
  };
  assert.equal(
    received('SIP/2.0/UDP peer.example;rport;branch=z9hG4bK1 , SIP/2.0/UDP b', '\r\nv: SIP/2.0/UDP c'),
    [
      'SIP/2.0 200 OK',
      'Via: SIP/2.0/UDP peer.example;rport=40000;branch=z9hG4bK1 ;received=192.0.2.7, SIP/2.0/UDP b',
      'Via: SIP/2.0/UDP c',
      'To: <sip:romeo@pool.example>;tag=ours',
      'From: <sip:juliet@fabrikam.example;gr=balcony>;tag=tag1',
      'Call-ID: call',
      'CSeq: 5 MESSAGE',
      'X: y',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  );
  const top = (via: string) => /\r\nVia: ([^\r]*)/.exec(received(via))?.[1];
  assert.equal(top('SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1'), 'SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1');
  assert.equal(top('SIP/2.0/UDP h;branch=z9hG4bK1'), 'SIP/2.0/UDP h;branch=z9hG4bK1;received=192.0.2.7');
  assert.equal(
    top('SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1;rport'),
    'SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1;rport=40000;received=192.0.2.7',
  );
  assert.equal(
    top('SIP/2.0/UDP h;rport=7;branch=z9hG4bK1'),
    'SIP/2.0/UDP h;rport=7;branch=z9hG4bK1;received=192.0.2.7',
  );
});

test('a reason phrase is text like any other', () => {
  const request = parse(format(PAGE));
  const text = formatResponse(
    403,
    'No\r\nX-Evil: 1',
    request.headers,
    request.via,
    { address: 'a', port: 1 },
    undefined,
  );
  assert.match(text, /^SIP\/2\.0 403 No X-Evil: 1\r\nVia: /);
});
