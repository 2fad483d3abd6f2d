import { DataAwsRoute53Zone } from '@cdktf/provider-aws/lib/data-aws-route53-zone/index.js';
import { Construct } from 'constructs';
import { childPath, refuse } from './declaration-error.ts';
import { checkDomain, normalForm } from './option-checks.ts';

/** A Route 53 hosted zone that records go to. Anything with these two members will do. */
export interface IHostedZone {
  /** Route 53 id of the zone. May be a Token. */
  readonly zoneId: string;
  /** Domain name of the zone, for example `contoso.com`. */
  readonly zoneName: string;
}

export interface HostedZoneAttributes {
  /** Route 53 id of the zone. May be a Token. */
  readonly zoneId: string;
  /** Domain name of the zone, for example `contoso.com`. */
  readonly zoneName: string;
}

export interface HostedZoneLookup {
  /** Domain name of the zone, for example `contoso.com`. */
  readonly zoneName: string;
  /**
   * Whether to look for a private zone.
   * @default false
   */
  readonly privateZone?: boolean;
  /**
   * VPC that a private zone belongs to, when several private zones have the name.
   * @default - any
   */
  readonly vpcId?: string;
}

/** An existing hosted zone, known by its attributes or found by name when Terraform plans. */
export class HostedZone extends Construct implements IHostedZone {
  readonly zoneId: string;
  readonly zoneName: string;
  /** The data source that finds the zone; absent when its attributes were given. */
  readonly lookup?: DataAwsRoute53Zone;

  private constructor(scope: Construct, id: string, zone: HostedZoneAttributes | HostedZoneLookup) {
    refuse(childPath(scope, id), checkDomain('zoneName', zone.zoneName));
    super(scope, id);
    this.zoneName = normalForm(zone.zoneName);
    if ('zoneId' in zone) {
      this.zoneId = zone.zoneId;
      return;
    }
    this.lookup = new DataAwsRoute53Zone(this, 'Resource', {
      name: this.zoneName,
      privateZone: zone.privateZone ?? false,
      ...(zone.vpcId === undefined ? {} : { vpcId: zone.vpcId }),
    });
    this.zoneId = this.lookup.zoneId;
  }

  static fromHostedZoneAttributes(scope: Construct, id: string, attributes: HostedZoneAttributes): HostedZone {
    return new HostedZone(scope, id, attributes);
  }

  /** Found by a Terraform data source: synthesis needs no network and no credentials. */
  static fromHostedZoneLookup(scope: Construct, id: string, lookup: HostedZoneLookup): HostedZone {
    return new HostedZone(scope, id, lookup);
  }
}
