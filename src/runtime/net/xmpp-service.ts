import { randomInt } from 'node:crypto';
import { normalizeDomain } from '../../config/domain.ts';
import type { DialTarget } from './dial.ts';
import type { SrvRecord } from './dns-message.ts';
import type { DnsAnswer, Resolver } from './dns-resolver.ts';
import { GatewayError } from './gateway-error.ts';
import { orderSrv } from './srv-order.ts';

/** Where a domain's XMPP server can be reached. */
export interface XmppTarget extends DialTarget {
  /** TLS from the first byte (XEP-0368) instead of STARTTLS. */
  readonly directTls: boolean;
  readonly origin: 'override' | 'srv' | 'domain';
  /** Whether the SRV answer was validated by DNSSEC. */
  readonly authenticated: boolean;
}

export interface XmppServiceOptions {
  /** The configured next hop of a partner: used instead of SRV, and allowed to be a private address. */
  readonly override?: { readonly fqdn: string; readonly port: number; readonly directTls: boolean } | undefined;
  /** @default false */
  readonly allowPrivateAddresses?: boolean;
  /**
   * `mixed` follows the priorities and weights of both services as one set (XEP-0368); `preferred` takes direct TLS
   * first within a priority; `never` is for partners with whom TLS is not supported.
   * @default 'mixed'
   */
  readonly directTls?: 'mixed' | 'preferred' | 'never';
  readonly signal?: AbortSignal;
  /** For {@link orderSrv}. */
  readonly random?: (max: number) => number;
}

const S2S_PORT = 5269;
const MAX_TARGETS = 16;

/**
 * Finds the targets for server-to-server connections to a domain, in the order to try them; at least one.
 *
 * Throws GatewayError: `dns-no-service` when the domain says that it has none, `dns-timeout` or `dns-failure` when
 * nothing could be found out: then the domain's own address is not tried either, a later attempt may find the truth.
 *
 * @param domain normal form
 */
export async function lookUpXmppService(
  domain: string,
  resolver: Resolver,
  options: XmppServiceOptions = {},
): Promise<readonly XmppTarget[]> {
  const { override, signal, directTls = 'mixed' } = options;
  if (override !== undefined) {
    const { fqdn: name, port } = override;
    return [
      { name, port, directTls: override.directTls, origin: 'override', authenticated: false, mayBePrivate: true },
    ];
  }
  const mayBePrivate = options.allowPrivateAddresses ?? false;
  const [starttls, direct] = await Promise.all([
    resolver.resolve(`_xmpp-server._tcp.${domain}`, 'SRV', signal),
    directTls === 'never' ? NO_RECORDS : resolver.resolve(`_xmpps-server._tcp.${domain}`, 'SRV', signal),
  ]);
  const targets = [...targetsOf(starttls, false, mayBePrivate), ...targetsOf(direct, true, mayBePrivate)];
  if (targets.length > 0) {
    const random = options.random ?? ((max: number) => randomInt(max + 1));
    const ordered = orderSrv(targets, random);
    if (directTls === 'preferred') {
      ordered.sort((one, other) => one.priority - other.priority || Number(other.directTls) - Number(one.directTls));
    }
    return ordered.slice(0, MAX_TARGETS);
  }

  for (const answer of [starttls, direct]) {
    if (answer.outcome === 'timeout') throw new GatewayError('dns-timeout', { message: `no answer about ${domain}` });
    if (answer.outcome === 'servfail')
      throw new GatewayError('dns-failure', { message: `name servers fail for ${domain}` });
  }
  // Records without a usable target, `.` above all, say "no": RFC 6120 section 3.2.1 falls back only without records.
  if (starttls.outcome === 'found' || direct.outcome === 'found') {
    throw new GatewayError('dns-no-service', { message: `${domain} offers no XMPP service` });
  }
  return [{ name: domain, port: S2S_PORT, directTls: false, origin: 'domain', authenticated: false, mayBePrivate }];
}

const NO_RECORDS: DnsAnswer<SrvRecord> = { outcome: 'nodata', ttl: 0, authenticated: false };

type SrvTarget = XmppTarget & { readonly priority: number; readonly weight: number };

function targetsOf(answer: DnsAnswer<SrvRecord>, directTls: boolean, mayBePrivate: boolean): SrvTarget[] {
  if (answer.outcome !== 'found') return [];
  const { authenticated } = answer;
  const targets: SrvTarget[] = [];
  for (const { priority, weight, port, target } of answer.records) {
    // A target is a host name: `.` means no service, and an address in its place is not for us to guess at.
    const name = normalizeDomain(target);
    if (port === 0 || name === undefined) continue;
    targets.push({ name, port, directTls, origin: 'srv', authenticated, mayBePrivate, priority, weight });
  }
  return targets;
}
