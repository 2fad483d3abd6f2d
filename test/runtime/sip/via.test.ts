import assert from 'node:assert/strict';
import test from 'node:test';
import { parseVia } from '../../../src/runtime/sip/via.ts';

test('a Via value', () => {
  const text = 'SIP/2.0/TLS gateway.example:5061;branch=z9hG4bKabc;rport;alias';
  assert.deepEqual(parseVia(text), {
    host: 'gateway.example',
    port: 5061,
    branch: 'z9hG4bKabc',
    rportLength: text.indexOf(';alias'),
    alias: true,
    length: text.length,
  });
});

test('spaces, IPv6 and unknown transports', () => {
  assert.equal(parseVia('SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239')?.branch, 'z9hG4bK30239');
  assert.equal(parseVia('sip/2.0/UNKNOWN t4.example.com;branch=x')?.host, 't4.example.com');
  assert.equal(parseVia('SIP/2.0/UDP [2001:db8::9:1]:5060;rport=9;received=1.2.3.4')?.host, '[2001:db8::9:1]');
  assert.equal(parseVia('SIP/2.0/UDP h : 5060;branch=a')?.port, 5060);
  assert.equal(parseVia('SIP/2.0/UDP h;branch=a, SIP/2.0/UDP i;branch=b')?.length, 'SIP/2.0/UDP h;branch=a'.length);
  assert.equal(parseVia('SIP/2.0/UDP h')?.branch, undefined);
});

test('what breaks the grammar is refused', () => {
  for (const text of [
    '',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP ',
    'SIP/2.0/ h',
    'SIP/7.0/UDP h',
    'HTTP/2.0/UDP h',
    'SIP/2.0/UDPh',
    'SIP/2.0/UDP 192.0.2.15;;,;,,',
    'SIP/2.0/UDP h:0',
    'SIP/2.0/UDP h:99999',
    'SIP/2.0/UDP h:x',
    'SIP/2.0/UDP h;branch',
    'SIP/2.0/UDP h;branch=',
    'SIP/2.0/UDP h;branch=a;branch=b',
    'SIP/2.0/UDP h;rport=x',
    'SIP/2.0/UDP h i',
    'SIP/2.0/UDP h_x',
    'SIP/2.0',
    'SIP',
  ]) {
    assert.equal(parseVia(text), undefined, text);
  }
});
