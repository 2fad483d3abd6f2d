import assert from 'node:assert/strict';
import test from 'node:test';
import { areNameAddresses, parseNameAddress, readNameAddress } from '../../../src/runtime/sip/name-address.ts';

test('URI and tag of a From or To', () => {
  const cases: [text: string, uri: string, tag: string | undefined][] = [
    ['<sip:a@b>', 'sip:a@b', undefined],
    ['<sip:a@b>;tag=x', 'sip:a@b', 'x'],
    ['sip:a@b;tag=x', 'sip:a@b', 'x'],
    ['sip:a@b', 'sip:a@b', undefined],
    ['<sip:a@b;transport=tcp>;TAG=x', 'sip:a@b;transport=tcp', 'x'],
    ['caller<sip:a@b>;tag=x', 'sip:a@b', 'x'],
    ['Joe  Q. Public <sip:a@b>', 'sip:a@b', undefined],
    ['"J Rosenberg \\\\\\"" <sip:a@b> ; x = y ;tag  =   1', 'sip:a@b', '1'],
    ['"tag=no;<sip:evil@x>" <sip:a@b>;p="a;tag=2";tag=3', 'sip:a@b', '3'],
    ['isbn:2983792873', 'isbn:2983792873', undefined],
    ['<http://www.example.com>;tag=1', 'http://www.example.com', '1'],
  ];
  for (const [text, uri, tag] of cases) {
    assert.deepEqual(parseNameAddress(text), { uri, tag, end: text.length }, text);
  }
});

test('what breaks the grammar is refused', () => {
  const broken = [
    '',
    '<>',
    '<sip:a@b',
    'sip:a@b>',
    '"Mr. J. User <sip:a@b>',
    'Bell, Alexander <sip:a@b>;tag=43',
    '"Watson" < sip:a@b >',
    'sip:a@b?Route=%3Csip:c%3E',
    'sip:a@b, sip:c@d',
    '<sip:a@b>, <sip:c@d>',
    '<sip:a@b>;tag=1;tag=2',
    '<sip:a@b>;tag',
    '<sip:a@b>;tag=',
    '<sip:a@b>;tag="x"',
    '<sip:a@b>;;tag=x',
    '<sip:a@b>;',
    '<sip:a@b> x',
    '<sip:a@b>x',
    '<sip:a@@b>',
    '"a"',
    '"a" sip:a@b',
    '"a\\',
    'a b',
  ];
  for (const text of broken) assert.equal(parseNameAddress(text), undefined, text);
});

test('lists', () => {
  const check = (text: string) => areNameAddresses({ bytes: Buffer.from(text), text }, 0, text.length);
  assert.equal(check('*'), true);
  assert.equal(check('<sip:a@b>;q=0.1, sip:c@d'), true);
  assert.equal(check('<sip:a@b>,'), false);
  assert.equal(check('"Joe" <sip:joe@example.org>;;;;'), false);
  const text = '"a,b" <sip:a@b>;x="1,2" , <sip:c@d>';
  assert.equal(readNameAddress({ bytes: Buffer.from(text), text }, 0, text.length)?.end, text.lastIndexOf(','));
});
