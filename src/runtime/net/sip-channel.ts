import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { PeerTrust } from '../pki/peer-certificate.ts';
import type { PeerProof } from './sip-trust.ts';
import type { TlsGeneration } from './tls-files.ts';
import { sentChain, tlsSettings } from './tls-secure.ts';

/** Our side of TLS with the pool: as with partners, with the certificate of this name. */
export function sipTlsOptions(tls: TlsGeneration, certificate: string): SecureContextOptions {
  return tlsSettings(tls.pem(certificate));
}

/**
 * Judges a peer of the pool like a partner: same path validation, against the authorities of the CA file.
 *
 * @param now milliseconds since 1970
 */
export function judgeSipPeer(socket: TLSSocket, trust: PeerTrust, now: number): PeerProof {
  return trust.judge(sentChain(socket), now);
}
