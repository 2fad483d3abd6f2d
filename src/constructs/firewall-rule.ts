import { normalizeAddress } from '../config/sip.ts';

/** One line of the edge's firewall: one protocol, one port, one network. */
export interface FirewallRule {
  readonly direction: 'ingress' | 'egress';
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  /** Network in normal form: source of an ingress rule, destination of an egress rule. */
  readonly cidr: string;
  readonly family: 'ipv4' | 'ipv6';
  /** Why the rule is there, for the people who review it. */
  readonly purpose: string;
}

/** A network that SIP goes to or comes from. */
export interface SipFirewallPeer {
  /** Network, for example `10.0.4.0/24`. */
  readonly cidr: string;
  /**
   * Port that the request is sent to.
   * @default 5061
   */
  readonly port?: number;
  /** @default 'tcp' */
  readonly protocol?: 'tcp' | 'udp';
}

/** What an edge has to let through. Networks are in normal form (see `normalizeCidr`). */
export interface FirewallNeeds {
  readonly port: number;
  readonly directTlsPort?: number;
  readonly partnerCidrs: readonly string[];
  readonly outboundPorts: readonly number[];
  readonly resolverCidrs: readonly string[];
  readonly httpsCidrs: readonly string[];
  readonly sipNextHops: readonly Required<SipFirewallPeer>[];
  readonly sipSources: readonly Required<SipFirewallPeer>[];
}

/** All rules of an edge, each once, in a stable order. Nothing else is open, and the admin port never is. */
export function firewallRules(needs: FirewallNeeds): FirewallRule[] {
  const rules = new Map<string, FirewallRule>();
  const open = (
    direction: FirewallRule['direction'],
    protocol: FirewallRule['protocol'],
    port: number,
    cidrs: readonly string[],
    purpose: string,
  ): void => {
    for (const cidr of cidrs) {
      const rule: FirewallRule = { direction, protocol, port, cidr, family: familyOf(cidr), purpose };
      if (!rules.has(firewallRuleId(rule))) rules.set(firewallRuleId(rule), rule);
    }
  };
  open('ingress', 'tcp', needs.port, needs.partnerCidrs, 'XMPP server-to-server from partners');
  if (needs.directTlsPort !== undefined) {
    open(
      'ingress',
      'tcp',
      needs.directTlsPort,
      needs.partnerCidrs,
      'XMPP server-to-server over direct TLS from partners',
    );
  }
  for (const peer of needs.sipSources) open('ingress', peer.protocol, peer.port, [peer.cidr], 'SIP from the pool');
  for (const port of needs.outboundPorts) {
    open('egress', 'tcp', port, needs.partnerCidrs, 'XMPP server-to-server to partners');
  }
  open('egress', 'udp', 53, needs.resolverCidrs, 'DNS');
  open('egress', 'tcp', 53, needs.resolverCidrs, 'DNS over TCP for long answers');
  open('egress', 'tcp', 443, needs.httpsCidrs, 'HTTPS to configuration and secret stores');
  for (const peer of needs.sipNextHops) open('egress', peer.protocol, peer.port, [peer.cidr], 'SIP to the next hop');
  return [...rules.values()].sort((a, b) => (firewallRuleId(a) < firewallRuleId(b) ? -1 : 1));
}

/** Identity of a rule, and the id of the construct made for it. A change of it replaces the rule. */
export function firewallRuleId(rule: FirewallRule): string {
  return `${rule.direction}-${rule.protocol}-${rule.port}-${rule.cidr.replace('/', '_')}`;
}

/** Normal form of a network (`10.0.0.0/8`, `2001:db8::/32`); undefined for anything else, also with host bits set. */
export function normalizeCidr(text: string): string | undefined {
  return text.includes('/') ? normalizeAddress(text) : undefined;
}

function familyOf(cidr: string): FirewallRule['family'] {
  return cidr.includes(':') ? 'ipv6' : 'ipv4';
}
