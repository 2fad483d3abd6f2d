import { Route53Record } from '@cdktf/provider-aws/lib/route53-record/index.js';
import { Construct } from 'constructs';
import { childPath, type DeclarationProblem, refuse } from './declaration-error.ts';
import type { IHostedZone } from './hosted-zone.ts';
import { checkDomain, checkInsideZone, checkPort, checkTtl, checkWholeNumber, normalForm } from './option-checks.ts';

/** A host that partners may connect to. */
export interface XmppSrvTarget {
  /** Name of the edge host. Must have A or AAAA records; a CNAME is not allowed (RFC 2782). May be a Token. */
  readonly fqdn: string;
  /**
   * Port for streams that start in the clear and are secured with STARTTLS.
   * @default 5269
   */
  readonly port?: number;
  /**
   * Port for streams inside TLS from the first byte (XEP-0368).
   * @default - no direct TLS at this host
   */
  readonly directTlsPort?: number;
  /**
   * Hosts with the lowest number are tried first.
   * @default 10
   */
  readonly priority?: number;
  /**
   * Share of the connections among hosts of the same priority.
   * @default 10
   */
  readonly weight?: number;
}

export interface XmppSrvRecordsProps {
  /** Zone that the records go to. */
  readonly zone: IHostedZone;
  /** Served domain, for example `contoso.com`. */
  readonly domain: string;
  /**
   * Hosts that partners connect to.
   * @default - none, which is allowed only when the domain is not offered
   */
  readonly targets?: readonly XmppSrvTarget[];
  /**
   * Whether the domain is offered for federation. When it is not, the records say so (target `.`, RFC 2782), so that
   * partners give up at once and do not try the domain's own address.
   * @default true
   */
  readonly offered?: boolean;
  /**
   * Time to live, in seconds.
   * @default 300
   */
  readonly ttl?: number;
}

const NOT_OFFERED = '0 0 0 .';

/** `_xmpp-server._tcp` (RFC 6120 3.2.1) and `_xmpps-server._tcp` (XEP-0368) SRV records of one served domain. */
export class XmppSrvRecords extends Construct {
  readonly xmppServerRecord: Route53Record;
  /** Absent when no target has a `directTlsPort` and the domain is offered. */
  readonly xmppsServerRecord?: Route53Record;

  constructor(scope: Construct, id: string, props: XmppSrvRecordsProps) {
    const { zone, domain, targets = [], offered = true, ttl = 300 } = props;
    refuse(childPath(scope, id), [
      ...checkDomain('domain', domain),
      ...checkInsideZone('domain', domain, zone.zoneName),
      ...checkTtl('ttl', ttl),
      ...targets.flatMap((target, index) => checkTarget(`targets[${index}]`, target)),
      ...checkDistinct(targets),
      ...checkOffered(offered, targets),
    ]);
    super(scope, id);
    const record = (name: string, service: string, records: string[]): Route53Record =>
      new Route53Record(this, name, {
        zoneId: zone.zoneId,
        name: `${service}._tcp.${normalForm(domain)}`,
        type: 'SRV',
        ttl,
        records,
      });
    const direct = targets.filter((target) => target.directTlsPort !== undefined);
    this.xmppServerRecord = record(
      'XmppServer',
      '_xmpp-server',
      offered ? targets.map((target) => formatTarget(target, target.port ?? 5269)).sort() : [NOT_OFFERED],
    );
    if (!offered || direct.length > 0) {
      this.xmppsServerRecord = record(
        'XmppsServer',
        '_xmpps-server',
        offered ? direct.map((target) => formatTarget(target, target.directTlsPort ?? 5270)).sort() : [NOT_OFFERED],
      );
    }
  }
}

/** RFC 2782: priority, weight, port, target. The last dot keeps a resolver from appending a search domain. */
function formatTarget(target: XmppSrvTarget, port: number): string {
  return `${target.priority ?? 10} ${target.weight ?? 10} ${port} ${normalForm(target.fqdn)}.`;
}

function checkTarget(option: string, target: XmppSrvTarget): DeclarationProblem[] {
  return [
    ...checkDomain(`${option}.fqdn`, target.fqdn),
    ...(target.port === undefined ? [] : checkPort(`${option}.port`, target.port)),
    ...(target.directTlsPort === undefined ? [] : checkPort(`${option}.directTlsPort`, target.directTlsPort)),
    ...(target.priority === undefined ? [] : checkWholeNumber(`${option}.priority`, target.priority, 0, 65535)),
    ...(target.weight === undefined ? [] : checkWholeNumber(`${option}.weight`, target.weight, 0, 65535)),
  ];
}

function checkDistinct(targets: readonly XmppSrvTarget[]): DeclarationProblem[] {
  const seen = new Map<string, number>();
  return targets.flatMap(({ fqdn, port = 5269 }, index) => {
    const key = `${normalForm(fqdn)}:${port}`;
    const first = seen.get(key);
    if (first === undefined) {
      seen.set(key, index);
      return [];
    }
    return [
      { option: `targets[${index}]`, message: `expected a host and port of its own, got ${key}, as targets[${first}]` },
    ];
  });
}

function checkOffered(offered: boolean, targets: readonly XmppSrvTarget[]): DeclarationProblem[] {
  if (offered === targets.length > 0) return [];
  const message = offered
    ? 'expected at least one host, got none; to say that the domain is not offered, set offered: false'
    : `expected no host when offered is false, got ${targets.length}`;
  return [{ option: 'targets', message }];
}
