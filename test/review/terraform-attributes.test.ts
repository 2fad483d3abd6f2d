import assert from 'node:assert/strict';
import test from 'node:test';
import { attributeChanges } from '../../src/review/terraform-attributes.ts';

const NOTHING = { before: {}, after: {}, beforeSensitive: {}, afterSensitive: {}, afterUnknown: {}, replaces: [] };

test('values are shown only of attributes known to hold no secret', () => {
  const [before, after] = [
    { ttl: 300, records: ['a', 'b'], user_data: 'x', tags: { a: 1 } },
    { ttl: 60, records: ['b'], user_data: 'y', tags: { a: 2 } },
  ];
  assert.deepEqual(attributeChanges('changed', { ...NOTHING, before, after }), [
    { name: 'records', state: 'shown', before: 'a, b', after: 'b' },
    { name: 'tags', state: 'hidden' },
    { name: 'ttl', state: 'shown', before: '300', after: '60' },
    { name: 'user_data', state: 'hidden' },
  ]);
});

test('of what comes or goes only what can be shown is listed', () => {
  const after = { name: 'x', arn: 'y', cidr_blocks: [{ nested: true }], vpc_id: null };
  assert.deepEqual(attributeChanges('created', { ...NOTHING, after }), [
    { name: 'cidr_blocks', state: 'hidden' },
    { name: 'name', state: 'shown', after: 'x' },
  ]);
});

test('a value known after apply is unknown, and so is one that an expression gives', () => {
  const change = {
    ...NOTHING,
    before: { records: ['a'], name: 'n' },
    after: { name: `\${aws_eip.x.public_ip}` },
    afterUnknown: { records: [true] },
  };
  assert.deepEqual(attributeChanges('changed', change), [
    { name: 'name', state: 'unknown', before: 'n' },
    { name: 'records', state: 'unknown', before: 'a' },
  ]);
  const same = { name: `\${aws_eip.x.public_ip}` };
  assert.deepEqual(attributeChanges('changed', { ...NOTHING, before: same, after: { ...same } }), []);
});

test('a replacement names what forces it, not what the provider fills in', () => {
  const change = {
    ...NOTHING,
    before: { id: 'i', domain: 'vpc' },
    after: { domain: 'x' },
    afterUnknown: { id: true },
    replaces: ['domain'],
  };
  assert.deepEqual(attributeChanges('replaced', change), [{ name: 'domain', state: 'hidden', replaces: true }]);
});

test('of containers only the images are seen', () => {
  const definitions = (image: string) => JSON.stringify([{ image, environment: [{ value: 'hunter2' }] }]);
  const change = {
    ...NOTHING,
    before: { container_definitions: definitions('a') },
    after: { container_definitions: definitions('b') },
  };
  assert.deepEqual(attributeChanges('changed', change), [{ name: 'image', state: 'shown', before: 'a', after: 'b' }]);
  const broken = { ...NOTHING, before: { container_definitions: '{' }, after: { container_definitions: '[1]' } };
  assert.deepEqual(attributeChanges('changed', broken), [{ name: 'container_definitions', state: 'hidden' }]);
});

test('long values are cut', () => {
  const [attribute] = attributeChanges('created', { ...NOTHING, after: { name: 'x'.repeat(1000) } });
  assert.equal(attribute?.after?.length, 201);
});
