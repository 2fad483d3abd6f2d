import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { Token } from 'cdktf';
import { EdgeFirewall, type EdgeFirewallProps } from '../../src/constructs/edge-firewall.ts';
import { normalizeCidr } from '../../src/constructs/firewall-rule.ts';
import { terraformOf, testStack } from '../support/synthesis.ts';

function rulesOf(props: EdgeFirewallProps): string[] {
  const { rules } = new EdgeFirewall(testStack(), 'Firewall', props);
  return rules.map((rule) => `${rule.direction} ${rule.protocol} ${rule.port} ${rule.cidr}`);
}

describe('EdgeFirewall', () => {
  test('whole output of a firewall with everything given', () => {
    const stack = testStack();
    const firewall = new EdgeFirewall(stack, 'Firewall', {
      vpcId: 'vpc-1',
      directTlsPort: 5270,
      partnerCidrs: ['203.0.113.0/24', '2001:DB8::/32'],
      outboundPorts: [5269],
      resolverCidrs: ['10.0.0.2/32'],
      httpsCidrs: [],
      sipNextHops: [{ cidr: '10.0.4.0/24' }],
      sipSources: [{ cidr: '10.0.4.0/24', port: 5060, protocol: 'udp' }],
      tags: { environment: 'test' },
    });
    const group = firewall.securityGroup?.friendlyUniqueId;
    const rule = (protocol: string, port: number, network: object, description: string) => ({
      description,
      from_port: port,
      ip_protocol: protocol,
      security_group_id: `\${aws_security_group.${group}.id}`,
      to_port: port,
      ...network,
    });
    const { resource } = terraformOf(stack);
    assert.deepEqual(resource?.aws_security_group, {
      [group ?? '']: {
        description: 'XMPP federation edge',
        lifecycle: { create_before_destroy: true },
        name_prefix: 'xmpp-edge-',
        tags: { environment: 'test' },
        vpc_id: 'vpc-1',
      },
    });
    const partners = 'XMPP server-to-server from partners';
    const direct = 'XMPP server-to-server over direct TLS from partners';
    assert.deepEqual(Object.values(resource?.aws_vpc_security_group_ingress_rule ?? {}), [
      rule('tcp', 5269, { cidr_ipv6: '2001:db8::/32' }, partners),
      rule('tcp', 5269, { cidr_ipv4: '203.0.113.0/24' }, partners),
      rule('tcp', 5270, { cidr_ipv6: '2001:db8::/32' }, direct),
      rule('tcp', 5270, { cidr_ipv4: '203.0.113.0/24' }, direct),
      rule('udp', 5060, { cidr_ipv4: '10.0.4.0/24' }, 'SIP from the pool'),
    ]);
    assert.deepEqual(Object.values(resource?.aws_vpc_security_group_egress_rule ?? {}), [
      rule('tcp', 5061, { cidr_ipv4: '10.0.4.0/24' }, 'SIP to the next hop'),
      rule('tcp', 5269, { cidr_ipv6: '2001:db8::/32' }, 'XMPP server-to-server to partners'),
      rule('tcp', 5269, { cidr_ipv4: '203.0.113.0/24' }, 'XMPP server-to-server to partners'),
      rule('tcp', 53, { cidr_ipv4: '10.0.0.2/32' }, 'DNS over TCP for long answers'),
      rule('udp', 53, { cidr_ipv4: '10.0.0.2/32' }, 'DNS'),
    ]);
    assert.deepEqual(Object.keys(resource ?? {}).sort(), [
      'aws_security_group',
      'aws_vpc_security_group_egress_rule',
      'aws_vpc_security_group_ingress_rule',
    ]);
  });

  test('what is open when nothing is said', () => {
    assert.deepEqual(rulesOf({ vpcId: 'vpc-1' }), [
      'egress tcp 443 0.0.0.0/0',
      'egress tcp 443 ::/0',
      'egress tcp 5269 0.0.0.0/0',
      'egress tcp 5269 ::/0',
      'egress tcp 53 0.0.0.0/0',
      'egress tcp 53 ::/0',
      'egress udp 53 0.0.0.0/0',
      'egress udp 53 ::/0',
      'ingress tcp 5269 0.0.0.0/0',
      'ingress tcp 5269 ::/0',
    ]);
  });

  test('rules are added to a security group that was brought', () => {
    const stack = testStack();
    const firewall = new EdgeFirewall(stack, 'Firewall', { securityGroupId: 'sg-1', partnerCidrs: ['203.0.113.7/32'] });
    assert.equal(firewall.securityGroup, undefined);
    const { resource } = terraformOf(stack);
    assert.equal(resource?.aws_security_group, undefined);
    const groups = Object.values(resource?.aws_vpc_security_group_ingress_rule ?? {}).map(
      (rule) => rule.security_group_id,
    );
    assert.deepEqual(groups, ['sg-1']);
  });

  test('ids of rules are their content, so that a change of one leaves the others alone', () => {
    const firewall = new EdgeFirewall(testStack(), 'Firewall', { vpcId: 'vpc-1', partnerCidrs: ['203.0.113.0/24'] });
    assert.deepEqual(
      firewall.ingressRules.map((rule) => rule.node.path),
      ['test/Firewall/ingress-tcp-5269-203.0.113.0_24'],
    );
    assert.equal(firewall.securityGroup?.node.path, 'test/Firewall/Resource');
  });

  test('a rule asked for twice is made once, in any order', () => {
    const one = rulesOf({ vpcId: 'v', partnerCidrs: ['203.0.113.0/24', '198.51.100.0/24', '203.0.113.0/24'] });
    assert.deepEqual(one, rulesOf({ vpcId: 'v', partnerCidrs: ['198.51.100.0/24', '203.0.113.0/24'] }));
  });

  test('direct TLS also opens the way out, unless outboundPorts says otherwise', () => {
    const ports = (props: EdgeFirewallProps) =>
      rulesOf({ ...props, partnerCidrs: ['203.0.113.0/24'], resolverCidrs: [], httpsCidrs: [] });
    assert.deepEqual(ports({ vpcId: 'v', directTlsPort: 5270 }), [
      'egress tcp 5269 203.0.113.0/24',
      'egress tcp 5270 203.0.113.0/24',
      'ingress tcp 5269 203.0.113.0/24',
      'ingress tcp 5270 203.0.113.0/24',
    ]);
    assert.deepEqual(ports({ vpcId: 'v', port: 15269, outboundPorts: [] }), ['ingress tcp 15269 203.0.113.0/24']);
  });

  test('more rules than AWS allows are warned about', () => {
    const partnerCidrs = Array.from({ length: 61 }, (_, index) => `198.51.100.${index}/32`);
    const firewall = new EdgeFirewall(testStack(), 'Firewall', {
      vpcId: 'v',
      partnerCidrs,
      httpsCidrs: [],
      resolverCidrs: [],
    });
    const warnings = firewall.node.metadata.map((entry) => entry.data);
    assert.deepEqual(warnings, [
      '61 ipv4 ingress rules; AWS allows 60 by default: join networks, or ask AWS for a higher quota',
      '61 ipv4 egress rules; AWS allows 60 by default: join networks, or ask AWS for a higher quota',
    ]);
  });

  const refused: [string, EdgeFirewallProps, string][] = [
    ['neither VPC nor group', {}, 'vpcId: expected one of vpcId and securityGroupId, got neither'],
    ['both', { vpcId: 'v', securityGroupId: 's' }, 'vpcId: expected one of vpcId and securityGroupId, got both'],
    ['host bits', { vpcId: 'v', partnerCidrs: ['203.0.113.7/24'] }, 'partnerCidrs[0]: expected a network such as'],
    [
      'an address without length',
      { vpcId: 'v', resolverCidrs: ['10.0.0.2'] },
      'resolverCidrs[0]: expected a network such as',
    ],
    [
      'a Token',
      { vpcId: 'v', sipNextHops: [{ cidr: Token.asString({ later: true }) }] },
      'sipNextHops[0].cidr: expected a network known when the app runs, got a Token',
    ],
    [
      'port 70000',
      { vpcId: 'v', sipSources: [{ cidr: '10.0.0.0/8', port: 70000 }] },
      'sipSources[0].port: expected a whole number from 1 to 65535, got 70000',
    ],
  ];
  for (const [name, props, message] of refused) {
    test(`refuses ${name}`, () => {
      assert.throws(
        () => new EdgeFirewall(testStack(), 'Firewall', props),
        (error: Error) => {
          assert.ok(error.message.startsWith(`[test/Firewall] ${message}`), error.message);
          return true;
        },
      );
    });
  }
});

test('normalizeCidr', () => {
  assert.equal(normalizeCidr('2001:0DB8:0::/32'), '2001:db8::/32');
  assert.equal(normalizeCidr('0.0.0.0/0'), '0.0.0.0/0');
  for (const text of [
    '10.0.0.0',
    '10.0.0.0/33',
    '10.0.0/8',
    '0x0a.0.0.0/8',
    '::ffff:10.0.0.0/104',
    '10.0.0.0/8/8',
    '/8',
    '',
  ]) {
    assert.equal(normalizeCidr(text), undefined, text);
  }
});
