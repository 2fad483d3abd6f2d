import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeBody, readMediaType } from '../../../src/runtime/interwork/media-type.ts';

describe('media types', () => {
  for (const [text, kind, charset] of [
    ['text/plain', 'plain', 'utf-8'],
    ['text/plain;charset=UTF-8', 'plain', 'utf-8'],
    ['TEXT/PLAIN ; Charset = "utf-8"', 'plain', 'utf-8'],
    ['text/plain;format=flowed;charset=us-ascii', 'plain', 'utf-8'],
    ['text/plain;charset=latin1;x=y', 'plain', 'iso-8859-1'],
    ['text/html', 'html', 'utf-8'],
    ['text/html; charset=ISO-8859-1', 'html', 'iso-8859-1'],
  ] as const) {
    it(text, () => assert.deepEqual(readMediaType(text), { kind, charset }));
  }

  for (const text of [
    '',
    'text',
    'text/',
    'text/plainer',
    'text/plain, text/html',
    'text/x-msmsgsinvite',
    'application/im-iscomposing+xml',
    'message/cpim',
    'multipart/alternative;boundary=text/plain',
    'text/plain;charset=utf-16',
    'text/plain;charset=',
    'text/plain;charset=utf-8 x',
    `text/plain;${'x'.repeat(300)}`,
    `text/plain${' '.repeat(200)}`,
  ]) {
    it(`refuses ${text.slice(0, 40) || '(none)'}`, () => assert.equal(readMediaType(text), undefined));
  }
});

describe('bodies', () => {
  it('decodes each charset', () => {
    assert.equal(decodeBody(Buffer.from('é🌹'), 'utf-8'), 'é🌹');
    assert.equal(decodeBody(new Uint8Array([0x63, 0xe9]), 'iso-8859-1'), 'cé');
    assert.equal(decodeBody('é', 'iso-8859-1'), 'é');
  });

  it('has no text for bytes that are not UTF-8', () => {
    for (const bytes of [[0xe9], [0xc0, 0xbc], [0xed, 0xa0, 0x80], [0xeb, 0x3c]]) {
      assert.equal(decodeBody(Buffer.from(bytes), 'utf-8'), undefined);
    }
  });
});
