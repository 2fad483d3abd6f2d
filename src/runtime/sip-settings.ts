import { hostname, networkInterfaces } from 'node:os';
import { normalizeDomain, type SipConfiguration } from '../config/index.ts';
import type { HostSettings } from './settings.ts';
import type { SipListener } from './sip-endpoint.ts';

/** RFC 3428 section 8: what a MESSAGE may have where there is no congestion control. */
const UDP_REQUEST_LIMIT = 1_300;
const ORDINARY_HOST = 64;

/** The SIP side of the configuration, with the next hops of this host where it has any. */
export function effectiveSip(sip: SipConfiguration, { sipNextHops }: HostSettings): SipConfiguration {
  if (sipNextHops.length === 0) return sip;
  const nextHops = sipNextHops.map((hop, i) => ({ ...hop, priority: 10 * (i + 1), weight: 10, useSrv: false }));
  return { ...sip, nextHops };
}

/**
 * Bytes of the largest request that every next hop can take; undefined for no limit. Translation reckons with a Via of
 * ordinary length: what it lets through must not be refused further on, or a refusal would tell that a user exists.
 *
 * @param host this host in SIP headers
 */
export function largestRequest({ nextHops }: SipConfiguration, host = ''): number | undefined {
  if (!nextHops.some(({ transport }) => transport === 'udp')) return undefined;
  return UDP_REQUEST_LIMIT - Math.max(0, host.length - ORDINARY_HOST);
}

/**
 * Addresses to listen on. Every address means IPv6 and IPv4 for TCP and TLS; for UDP it means IPv4, because one socket
 * of both families could not answer from the address it was asked at.
 */
export function sipListeners(
  { sipListen }: HostSettings,
  hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ family }) => family === 'IPv6') === true),
): readonly SipListener[] {
  const every = hasIpv6 ? '::' : '0.0.0.0';
  return sipListen.map(({ transport, address, port }) => ({
    transport,
    address: address ?? (transport === 'udp' ? '0.0.0.0' : every),
    port,
  }));
}

/**
 * What SIP headers call this host; undefined where every listener has an address for that.
 *
 * @param domain to fall back on when the name of the host is not one
 */
export function sipHost(
  { sipHost: set, sipListen }: HostSettings,
  domain: string | undefined,
  name = hostname(),
): string | undefined {
  if (set !== undefined) return set;
  const isAnywhere = sipListen.some(({ address }) => address === undefined || isUnspecified(address));
  return isAnywhere ? (normalizeDomain(name) ?? domain) : undefined;
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}
