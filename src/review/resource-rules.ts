import type { RiskRule } from './rating.ts';
import type { ResourceFact } from './terraform-attributes.ts';

/** A rule about a resource. The first row that applies rates the change. */
export interface ResourceRule extends RiskRule {
  readonly appliesTo: (fact: ResourceFact) => boolean;
}

export const RESOURCE_RULES: readonly ResourceRule[] = [
  {
    id: 'tags-drifted',
    risk: 'none',
    direction: 'neutral',
    reason: 'Only tags were changed outside Terraform.',
    appliesTo: ({ action, attributes }) =>
      action === 'drifted' && attributes.every(({ name }) => /^tags(?:_all)?$/.test(name)),
  },
  {
    id: 'drifted',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Somebody changed this outside Terraform.',
    appliesTo: ({ action }) => action === 'drifted',
  },
  {
    id: 'moved-in-code',
    risk: 'low',
    direction: 'neutral',
    reason: 'The same resource under another name in the code, or taken over as it is.',
    appliesTo: ({ action }) => action === 'moved' || action === 'imported',
  },
  {
    id: 'forgotten',
    risk: 'medium',
    direction: 'neutral',
    reason: 'It stays, but nothing looks after it any more.',
    appliesTo: ({ action }) => action === 'forgotten',
  },
  {
    id: 'address-lost',
    risk: 'critical',
    direction: 'narrowing',
    reason: 'Partners and DNS know the old address; it cannot be had back.',
    appliesTo: (fact) =>
      isLost(fact) && /^aws_(?:eip(?:_association)?|nat_gateway|lb|network_interface)$/.test(fact.type),
  },
  {
    id: 'zone-lost',
    risk: 'critical',
    direction: 'narrowing',
    reason: 'All its records go with it, and a new zone has other name servers.',
    appliesTo: (fact) => isLost(fact) && /^aws_route53_(?:zone|delegation_set|key_signing_key)$/.test(fact.type),
  },
  {
    id: 'secret-lost',
    risk: 'critical',
    direction: 'narrowing',
    reason: 'The gateway cannot prove who it is without its keys.',
    appliesTo: (fact) => isLost(fact) && SECRETS.test(fact.type),
  },
  {
    id: 'store-lost',
    risk: 'critical',
    direction: 'narrowing',
    reason: 'What is stored in it is lost.',
    appliesTo: (fact) =>
      isLost(fact) && /^aws_(?:s3_bucket|dynamodb_table|efs_file_system|db_instance|rds_cluster)$/.test(fact.type),
  },
  {
    id: 'secret-changed',
    risk: 'high',
    direction: 'neutral',
    reason: 'Which key or secret is used, or who may use it, changes.',
    appliesTo: (fact) => fact.action === 'changed' && SECRETS.test(fact.type),
  },
  {
    id: 'state-moved',
    risk: 'critical',
    direction: 'neutral',
    reason: "With another place for Terraform's state everything may be made a second time.",
    appliesTo: ({ type }) => type === 'terraform.backend',
  },
  {
    id: 'provider-changed',
    risk: 'high',
    direction: 'neutral',
    reason: 'Another account, region or version of the provider applies to every resource.',
    appliesTo: ({ type }) => type === 'provider' || type.startsWith('terraform.'),
  },
  {
    id: 'record-lost',
    risk: 'high',
    direction: 'narrowing',
    reason: 'Partners cannot find us while the record is missing, and for as long as they remember that it was.',
    appliesTo: (fact) => isLost(fact) && isRecord(fact),
  },
  {
    id: 'record-unknown',
    risk: 'high',
    direction: 'neutral',
    reason: 'Where the record will point is known after apply only.',
    appliesTo: (fact) => fact.action === 'changed' && isRecord(fact) && hasUnknown(fact, ['records', 'name', 'type']),
  },
  {
    id: 'record-changed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Partners will find us somewhere else, or differently.',
    appliesTo: (fact) => fact.action === 'changed' && isRecord(fact),
  },
  {
    id: 'firewall-opened-to-all',
    risk: 'high',
    direction: 'broadening',
    reason: 'Any address may connect, or it is not known yet which.',
    appliesTo: (fact) => isOpened(fact) && isFromAnywhere(fact),
  },
  {
    id: 'firewall-opened',
    risk: 'medium',
    direction: 'broadening',
    reason: 'More addresses or ports are let through.',
    appliesTo: isOpened,
  },
  {
    id: 'firewall-closed',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Addresses or ports that were let through no longer are.',
    appliesTo: (fact) => fact.action === 'destroyed' && FIREWALL_RULE.test(fact.type),
  },
  {
    id: 'firewall-changed',
    risk: 'high',
    direction: 'neutral',
    reason: 'Other addresses or ports are let through.',
    appliesTo: (fact) => FIREWALL.test(fact.type) && fact.action !== 'created',
  },
  {
    id: 'image-changed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Other software runs.',
    appliesTo: ({ action, attributes }) =>
      action !== 'created' &&
      attributes.some(({ name }) => /^(?:image|image_id|ami|container_definitions)$/.test(name)),
  },
  {
    id: 'access-changed',
    risk: 'high',
    direction: 'neutral',
    reason: 'Who may do what in the account changes.',
    appliesTo: ({ type, action }) => type.startsWith('aws_iam_') && action !== 'created',
  },
  {
    id: 'access-created',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Somebody may do more in the account.',
    appliesTo: ({ type }) => type.startsWith('aws_iam_'),
  },
  {
    id: 'data-source-changed',
    risk: 'low',
    direction: 'neutral',
    reason: 'Something else is looked up.',
    appliesTo: ({ type }) => type.startsWith('data.'),
  },
  {
    id: 'marker-changed',
    risk: 'none',
    direction: 'neutral',
    reason: 'It stands for nothing outside Terraform.',
    appliesTo: ({ type }) => type === 'terraform_data' || type === 'null_resource',
  },
  {
    id: 'resource-destroyed',
    risk: 'high',
    direction: 'narrowing',
    reason: 'Whatever uses it stops working.',
    appliesTo: ({ action }) => action === 'destroyed',
  },
  {
    id: 'resource-replaced',
    risk: 'high',
    direction: 'neutral',
    reason: 'It is gone before, or beside, its successor.',
    appliesTo: ({ action }) => action === 'replaced',
  },
  {
    id: 'resource-changed',
    risk: 'low',
    direction: 'neutral',
    reason: 'Changed in place.',
    appliesTo: ({ action }) => action === 'changed',
  },
  {
    id: 'resource-created',
    risk: 'low',
    direction: 'neutral',
    reason: 'New.',
    appliesTo: () => true,
  },
];

const SECRETS = /^(?:aws_(?:secretsmanager_secret|ssm_parameter|kms_|acmpca_|acm_certificate)|tls_private_key|acme_)/;
const FIREWALL_RULE = /^aws_(?:vpc_security_group_(?:ingress|egress)_rule|security_group_rule|network_acl_rule)$/;
const FIREWALL = /^aws_(?:vpc_security_group_|security_group|network_acl|ec2_managed_prefix_list)/;

function isLost({ action }: ResourceFact): boolean {
  return action === 'destroyed' || action === 'replaced';
}

function isRecord({ type }: ResourceFact): boolean {
  return type === 'aws_route53_record';
}

function isOpened({ type, action }: ResourceFact): boolean {
  return FIREWALL_RULE.test(type) && action === 'created';
}

function hasUnknown({ attributes }: ResourceFact, names: readonly string[]): boolean {
  return attributes.some(({ name, state }) => names.includes(name) && state !== 'shown');
}

const SOURCES = ['cidr_ipv4', 'cidr_ipv6', 'cidr_blocks', 'ipv6_cidr_blocks'];

function isFromAnywhere(fact: ResourceFact): boolean {
  if (fact.type.includes('egress')) return false;
  if (hasUnknown(fact, SOURCES)) return true;
  return fact.attributes.some(
    ({ name, after = '' }) => SOURCES.includes(name) && /(?:^|, )(?:0\.0\.0\.0|::)\/0/.test(after),
  );
}
