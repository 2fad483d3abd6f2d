import type { XmppSrvTarget } from '../../src/constructs/index.ts';

export const ENVIRONMENTS = ['dev', 'staging', 'prod'] as const;
export type Environment = (typeof ENVIRONMENTS)[number];

/** An edge host that is already there. */
export interface EdgeHost extends XmppSrvTarget {
  readonly ipv4Address: string;
  readonly ipv6Address?: string;
}

/** Everything in which the environments differ on purpose. What is not here is the same in all of them. */
export interface EnvironmentSettings {
  readonly region: string;
  readonly vpcId: string;
  /** Id of the public zone of contoso.com; without it the private zone of the VPC is looked up. */
  readonly publicZoneId?: string;
  /** Bucket for Terraform's state; without it the state is a local file. */
  readonly stateBucket?: string;
  readonly edgeHosts: readonly EdgeHost[];
  /** Front ends of the SIP pool, best first. */
  readonly sipNextHops: readonly string[];
  readonly sipNetwork: string;
  /** Networks that partners come from; without it any. */
  readonly partnerNetworks?: readonly string[];
}

export const SETTINGS: Record<Environment, EnvironmentSettings> = {
  dev: {
    region: 'eu-central-1',
    vpcId: 'vpc-0de0000000000001',
    edgeHosts: [{ fqdn: 'edge1.contoso.com', ipv4Address: '10.10.1.10' }],
    sipNextHops: ['pool01.contoso.com'],
    sipNetwork: '10.10.4.0/24',
    partnerNetworks: ['10.10.0.0/16'],
  },
  staging: {
    region: 'eu-central-1',
    vpcId: 'vpc-05a0000000000001',
    stateBucket: 'contoso-terraform-staging',
    edgeHosts: [{ fqdn: 'edge1.contoso.com', ipv4Address: '10.20.1.10', directTlsPort: 5270 }],
    sipNextHops: ['pool01.contoso.com'],
    sipNetwork: '10.20.4.0/24',
    partnerNetworks: ['10.20.0.0/16', '198.51.100.0/24'],
  },
  prod: {
    region: 'eu-central-1',
    vpcId: 'vpc-0b00000000000001',
    publicZoneId: 'Z0123456789CONTOSO',
    stateBucket: 'contoso-terraform-prod',
    edgeHosts: [
      { fqdn: 'edge1.contoso.com', ipv4Address: '203.0.113.10', ipv6Address: '2001:db8:10::10', directTlsPort: 5270 },
      { fqdn: 'edge2.contoso.com', ipv4Address: '203.0.113.11', ipv6Address: '2001:db8:10::11', directTlsPort: 5270 },
      // The second site takes over when neither of the first answers.
      { fqdn: 'edge3.contoso.com', ipv4Address: '203.0.113.74', directTlsPort: 5270, priority: 20 },
    ],
    sipNextHops: ['pool01.contoso.com', 'pool02.contoso.com'],
    sipNetwork: '10.30.4.0/24',
  },
};
