import { BlockList, isIPv6 } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** What the certificate of a TLS peer proves. */
export interface PeerProof {
  /** Whether its chain is trusted and it has this dNSName: no wildcards, no common name (RFC 5922 section 7.2). */
  provesHost(fqdn: string): boolean;
}

/** Judges a TLS peer once its handshake is done. */
export type PeerJudge = (socket: TLSSocket) => PeerProof;

export const NO_PROOF: PeerProof = { provesHost: () => false };

/** Node's own verdict on the chain, and the name as OpenSSL reads it from the certificate itself. */
export const judgeByNode: PeerJudge = (socket) => {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  if (certificate === undefined) return NO_PROOF;
  return {
    provesHost: (fqdn) => certificate.checkHost(fqdn, { subject: 'never', wildcards: false }) !== undefined,
  };
};

/** IP addresses and networks in CIDR form. */
export function addressList(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return (address) => list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}

/** An IPv4 address as such, also when a dual-stack socket reports it as an IPv6 one. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}
