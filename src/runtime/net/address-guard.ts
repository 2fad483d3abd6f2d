import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';

/** An address and port this process listens on. */
export interface Endpoint {
  /** IPv4 or IPv6 literal; `0.0.0.0` and `::` mean every address of the machine. */
  readonly address: string;
  readonly port: number;
}

const LOCAL_NAT64 = ipaddr.parseCIDR('64:ff9b:1::/48');

/**
 * Whether an address found in DNS may be dialled: global unicast only. Not private, loopback, link-local, shared,
 * multicast, documentation, or a tunnel to one of these.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 0) return false;
  const parsed = ipaddr.process(address); // an IPv4-mapped address counts as what it maps
  const range = parsed.range();
  // RFC 6052: NAT64 reaches the IPv4 address in the last 32 bits.
  if (range === 'rfc6052') return isPublicAddress(parsed.toByteArray().slice(12).join('.'));
  if (parsed.kind() === 'ipv6' && parsed.match(LOCAL_NAT64)) return false;
  return range === 'unicast';
}

/** Tells whether dialling an address and port would reach one of our own listeners. */
export function ownEndpoints(
  listeners: readonly Endpoint[],
  interfaces: NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces(),
): (address: string, port: number) => boolean {
  const local = Object.values(interfaces).flatMap((list) => (list ?? []).map(({ address }) => address));
  const own = new Set<string>();
  for (const { address, port } of listeners) {
    const isWildcard = address === '0.0.0.0' || address === '::';
    for (const each of isWildcard ? [...local, '127.0.0.1', '::1'] : [address])
      own.add(`${port} ${canonicalAddress(each)}`);
  }
  return (address, port) => own.has(`${port} ${canonicalAddress(address)}`);
}

function canonicalAddress(address: string): string {
  const bare = address.split('%', 1)[0] ?? '';
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : address;
}
