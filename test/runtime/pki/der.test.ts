import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  DerError,
  DerReader,
  openDer,
  readBoolean,
  readNamedBits,
  readOid,
  readSmallInteger,
  readTime,
  TAG,
} from '../../../src/runtime/pki/der.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const refuses = (action: () => unknown): void => assert.throws(action, DerError);

describe('DerReader', () => {
  test('reads elements in order', () => {
    const reader = openDer(hex('30 05 02 01 05 05 00'), TAG.sequence);
    assert.deepEqual([...reader.read(TAG.integer).content], [5]);
    assert.equal(reader.optional(TAG.oid), undefined);
    assert.equal(reader.read().tag, TAG.null);
  });

  test('reads long lengths', () => {
    const content = Buffer.alloc(300, 1);
    const reader = new DerReader(Buffer.concat([hex('04 82 01 2c'), content]));
    assert.ok(reader.read(TAG.octetString).content.equals(content));
    reader.end();
  });

  const hostile: Record<string, string> = {
    nothing: '',
    'a tag without length': '30',
    'content past the end': '30 05 02 01 01',
    'indefinite length': '30 80 02 01 01 00 00',
    'length of four octets': '04 84 00 00 00 01 00',
    'length longer than needed': '04 81 01 00',
    'length with leading zero': '04 82 00 ff',
    'a tag of several octets': '1f 81 00 00',
  };
  for (const [name, bytes] of Object.entries(hostile)) {
    test(`refuses ${name}`, () => refuses(() => new DerReader(hex(bytes)).read()));
  }

  test('refuses a different tag and trailing bytes', () => {
    refuses(() => new DerReader(hex('02 01 00')).read(TAG.sequence));
    refuses(() => openDer(hex('30 00 00'), TAG.sequence));
  });
});

test('booleans are 00 or ff', () => {
  assert.equal(readBoolean(hex('ff')), true);
  assert.equal(readBoolean(hex('00')), false);
  for (const bytes of ['01', '', 'ff ff']) refuses(() => readBoolean(hex(bytes)));
});

test('small integers are not negative and as short as possible', () => {
  assert.equal(readSmallInteger(hex('00')), 0);
  assert.equal(readSmallInteger(hex('00 80')), 128);
  assert.equal(readSmallInteger(hex('7f ff ff ff')), 2 ** 31 - 1);
  for (const bytes of ['', '80', '00 01', '01 00 00 00 00']) refuses(() => readSmallInteger(hex(bytes)));
});

test('object identifiers', () => {
  assert.equal(readOid(hex('55 1d 11')), '2.5.29.17');
  assert.equal(readOid(hex('2b 06 01 05 05 07 08 05')), '1.3.6.1.5.5.7.8.5');
  assert.equal(readOid(hex('88 37 03')), '2.999.3');
  for (const bytes of ['', '55 80 01', '55 81', `55 ${'ff '.repeat(9)}01`, '55'.repeat(65)]) {
    refuses(() => readOid(hex(bytes)));
  }
});

test('named bits', () => {
  assert.equal(readNamedBits(hex('07 80')), 1);
  assert.equal(readNamedBits(hex('01 06')), 0b110_0000);
  assert.equal(readNamedBits(hex('00')), 0);
  for (const bytes of ['', '08 00', '01']) refuses(() => readNamedBits(hex(bytes)));
});

test('times', () => {
  const time = (tag: number, text: string) => readTime({ tag, content: Buffer.from(text), raw: Buffer.alloc(0) });
  assert.equal(time(TAG.utcTime, '491231235959Z'), Date.UTC(2049, 11, 31, 23, 59, 59));
  assert.equal(time(TAG.utcTime, '500101000000Z'), Date.UTC(1950, 0, 1));
  assert.equal(time(TAG.generalizedTime, '99991231235959Z'), Date.UTC(9999, 11, 31, 23, 59, 59));
  assert.equal(time(TAG.generalizedTime, '20240229120000Z'), Date.UTC(2024, 1, 29, 12));
  for (const text of [
    '20230229120000Z',
    '20241301000000Z',
    '20240101240000Z',
    '20240101000000',
    '2024010100000Z',
    '',
  ]) {
    refuses(() => time(TAG.generalizedTime, text));
  }
  refuses(() => time(TAG.utcTime, '20240101000000Z'));
  refuses(() => time(TAG.integer, '240101000000Z'));
});
