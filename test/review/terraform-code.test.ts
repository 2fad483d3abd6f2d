import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { compareTerraformCode, readTerraformCode } from '../../src/review/terraform-code.ts';

function codeOf(code: object) {
  const result = readTerraformCode(JSON.stringify(code));
  assert.ok(result.ok);
  return result.value;
}

const compare = (before: object, after: object) =>
  compareTerraformCode(codeOf(before), codeOf(after)).map(({ address, action, attributes }) =>
    [address, action, ...attributes.map(({ name, after: value = '' }) => `${name} ${value}`.trim())].join(', '),
  );

const record = (values: object) => ({
  resource: { aws_route53_record: { srv: { '//': { metadata: { path: 'x' } }, ...values } } },
});

test('resources that come, go and change', () => {
  assert.deepEqual(compare(record({ ttl: 300 }), record({ ttl: 60 })), ['aws_route53_record.srv, changed, ttl 60']);
  assert.deepEqual(compare({}, record({ ttl: 60 })), ['aws_route53_record.srv, created, ttl 60']);
  assert.deepEqual(compare(record({ ttl: 60 }), {}), ['aws_route53_record.srv, destroyed, ttl']);
});

test('metadata and the place of a local state are no change', () => {
  const moved = { resource: { aws_route53_record: { srv: { '//': { metadata: { path: 'y' } }, ttl: 1 } } } };
  assert.deepEqual(compare(record({ ttl: 1 }), moved), []);
  const local = (path: string) => ({ terraform: { backend: { local: { path } } } });
  assert.deepEqual(compare(local('/a/x.tfstate'), local('/b/x.tfstate')), []);
});

test('provider, backend, required providers and data sources', () => {
  const code = (region: string) => ({
    provider: { aws: [{ region }] },
    terraform: { backend: { s3: { bucket: region } }, required_providers: { aws: { version: region } } },
    data: { aws_route53_zone: { public: { name: region } } },
  });
  assert.deepEqual(compare(code('a'), code('b')), [
    'data.aws_route53_zone.public, changed, name b',
    'provider.aws, changed, configuration',
    'terraform.backend, changed, configuration',
    'terraform.required_providers, changed, configuration',
  ]);
});

test('the code of the example', () => {
  const read = (environment: string) =>
    readFileSync(new URL(`../../examples/contoso/expected/${environment}/cdk.tf.json`, import.meta.url), 'utf8');
  const [dev, prod] = [readTerraformCode(read('dev')), readTerraformCode(read('prod'))];
  assert.ok(dev.ok && prod.ok);
  assert.deepEqual(compareTerraformCode(dev.value, dev.value), []);
  assert.ok(compareTerraformCode(dev.value, prod.value).length > 10);
});

test('what is no JSON', () => {
  assert.equal(readTerraformCode('x').ok, false);
  assert.deepEqual(readTerraformCode('[]'), { ok: true, value: new Map() });
});
