import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { canonicalJson, federationDigest } from '../../src/config/canonical.ts';
import { sampleFederation } from '../support/federations.ts';

test('keys are sorted, lists keep their order, undefined is left out', () => {
  assert.equal(
    canonicalJson({ b: [2, 1, { d: 1, c: undefined }], a: { z: null, y: 'ü' } }),
    '{\n  "a": {\n    "y": "ü",\n    "z": null\n  },\n  "b": [\n    2,\n    1,\n    {\n      "d": 1\n    }\n  ]\n}\n',
  );
});

test('equal values give equal bytes, whatever the order of their keys', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).reverse());
      assert.equal(canonicalJson(turned), canonicalJson(value));
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('a key named like the prototype stays a key', () => {
  const value: unknown = JSON.parse('{"__proto__": {"polluted": true}}');
  assert.equal(canonicalJson(value), '{\n  "__proto__": {\n    "polluted": true\n  }\n}\n');
  assert.equal(Reflect.get({}, 'polluted'), undefined);
});

test('the digest is that of the canonical bytes', () => {
  const config = sampleFederation();
  const hash = createHash('sha256')
    .update(Buffer.from(canonicalJson(config)))
    .digest('hex');
  assert.equal(federationDigest(config), `sha256:${hash}`);
  assert.notEqual(federationDigest(config), federationDigest(sampleFederation({ environment: 'other' })));
});
