import assert from 'node:assert/strict';
import test from 'node:test';
import type { AttributeChange, ResourceAction } from '../../src/review/model.ts';
import { RESOURCE_RULES } from '../../src/review/resource-rules.ts';

type Row = readonly [type: string, action: ResourceAction, rule: string, attributes?: readonly AttributeChange[]];

const shown = (name: string, after: string): AttributeChange => ({ name, state: 'shown', after });
const tags: readonly AttributeChange[] = [{ name: 'tags_all', state: 'hidden' }];
const INGRESS = 'aws_vpc_security_group_ingress_rule';

const ROWS: readonly Row[] = [
  ['aws_lb', 'drifted', 'tags-drifted', tags],
  ['aws_lb', 'drifted', 'drifted', [...tags, { name: 'name', state: 'hidden' }]],
  ['aws_eip', 'moved', 'moved-in-code'],
  ['aws_eip', 'imported', 'moved-in-code'],
  ['aws_eip', 'forgotten', 'forgotten'],
  ['aws_eip', 'replaced', 'address-lost'],
  ['aws_eip', 'destroyed', 'address-lost'],
  ['aws_eip', 'changed', 'resource-changed'],
  ['aws_lb', 'replaced', 'address-lost'],
  ['aws_lb_listener', 'replaced', 'resource-replaced'],
  ['aws_route53_zone', 'destroyed', 'zone-lost'],
  ['aws_secretsmanager_secret', 'destroyed', 'secret-lost'],
  ['aws_kms_key', 'replaced', 'secret-lost'],
  ['aws_ssm_parameter', 'changed', 'secret-changed'],
  ['aws_s3_bucket', 'destroyed', 'store-lost'],
  ['terraform.backend', 'changed', 'state-moved'],
  ['provider', 'changed', 'provider-changed'],
  ['terraform.required_providers', 'changed', 'provider-changed'],
  ['aws_route53_record', 'destroyed', 'record-lost'],
  ['aws_route53_record', 'changed', 'record-unknown', [{ name: 'records', state: 'unknown' }]],
  ['aws_route53_record', 'changed', 'record-changed', [shown('records', 'x')]],
  ['aws_route53_record', 'created', 'resource-created', [shown('records', 'x')]],
  [INGRESS, 'created', 'firewall-opened-to-all', [shown('cidr_ipv4', '0.0.0.0/0')]],
  [INGRESS, 'created', 'firewall-opened-to-all', [shown('cidr_ipv6', '::/0')]],
  [INGRESS, 'created', 'firewall-opened-to-all', [{ name: 'cidr_ipv4', state: 'unknown' }]],
  [INGRESS, 'created', 'firewall-opened', [shown('cidr_ipv4', '10.0.0.0/8')]],
  ['aws_vpc_security_group_egress_rule', 'created', 'firewall-opened', [shown('cidr_ipv4', '0.0.0.0/0')]],
  [INGRESS, 'destroyed', 'firewall-closed'],
  [INGRESS, 'changed', 'firewall-changed'],
  ['aws_security_group', 'replaced', 'firewall-changed'],
  ['aws_security_group', 'created', 'resource-created'],
  ['aws_ecs_task_definition', 'replaced', 'image-changed', [shown('image', 'x')]],
  ['aws_launch_template', 'changed', 'image-changed', [shown('image_id', 'x')]],
  ['aws_iam_role_policy', 'changed', 'access-changed'],
  ['aws_iam_role', 'created', 'access-created'],
  ['data.aws_route53_zone', 'changed', 'data-source-changed'],
  ['terraform_data', 'replaced', 'marker-changed'],
  ['aws_cloudwatch_log_group', 'destroyed', 'resource-destroyed'],
  ['aws_cloudwatch_log_group', 'replaced', 'resource-replaced'],
  ['aws_cloudwatch_log_group', 'changed', 'resource-changed'],
  ['aws_cloudwatch_log_group', 'created', 'resource-created'],
];

test('each resource and action has its rule', () => {
  for (const [type, action, expected, attributes = []] of ROWS) {
    const fact = { address: `${type}.x`, type, action, attributes };
    assert.equal(RESOURCE_RULES.find((rule) => rule.appliesTo(fact))?.id, expected, `${type} ${action}`);
  }
});

test('every rule has its resource', () => {
  const expected = new Set(ROWS.map(([, , rule]) => rule));
  assert.deepEqual(
    RESOURCE_RULES.filter(({ id }) => !expected.has(id)),
    [],
  );
});
