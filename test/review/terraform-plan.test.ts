import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import fc from 'fast-check';
import type { ResourceFact } from '../../src/review/terraform-attributes.ts';
import { readTerraformPlan } from '../../src/review/terraform-plan.ts';
import { missing } from '../support/requirements.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { planJson, plannedResource, samplePlan } from '../support/terraform-plans.ts';

function planOf(json: string) {
  const result = readTerraformPlan(json);
  assert.ok(result.ok, JSON.stringify(result));
  return result.value;
}

const resourcesOf = (...resources: readonly Parameters<typeof planJson>[0][number][]) =>
  planOf(planJson(resources)).resources;
const actions = (facts: readonly ResourceFact[]) => facts.map(({ address, action }) => `${address} ${action}`);

test('what each combination of actions means', () => {
  const combinations = [
    ['no-op'],
    ['read'],
    ['create'],
    ['update'],
    ['delete'],
    ['delete', 'create'],
    ['create', 'delete'],
    ['create', 'forget'],
    ['forget'],
    ['something-new'],
  ];
  const facts = resourcesOf(...combinations.map((list, i) => plannedResource(`aws_eip.r${i}`, list)));
  assert.deepEqual(actions(facts), [
    'aws_eip.r2 created',
    'aws_eip.r3 changed',
    'aws_eip.r4 destroyed',
    'aws_eip.r5 replaced',
    'aws_eip.r6 replaced',
    'aws_eip.r7 replaced',
    'aws_eip.r8 forgotten',
    'aws_eip.r9 changed',
  ]);
});

test('moved, imported and deposed resources', () => {
  const facts = resourcesOf(
    plannedResource('aws_eip.new', ['no-op'], {}, { previous_address: 'aws_eip.old' }),
    plannedResource('aws_eip.found', ['no-op'], { importing: { id: 'x' } }),
    plannedResource('aws_eip.twin', ['delete'], {}, { deposed: 'ab12' }),
  );
  assert.deepEqual(actions(facts), [
    'aws_eip.new moved',
    'aws_eip.found imported',
    'aws_eip.twin (deposed ab12) destroyed',
  ]);
  assert.equal(facts[0]?.previousAddress, 'aws_eip.old');
});

test('what changed outside Terraform', () => {
  const drift = [
    plannedResource('aws_eip.a', ['update'], { before: { tags: {} }, after: { tags: { x: 'y' } } }),
    plannedResource('aws_eip.b', ['no-op']),
  ];
  const { resources } = planOf(planJson([], { resource_drift: drift }));
  assert.deepEqual(resources, [
    { address: 'aws_eip.a', type: 'aws_eip', action: 'drifted', attributes: [{ name: 'tags', state: 'hidden' }] },
  ]);
});

test('the digest that would be deployed, and whether more is to come', () => {
  const output = (after: unknown) => ({ federation_digest: { actions: ['update'], before: 'sha256:a', after } });
  assert.equal(planOf(planJson([], { output_changes: output('sha256:b') })).federationDigest, 'sha256:b');
  assert.equal(planOf(planJson([], { output_changes: output(null) })).federationDigest, undefined);
  assert.equal(planOf(planJson([])).federationDigest, undefined);
  assert.equal(planOf(planJson([], { complete: false })).isComplete, false);
});

test('no secret is in what is kept', () => {
  assert.doesNotMatch(JSON.stringify(planOf(samplePlan())), /hunter/);
});

test('whatever is marked as sensitive is not shown, wherever the mark is', () => {
  const secret = fc.constantFrom('name', 'records', 'cidr_ipv4', 'image', 'tags');
  const mark = fc.constantFrom<unknown>(true, { 0: true }, [false, true], { a: { b: [true] } });
  fc.assert(
    fc.property(secret, mark, fc.boolean(), fc.boolean(), (name, nested, isBefore, isWhole) => {
      const marks = isWhole ? true : { [name]: nested };
      const [resource] = resourcesOf(
        plannedResource('aws_route53_record.x', ['update'], {
          before: { [name]: 'hunter2' },
          after: { [name]: 'hunter3' },
          [isBefore ? 'before_sensitive' : 'after_sensitive']: marks,
        }),
      );
      assert.deepEqual(resource?.attributes, [{ name, state: 'sensitive' }]);
    }),
  );
});

test('what is no plan says so', () => {
  const problem = (json: string) => {
    const result = readTerraformPlan(json);
    assert.ok(!result.ok);
    const [error] = result.errors;
    return `${error?.path}: ${error?.message}`;
  };
  assert.match(problem('plan'), /^: expected the JSON that `terraform show -json PLAN` prints/);
  assert.match(problem('[]'), /^: expected a Terraform plan in JSON/);
  assert.match(problem('{"format_version":"1.2","resource_changes":[{}]}'), /^resource_changes\[0\]\.address: /);
  assert.match(
    problem(planJson([], { format_version: '2.0' })),
    /^format_version: expected version 1 of the plan format, got 2\.0/,
  );
  assert.match(problem(planJson([], { errored: true })), /^errored: expected a plan that was made without errors/);
});

test('a plan of Terraform itself', { skip: missing('terraform') }, () => {
  const folder = temporaryFolder('plan');
  const terraform = (...args: readonly string[]) =>
    execFileSync('terraform', args, {
      cwd: folder,
      env: { ...process.env, CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1' },
    }).toString();
  writeFileSync(
    join(folder, 'main.tf.json'),
    JSON.stringify({
      variable: { secret: { default: 'hunter2', sensitive: true } },
      resource: {
        terraform_data: {
          open: { input: 'seen' },
          secret: { input: `\${var.secret}` },
          late: { input: `\${terraform_data.open.id}` },
        },
      },
      output: { federation_digest: { value: 'sha256:x' } },
    }),
  );
  terraform('init', '-no-color');
  terraform('plan', '-no-color', '-out=plan');
  const json = terraform('show', '-json', 'plan');
  const plan = planOf(json);
  assert.deepEqual(actions(plan.resources), [
    'terraform_data.late created',
    'terraform_data.open created',
    'terraform_data.secret created',
  ]);
  assert.equal(plan.federationDigest, 'sha256:x');
  assert.doesNotMatch(JSON.stringify(plan), /hunter2/);
});
