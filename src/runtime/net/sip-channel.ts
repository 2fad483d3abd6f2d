import type { SecureContextOptions, TLSSocket } from 'node:tls';
import type { PeerTrust } from '../pki/peer-certificate.ts';
import type { PeerProof } from './sip-trust.ts';
import type { TlsGeneration } from './tls-files.ts';
import { sentChain } from './tls-secure.ts';

/** Our side of TLS with the pool: the certificate of this name. Peers are judged by {@link judgeSipPeer}, not by OpenSSL. */
export function sipTlsOptions(tls: TlsGeneration, certificate: string): SecureContextOptions {
  const { chainPem, keyPem } = tls.pem(certificate);
  return { cert: chainPem, key: keyPem, ca: [] };
}

/** Judges a peer of the pool like a partner: same path validation, against the authorities of the CA file. */
export function judgeSipPeer(socket: TLSSocket, trust: PeerTrust, now: number): PeerProof {
  return trust.judge(sentChain(socket), now);
}
