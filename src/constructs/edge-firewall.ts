import { SecurityGroup } from '@cdktf/provider-aws/lib/security-group/index.js';
import { VpcSecurityGroupEgressRule } from '@cdktf/provider-aws/lib/vpc-security-group-egress-rule/index.js';
import { VpcSecurityGroupIngressRule } from '@cdktf/provider-aws/lib/vpc-security-group-ingress-rule/index.js';
import { Annotations, Token } from 'cdktf';
import { Construct } from 'constructs';
import { showText } from '../config/finding.ts';
import { childPath, type DeclarationProblem, refuse } from './declaration-error.ts';
import {
  type FirewallRule,
  firewallRuleId,
  firewallRules,
  normalizeCidr,
  type SipFirewallPeer,
} from './firewall-rule.ts';
import { checkPort } from './option-checks.ts';

export interface EdgeFirewallProps {
  /**
   * VPC that the security group is made in.
   * @default - none, which is allowed only when `securityGroupId` brings a security group
   */
  readonly vpcId?: string;
  /**
   * Existing security group that the rules are added to. Rules it already has stay.
   * @default - a security group of its own, with no rules but these
   */
  readonly securityGroupId?: string;
  /**
   * Port that partners open streams to.
   * @default 5269
   */
  readonly port?: number;
  /**
   * Port of the direct TLS listener (XEP-0368).
   * @default - not opened
   */
  readonly directTlsPort?: number;
  /**
   * Networks that partners connect from and are reached at.
   * @default - any (`0.0.0.0/0` and `::/0`)
   */
  readonly partnerCidrs?: readonly string[];
  /**
   * Ports that partners are reached at.
   * @default - 5269, and the direct TLS port when there is one
   */
  readonly outboundPorts?: readonly number[];
  /**
   * Networks of the DNS resolvers.
   * @default - any
   */
  readonly resolverCidrs?: readonly string[];
  /**
   * Networks reached on port 443: where configuration and secrets are read.
   * @default - any
   */
  readonly httpsCidrs?: readonly string[];
  /**
   * Networks that SIP is sent to.
   * @default - none
   */
  readonly sipNextHops?: readonly SipFirewallPeer[];
  /**
   * Networks that SIP is accepted from; the port is the gateway's own.
   * @default - none
   */
  readonly sipSources?: readonly SipFirewallPeer[];
  /**
   * Tags of the security group that is made.
   * @default - none of its own
   */
  readonly tags?: Record<string, string>;
}

const ANYWHERE = ['0.0.0.0/0', '::/0'];
/** Default quota of a security group, for each direction and address family. */
const RULE_QUOTA = 60;

/** Security group of the edge: one rule resource for each protocol, port and network, so that a plan shows each alone. */
export class EdgeFirewall extends Construct {
  readonly securityGroupId: string;
  /** Absent when an existing security group was brought. */
  readonly securityGroup?: SecurityGroup;
  readonly ingressRules: readonly VpcSecurityGroupIngressRule[];
  readonly egressRules: readonly VpcSecurityGroupEgressRule[];
  /** The same rules as plain values. */
  readonly rules: readonly FirewallRule[];

  constructor(scope: Construct, id: string, props: EdgeFirewallProps) {
    refuse(childPath(scope, id), checkProps(props));
    super(scope, id);
    this.rules = firewallRules(needsOf(props));
    if (props.securityGroupId === undefined) {
      this.securityGroup = new SecurityGroup(this, 'Resource', {
        namePrefix: 'xmpp-edge-',
        description: 'XMPP federation edge',
        ...(props.vpcId === undefined ? {} : { vpcId: props.vpcId }),
        ...(props.tags === undefined ? {} : { tags: props.tags }),
        // A changed group is made before the old one goes: instances cannot be without one.
        lifecycle: { createBeforeDestroy: true },
      });
      this.securityGroupId = this.securityGroup.id;
    } else {
      this.securityGroupId = props.securityGroupId;
    }
    this.ingressRules = this.rules
      .filter((rule) => rule.direction === 'ingress')
      .map(
        (rule) => new VpcSecurityGroupIngressRule(this, firewallRuleId(rule), ruleConfig(this.securityGroupId, rule)),
      );
    this.egressRules = this.rules
      .filter((rule) => rule.direction === 'egress')
      .map(
        (rule) => new VpcSecurityGroupEgressRule(this, firewallRuleId(rule), ruleConfig(this.securityGroupId, rule)),
      );
    warnAboutQuota(this, this.rules);
  }
}

function ruleConfig(securityGroupId: string, rule: FirewallRule) {
  return {
    securityGroupId,
    description: rule.purpose,
    ipProtocol: rule.protocol,
    fromPort: rule.port,
    toPort: rule.port,
    ...(rule.family === 'ipv4' ? { cidrIpv4: rule.cidr } : { cidrIpv6: rule.cidr }),
  };
}

function needsOf(props: EdgeFirewallProps) {
  const { port = 5269, directTlsPort, outboundPorts } = props;
  const networks = (cidrs: readonly string[] = ANYWHERE): string[] => cidrs.map((cidr) => normalizeCidr(cidr) ?? cidr);
  const peers = (list: readonly SipFirewallPeer[] = []): Required<SipFirewallPeer>[] =>
    list.map((peer) => ({
      cidr: normalizeCidr(peer.cidr) ?? peer.cidr,
      port: peer.port ?? 5061,
      protocol: peer.protocol ?? 'tcp',
    }));
  return {
    port,
    ...(directTlsPort === undefined ? {} : { directTlsPort }),
    partnerCidrs: networks(props.partnerCidrs),
    outboundPorts: outboundPorts ?? (directTlsPort === undefined ? [5269] : [5269, directTlsPort]),
    resolverCidrs: networks(props.resolverCidrs),
    httpsCidrs: networks(props.httpsCidrs),
    sipNextHops: peers(props.sipNextHops),
    sipSources: peers(props.sipSources),
  };
}

function checkProps(props: EdgeFirewallProps): DeclarationProblem[] {
  const { vpcId, securityGroupId, port, directTlsPort } = props;
  const cidrs = (option: string, list: readonly string[] = []) =>
    list.flatMap((cidr, index) => checkCidr(`${option}[${index}]`, cidr));
  const peers = (option: string, list: readonly SipFirewallPeer[] = []) =>
    list.flatMap((peer, index) => [
      ...checkCidr(`${option}[${index}].cidr`, peer.cidr),
      ...(peer.port === undefined ? [] : checkPort(`${option}[${index}].port`, peer.port)),
    ]);
  return [
    ...((vpcId === undefined) === (securityGroupId === undefined)
      ? [
          {
            option: 'vpcId',
            message: `expected one of vpcId and securityGroupId, got ${vpcId === undefined ? 'neither' : 'both'}`,
          },
        ]
      : []),
    ...(port === undefined ? [] : checkPort('port', port)),
    ...(directTlsPort === undefined ? [] : checkPort('directTlsPort', directTlsPort)),
    ...cidrs('partnerCidrs', props.partnerCidrs),
    ...(props.outboundPorts ?? []).flatMap((value, index) => checkPort(`outboundPorts[${index}]`, value)),
    ...cidrs('resolverCidrs', props.resolverCidrs),
    ...cidrs('httpsCidrs', props.httpsCidrs),
    ...peers('sipNextHops', props.sipNextHops),
    ...peers('sipSources', props.sipSources),
  ];
}

function checkCidr(option: string, value: string): DeclarationProblem[] {
  if (Token.isUnresolved(value)) {
    // A rule's id and its review both need the network itself.
    const message =
      'expected a network known when the app runs, got a Token; add a rule of your own to securityGroupId';
    return [{ option, message }];
  }
  if (normalizeCidr(value) !== undefined) return [];
  const message = `expected a network such as 203.0.113.0/24 or 2001:db8::/32 without host bits, got ${showText(value)}`;
  return [{ option, message }];
}

function warnAboutQuota(firewall: Construct, rules: readonly FirewallRule[]): void {
  for (const direction of ['ingress', 'egress'] as const) {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const count = rules.filter((rule) => rule.direction === direction && rule.family === family).length;
      if (count <= RULE_QUOTA) continue;
      const advice = 'join networks, or ask AWS for a higher quota';
      Annotations.of(firewall).addWarning(
        `${count} ${family} ${direction} rules; AWS allows ${RULE_QUOTA} by default: ${advice}`,
      );
    }
  }
}
