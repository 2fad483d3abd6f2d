// In a project of your own: from 'cdktf-xmpp-federation'.
import { AwsProvider } from '@cdktf/provider-aws/lib/provider/index.js';
import { type App, S3Backend, TerraformStack } from 'cdktf';
import {
  EdgeFirewall,
  EdgeHostRecords,
  HostedZone,
  type IHostedZone,
  XmppFederation,
  XmppSrvRecords,
} from '../../src/constructs/index.ts';
import { type Environment, type EnvironmentSettings, SETTINGS } from './environments.ts';
import { partnersOf } from './partners.ts';

const DOMAIN = 'contoso.com';

/** The federation edge of contoso.com in one environment, as a stack of its own with that environment's name. */
export function buildContoso(app: App, environment: Environment): TerraformStack {
  const settings = SETTINGS[environment];
  const stack = new TerraformStack(app, environment);
  new AwsProvider(stack, 'aws', {
    region: settings.region,
    defaultTags: [{ tags: { application: 'xmpp-federation', environment } }],
  });
  if (settings.stateBucket !== undefined) {
    const key = 'xmpp-federation/terraform.tfstate';
    new S3Backend(stack, { bucket: settings.stateBucket, key, region: settings.region, encrypt: true });
  }

  declareFederation(stack, environment, settings);
  declareDns(stack, settings);
  declareFirewall(stack, settings);
  return stack;
}

function declareFederation(stack: TerraformStack, environment: Environment, settings: EnvironmentSettings): void {
  const federation = new XmppFederation(stack, 'Federation', {
    environment,
    domains: [{ domain: DOMAIN }],
    accessEdgeConfiguration: { allowFederatedUsers: true },
    sip: {
      nextHops: settings.sipNextHops.map((fqdn, index) => ({ fqdn, port: 5061, priority: 10 * (index + 1) })),
      trustedTlsNames: settings.sipNextHops,
    },
  });
  for (const partner of partnersOf(environment)) federation.addPartner(partner);

  // Nobody may use XMPP unless a policy of the site or of the user says so.
  federation.addAccessPolicy({ identity: 'global', description: 'Closed.' });
  federation.addSite({ name: 'Redmond', users: ['rd-*@contoso.com'] });
  federation.addAccessPolicy({
    identity: 'site:Redmond',
    description: 'Research and development works with the partners every day.',
    enableFederationAccess: true,
    enableXmppAccess: true,
  });
  const sales = federation.addAccessPolicy({
    identity: 'FederatedSales',
    description: 'Sales, and whoever is granted it by name.',
    enableFederationAccess: true,
    enableXmppAccess: true,
  });
  federation.grant(sales, ['alice@contoso.com', 'sales-*@contoso.com']);
}

function declareDns(stack: TerraformStack, settings: EnvironmentSettings): void {
  const zone = zoneOf(stack, settings);
  for (const { fqdn, ipv4Address, ipv6Address } of settings.edgeHosts) {
    new EdgeHostRecords(stack, `Host-${fqdn}`, {
      zone,
      fqdn,
      ipv4Addresses: [ipv4Address],
      ipv6Addresses: ipv6Address === undefined ? [] : [ipv6Address],
    });
  }
  new XmppSrvRecords(stack, 'Srv-contoso.com', { zone, domain: DOMAIN, targets: settings.edgeHosts });
  // Test accounts are nobody's business: partners that try are told that there is no service.
  new XmppSrvRecords(stack, 'Srv-test.contoso.com', { zone, domain: 'test.contoso.com', offered: false });
}

function zoneOf(stack: TerraformStack, { publicZoneId, vpcId }: EnvironmentSettings): IHostedZone {
  if (publicZoneId !== undefined) {
    return HostedZone.fromHostedZoneAttributes(stack, 'Zone', { zoneId: publicZoneId, zoneName: DOMAIN });
  }
  return HostedZone.fromHostedZoneLookup(stack, 'Zone', { zoneName: DOMAIN, privateZone: true, vpcId });
}

function declareFirewall(stack: TerraformStack, settings: EnvironmentSettings): void {
  const hasDirectTls = settings.edgeHosts.some((host) => host.directTlsPort !== undefined);
  new EdgeFirewall(stack, 'Firewall', {
    vpcId: settings.vpcId,
    ...(hasDirectTls ? { directTlsPort: 5270 } : {}),
    ...(settings.partnerNetworks === undefined ? {} : { partnerCidrs: settings.partnerNetworks }),
    sipNextHops: [{ cidr: settings.sipNetwork, port: 5061 }],
    sipSources: [{ cidr: settings.sipNetwork, port: 5061 }],
    tags: { Name: 'xmpp-edge' },
  });
}
