import assert from 'node:assert/strict';
import test, { describe } from 'node:test';
import { Eip } from '@cdktf/provider-aws/lib/eip/index.js';
import { Token } from 'cdktf';
import { DeclarationError } from '../../src/constructs/declaration-error.ts';
import { EdgeHostRecords } from '../../src/constructs/edge-host-records.ts';
import { HostedZone } from '../../src/constructs/hosted-zone.ts';
import { XmppSrvRecords } from '../../src/constructs/xmpp-srv-records.ts';
import { terraformOf, testStack } from '../support/synthesis.ts';

const zone = { zoneId: 'Z123', zoneName: 'contoso.com' };

describe('XmppSrvRecords', () => {
  test('one record set for STARTTLS and one for the hosts that take direct TLS', () => {
    const stack = testStack();
    const dns = new XmppSrvRecords(stack, 'Dns', {
      zone,
      domain: 'Contoso.com.',
      targets: [
        { fqdn: 'edge2.contoso.com', priority: 20, weight: 0 },
        { fqdn: 'Edge1.contoso.com', directTlsPort: 5270 },
      ],
    });
    assert.deepEqual(terraformOf(stack).resource, {
      aws_route53_record: {
        [dns.xmppServerRecord.friendlyUniqueId]: {
          name: '_xmpp-server._tcp.contoso.com',
          records: ['10 10 5269 edge1.contoso.com.', '20 0 5269 edge2.contoso.com.'],
          ttl: 300,
          type: 'SRV',
          zone_id: 'Z123',
        },
        [dns.xmppsServerRecord?.friendlyUniqueId ?? '']: {
          name: '_xmpps-server._tcp.contoso.com',
          records: ['10 10 5270 edge1.contoso.com.'],
          ttl: 300,
          type: 'SRV',
          zone_id: 'Z123',
        },
      },
    });
    assert.equal(dns.xmppServerRecord.node.path, 'test/Dns/XmppServer');
    assert.equal(dns.xmppsServerRecord?.node.path, 'test/Dns/XmppsServer');
  });

  test('a domain that is not offered says so for both services', () => {
    const stack = testStack();
    new XmppSrvRecords(stack, 'Dns', { zone, domain: 'internal.contoso.com', offered: false, ttl: 3600 });
    const records = Object.values(terraformOf(stack).resource?.aws_route53_record ?? {});
    const expected = { records: ['0 0 0 .'], ttl: 3600, type: 'SRV', zone_id: 'Z123' };
    assert.deepEqual(records, [
      { name: '_xmpp-server._tcp.internal.contoso.com', ...expected },
      { name: '_xmpps-server._tcp.internal.contoso.com', ...expected },
    ]);
  });

  test('the order of the targets does not change the output', () => {
    const targets = [{ fqdn: 'a.contoso.com' }, { fqdn: 'b.contoso.com' }, { fqdn: 'c.contoso.com', weight: 5 }];
    const [one, other] = [targets, targets.toReversed()].map((list) => {
      const stack = testStack();
      new XmppSrvRecords(stack, 'Dns', { zone, domain: 'contoso.com', targets: list });
      return terraformOf(stack);
    });
    assert.deepEqual(one, other);
  });

  test('a target may be known only after apply', () => {
    const stack = testStack();
    const fqdn = Token.asString({ Ref: 'later' });
    assert.ok(new XmppSrvRecords(stack, 'Dns', { zone, domain: 'contoso.com', targets: [{ fqdn }] }).xmppServerRecord);
  });

  const refused: [string, Omit<ConstructorParameters<typeof XmppSrvRecords>[2], 'zone'>, string][] = [
    ['no target', { domain: 'contoso.com' }, 'targets: expected at least one host, got none'],
    [
      'a target of a domain not offered',
      { domain: 'contoso.com', offered: false, targets: [{ fqdn: 'a.contoso.com' }] },
      'targets: expected no host when offered is false, got 1',
    ],
    [
      'another zone',
      { domain: 'fabrikam.com', offered: false },
      'domain: expected a name in the hosted zone contoso.com, got "fabrikam.com"',
    ],
    [
      'a name that merely ends alike',
      { domain: 'notcontoso.com', offered: false },
      'domain: expected a name in the hosted zone',
    ],
    [
      'an address as target',
      { domain: 'contoso.com', targets: [{ fqdn: '192.0.2.1' }] },
      'targets[0].fqdn: expected a domain name such as edge.contoso.com, got "192.0.2.1"',
    ],
    [
      'the same host twice',
      { domain: 'contoso.com', targets: [{ fqdn: 'a.contoso.com' }, { fqdn: 'A.contoso.com.' }] },
      'targets[1]: expected a host and port of its own, got a.contoso.com:5269, as targets[0]',
    ],
    [
      'port 0',
      { domain: 'contoso.com', targets: [{ fqdn: 'a.contoso.com', port: 0 }] },
      'targets[0].port: expected a whole number from 1 to 65535, got 0',
    ],
    [
      'a weight too big',
      { domain: 'contoso.com', targets: [{ fqdn: 'a.contoso.com', weight: 65536 }] },
      'targets[0].weight: expected a whole number from 0 to 65535, got 65536',
    ],
    ['half a second', { domain: 'contoso.com', offered: false, ttl: 0.5 }, 'ttl: expected a whole number'],
  ];
  for (const [name, props, message] of refused) {
    test(`refuses ${name}`, () => {
      const stack = testStack();
      assert.throws(
        () => new XmppSrvRecords(stack, 'Dns', { zone, ...props }),
        (error) => error instanceof DeclarationError && error.message.startsWith(`[test/Dns] ${message}`),
      );
      assert.equal(stack.node.tryFindChild('Dns'), undefined, 'nothing of it stays in the tree');
    });
  }

  test('all problems are reported at once', () => {
    const props = { zone, domain: 'x', ttl: -1, targets: [{ fqdn: '*.contoso.com', port: 70000 }] };
    assert.throws(
      () => new XmppSrvRecords(testStack(), 'Dns', props),
      (error) => error instanceof DeclarationError && error.problems.length === 4,
    );
  });
});

describe('EdgeHostRecords', () => {
  test('A and AAAA records, compared whole', () => {
    const stack = testStack();
    const host = new EdgeHostRecords(stack, 'Edge1', {
      zone,
      fqdn: 'edge1.contoso.com',
      ipv4Addresses: ['203.0.113.11', '203.0.113.10'],
      ipv6Addresses: ['2001:db8::10'],
    });
    assert.deepEqual(terraformOf(stack).resource, {
      aws_route53_record: {
        [host.aRecord?.friendlyUniqueId ?? '']: {
          name: 'edge1.contoso.com',
          records: ['203.0.113.10', '203.0.113.11'],
          ttl: 300,
          type: 'A',
          zone_id: 'Z123',
        },
        [host.aaaaRecord?.friendlyUniqueId ?? '']: {
          name: 'edge1.contoso.com',
          records: ['2001:db8::10'],
          ttl: 300,
          type: 'AAAA',
          zone_id: 'Z123',
        },
      },
    });
    assert.equal(host.aRecord?.node.path, 'test/Edge1/A');
    assert.equal(host.aaaaRecord?.node.path, 'test/Edge1/AAAA');
  });

  test('an address may be one that Terraform is about to make', () => {
    const stack = testStack();
    const address = new Eip(stack, 'Address', {});
    const host = new EdgeHostRecords(stack, 'Edge', {
      zone,
      fqdn: 'edge.contoso.com',
      ipv4Addresses: [address.publicIp],
    });
    assert.deepEqual(Object.values(terraformOf(stack).resource?.aws_route53_record ?? {})[0]?.records, [
      `\${aws_eip.${address.friendlyUniqueId}.public_ip}`,
    ]);
    assert.equal(host.aaaaRecord, undefined);
  });

  test('refuses a host without address and an address of the other family', () => {
    const make = (props: object) => () =>
      new EdgeHostRecords(testStack(), 'Edge', { zone, fqdn: 'edge.contoso.com', ...props });
    assert.throws(
      make({}),
      /^DeclarationError: \[test\/Edge\] ipv4Addresses: expected at least one IPv4 or IPv6 address, got none/,
    );
    assert.throws(
      make({ ipv4Addresses: ['2001:db8::1'] }),
      /ipv4Addresses\[0\]: expected an IPv4 address, got "2001:db8::1"/,
    );
    assert.throws(make({ ipv6Addresses: ['203.0.113.0/24'] }), /ipv6Addresses\[0\]: expected an IPv6 address/);
    assert.throws(make({ ipv4Addresses: ['010.0.0.1'] }), /ipv4Addresses\[0\]: expected an IPv4 address/);
  });
});

describe('HostedZone', () => {
  test('by attributes makes nothing', () => {
    const stack = testStack();
    const existing = HostedZone.fromHostedZoneAttributes(stack, 'Zone', { zoneId: 'Z9', zoneName: 'Contoso.com.' });
    assert.deepEqual([existing.zoneId, existing.zoneName, existing.lookup], ['Z9', 'contoso.com', undefined]);
    assert.equal(terraformOf(stack).data, undefined);
  });

  test('by name is found when Terraform plans', () => {
    const stack = testStack();
    const found = HostedZone.fromHostedZoneLookup(stack, 'Zone', {
      zoneName: 'contoso.com',
      privateZone: true,
      vpcId: 'vpc-1',
    });
    new XmppSrvRecords(stack, 'Dns', { zone: found, domain: 'contoso.com', offered: false });
    const terraform = terraformOf(stack);
    assert.deepEqual(terraform.data, {
      aws_route53_zone: {
        [found.lookup?.friendlyUniqueId ?? '']: { name: 'contoso.com', private_zone: true, vpc_id: 'vpc-1' },
      },
    });
    const record = Object.values(terraform.resource?.aws_route53_record ?? {})[0];
    assert.equal(record?.zone_id, `\${data.aws_route53_zone.${found.lookup?.friendlyUniqueId}.zone_id}`);
  });

  test('refuses a name that is none', () => {
    assert.throws(
      () => HostedZone.fromHostedZoneLookup(testStack(), 'Zone', { zoneName: '*.contoso.com' }),
      /\[test\/Zone\] zoneName: expected a domain name/,
    );
  });
});
