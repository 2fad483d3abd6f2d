import { Route53Record } from '@cdktf/provider-aws/lib/route53-record/index.js';
import { Construct } from 'constructs';
import { childPath, refuse } from './declaration-error.ts';
import type { IHostedZone } from './hosted-zone.ts';
import { checkAddress, checkDomain, checkInsideZone, checkTtl, normalForm } from './option-checks.ts';

export interface EdgeHostRecordsProps {
  /** Zone that the records go to. */
  readonly zone: IHostedZone;
  /** Name of the edge host, for example `edge1.contoso.com`. */
  readonly fqdn: string;
  /**
   * IPv4 addresses. May be Tokens (an elastic IP made in the same stack).
   * @default - no A record
   */
  readonly ipv4Addresses?: readonly string[];
  /**
   * IPv6 addresses. May be Tokens.
   * @default - no AAAA record
   */
  readonly ipv6Addresses?: readonly string[];
  /**
   * Time to live, in seconds.
   * @default 300
   */
  readonly ttl?: number;
}

/** A and AAAA records of one edge host. SRV records name hosts by these, never by a CNAME (RFC 2782). */
export class EdgeHostRecords extends Construct {
  /** Name of the edge host: what an SRV target says. */
  readonly fqdn: string;
  readonly aRecord?: Route53Record;
  readonly aaaaRecord?: Route53Record;

  constructor(scope: Construct, id: string, props: EdgeHostRecordsProps) {
    const { zone, fqdn, ipv4Addresses = [], ipv6Addresses = [], ttl = 300 } = props;
    refuse(childPath(scope, id), [
      ...checkDomain('fqdn', fqdn),
      ...checkInsideZone('fqdn', fqdn, zone.zoneName),
      ...ipv4Addresses.flatMap((address, index) => checkAddress(`ipv4Addresses[${index}]`, address, 'ipv4')),
      ...ipv6Addresses.flatMap((address, index) => checkAddress(`ipv6Addresses[${index}]`, address, 'ipv6')),
      ...checkTtl('ttl', ttl),
      ...(ipv4Addresses.length + ipv6Addresses.length > 0
        ? []
        : [{ option: 'ipv4Addresses', message: 'expected at least one IPv4 or IPv6 address, got none' }]),
    ]);
    super(scope, id);
    this.fqdn = normalForm(fqdn);
    const record = (name: string, type: string, addresses: readonly string[]): Route53Record =>
      new Route53Record(this, name, {
        zoneId: zone.zoneId,
        name: this.fqdn,
        type,
        ttl,
        records: [...addresses].sort(),
      });
    if (ipv4Addresses.length > 0) this.aRecord = record('A', 'A', ipv4Addresses);
    if (ipv6Addresses.length > 0) this.aaaaRecord = record('AAAA', 'AAAA', ipv6Addresses);
  }
}
