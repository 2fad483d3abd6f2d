import assert from 'node:assert/strict';
import test from 'node:test';
import { HEADER, SipHeaders, unfold } from '../../../src/runtime/sip/headers.ts';

function read(lines: string, maxHeaders = 20): ReturnType<typeof SipHeaders.read> {
  let bytes: Buffer = Buffer.from(lines);
  const isAscii = bytes.length === lines.length;
  const attempt = SipHeaders.read({ bytes, text: bytes.toString('latin1') }, isAscii, 0, maxHeaders);
  if (attempt !== 'folded') return attempt;
  bytes = unfold(bytes);
  return SipHeaders.read({ bytes, text: bytes.toString('latin1') }, isAscii, 0, maxHeaders);
}

function headers(lines: string): SipHeaders {
  const found = read(lines);
  assert.ok(typeof found !== 'string', `${lines}: ${found}`);
  return found;
}

test('names match whatever their case, in the long and the compact form', () => {
  const found = headers('vIA: 1\r\nv:2\r\nContent-LENGTH  \t: 3\r\nk: 4\r\nSupported: 5\r\nC%6Fntact: 6\r\nX-Y: 7');
  assert.deepEqual(found.all('via'), ['1', '2']);
  assert.equal(found.isRepeated(HEADER.via), true);
  assert.equal(found.first('content-length'), '3');
  assert.equal(found.isRepeated(HEADER['content-length']), false);
  assert.deepEqual(found.all('supported'), ['4', '5']);
  assert.equal(found.first('contact'), undefined);
  assert.equal(found.has(HEADER.contact), false);
  assert.equal(found.first('x-y'), '7');
  assert.equal(found.count, 7);
  assert.deepEqual([...found.entries()][4], ['Supported', '5']);
});

test('every known header is found by its number', () => {
  for (const [name, id] of Object.entries(HEADER)) {
    const found = headers(`X: a\r\n${name.toUpperCase()}: value\r\nY: b`);
    assert.equal(found.value(found.row(id)), 'value', name);
  }
});

test('values lose the spaces around them and keep those within', () => {
  const found = headers('A:  b  c \t\r\nEmpty:\r\nBlank:   ');
  assert.equal(found.first('a'), 'b  c');
  assert.equal(found.first('empty'), '');
  assert.equal(found.first('blank'), '');
});

test('folded lines are joined by one space', () => {
  const found = headers('Subject: one\r\n  two\r\n\t three\r\nTo:\r\n sip:a@b\r\nFrom: x\r\n ');
  assert.equal(found.first('subject'), 'one two three');
  assert.equal(found.first('to'), 'sip:a@b');
  assert.equal(found.first('from'), 'x');
  assert.equal(found.count, 3);
});

test('a line that many parsers would read differently is malformed', () => {
  for (const lines of [
    'A: b\nC: d',
    'A: b\rC: d',
    'A: b\r\n\nC: d',
    'A: b\r\r\nC: d',
    'A: b\n',
    'A: b\r',
    'A',
    'A b: c',
    ': c',
    ' A: b',
    'A\r\n: b',
    'A@: b',
    'A: b\r\n\r\nC: d',
    'H\u00e9: b',
  ]) {
    assert.equal(read(lines), 'malformed', JSON.stringify(lines));
  }
});

test('the number of lines is bounded', () => {
  const lines = Array.from({ length: 21 }, (_, i) => `A${i}: b`);
  assert.equal(read(lines.join('\r\n')), 'too-many');
  assert.notEqual(read(lines.slice(1).join('\r\n')), 'too-many');
});

test('values are UTF-8', () => {
  assert.equal(headers('Subject: \u5927\u505c\u96fb\r\nA: b').first('subject'), '\u5927\u505c\u96fb');
});

test('a value folded thousands of times is joined in linear time', () => {
  const found = headers(`Subject: x${'\r\n \t \t '.repeat(20_000)}y`);
  assert.equal(found.first('subject')?.length, 20_002);
});
