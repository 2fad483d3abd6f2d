type Json = Readonly<Record<string, unknown>>;

/** One entry of `resource_changes`, as `terraform show -json` writes it. */
export function plannedResource(
  address: string,
  actions: readonly string[],
  change: Json = {},
  entry: Json = {},
): Json {
  const type = address.split('.').at(-2) ?? '';
  return {
    address,
    mode: address.startsWith('data.') ? 'data' : 'managed',
    type,
    name: address.split('.').at(-1),
    provider_name: 'registry.terraform.io/hashicorp/aws',
    change: {
      actions,
      before: null,
      after: null,
      after_unknown: {},
      before_sensitive: false,
      after_sensitive: {},
      ...change,
    },
    ...entry,
  };
}

/** The JSON of a plan. */
export function planJson(resources: readonly Json[], more: Json = {}): string {
  return JSON.stringify({
    format_version: '1.2',
    terraform_version: '1.11.4',
    variables: { passphrase: { value: 'hunter2' } },
    planned_values: {},
    resource_changes: resources,
    output_changes: {},
    errored: false,
    complete: true,
    applyable: true,
    ...more,
  });
}

/** A plan that does a bit of everything dangerous, with secrets in it that must never be seen. */
export function samplePlan(): string {
  return planJson([
    plannedResource('aws_eip.edge', ['delete', 'create'], {
      before: { id: 'eipalloc-1', public_ip: '203.0.113.10', domain: 'vpc' },
      after: { domain: 'standard' },
      after_unknown: { id: true, public_ip: true },
      replace_paths: [['domain']],
    }),
    plannedResource('aws_secretsmanager_secret_version.key', ['update'], {
      before: { secret_string: 'hunter2', version_stages: ['a'] },
      after: { secret_string: 'hunter3', version_stages: ['b'] },
      before_sensitive: { secret_string: true },
      after_sensitive: { secret_string: true },
    }),
    plannedResource('aws_route53_record.srv', ['update'], {
      before: {
        name: '_xmpp-server._tcp.contoso.com',
        type: 'SRV',
        records: ['10 10 5269 edge1.contoso.com.'],
        ttl: 300,
      },
      after: {
        name: '_xmpp-server._tcp.contoso.com',
        type: 'SRV',
        records: ['10 10 5269 edge2.contoso.com.'],
        ttl: 300,
      },
    }),
    plannedResource('aws_route53_record.host', ['update'], {
      before: { name: 'edge1.contoso.com', type: 'A', records: ['203.0.113.10'] },
      after: { name: 'edge1.contoso.com', type: 'A' },
      after_unknown: { records: true },
    }),
    plannedResource('aws_vpc_security_group_ingress_rule.xmpp', ['create'], {
      after: { cidr_ipv4: '0.0.0.0/0', from_port: 5269, to_port: 5269, ip_protocol: 'tcp' },
      after_unknown: { id: true },
    }),
    plannedResource('aws_ecs_task_definition.gateway', ['create', 'delete'], {
      before: {
        container_definitions: '[{"image":"repo@sha256:aaa","environment":[{"name":"TOKEN","value":"hunter2"}]}]',
      },
      after: {
        container_definitions: '[{"image":"repo@sha256:bbb","environment":[{"name":"TOKEN","value":"hunter2"}]}]',
      },
      replace_paths: [['container_definitions']],
    }),
    plannedResource('aws_cloudwatch_log_group.gateway', ['no-op']),
    plannedResource('data.aws_route53_zone.public', ['read'], { after_unknown: true }),
  ]);
}
