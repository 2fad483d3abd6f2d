import type { SecureContext } from 'node:tls';
import type { Finding } from '../../config/finding.ts';
import type { Certificate } from '../pki/certificate.ts';
import { PeerTrust } from '../pki/peer-certificate.ts';
import { TrustStore } from '../pki/trust-store.ts';

/** PEM of a certificate with its chain, and of its key. */
export interface IdentityPem {
  readonly chainPem: string;
  readonly keyPem: string;
}

/** A certificate of ours, ready for use. */
export interface Identity {
  readonly certificate: Certificate;
  readonly context: SecureContext;
  readonly pem: IdentityPem;
}

/** An anchor of a partner: a file by name, or base64 of SHA-256 of a SubjectPublicKeyInfo. */
export type TrustAnchor = { readonly certificate: string } | { readonly publicKeySha256: string };

/** Certificates and trust anchors as read at one time. Never changes; a reload makes a new one. */
export class TlsGeneration {
  /** Warnings. */
  readonly findings: readonly Finding[];
  /** End of validity of each certificate, in milliseconds since 1970. */
  readonly notAfter: ReadonlyMap<string, number>;
  /** What peers are judged by in general: the authorities of the CA file. */
  readonly defaultTrust: PeerTrust;
  readonly #identities: ReadonlyMap<string, Identity>;
  readonly #anchors: ReadonlyMap<string, readonly Buffer[]>;
  readonly #trusts = new Map<string, PeerTrust>();

  /**
   * @param identities by name of the certificate
   * @param anchors DER certificates by name of the anchor file
   * @param authorities DER certificates; called on first use
   */
  constructor(
    findings: readonly Finding[],
    identities: ReadonlyMap<string, Identity>,
    anchors: ReadonlyMap<string, readonly Buffer[]>,
    authorities: () => readonly Buffer[],
  ) {
    this.findings = findings;
    this.notAfter = new Map([...identities].map(([name, { certificate }]) => [name, certificate.notAfter]));
    this.defaultTrust = new PeerTrust(new TrustStore(authorities));
    this.#identities = identities;
    this.#anchors = anchors;
  }

  /** Settings for the certificate of this name. Throws RangeError for a name that was not asked for. */
  context(certificate: string): SecureContext {
    return this.#identity(certificate).context;
  }

  /** The same as PEM, for a TLS stack that makes its own settings. Throws RangeError as {@link context} does. */
  pem(certificate: string): IdentityPem {
    return this.#identity(certificate).pem;
  }

  /**
   * What one partner is judged by: its own anchors where it has any, and then nothing else, else the default. Equal
   * lists share one object and so its remembered verdicts. Throws RangeError for a name that was not asked for.
   */
  trustFor(anchors: readonly TrustAnchor[]): PeerTrust {
    if (anchors.length === 0) return this.defaultTrust;
    const key = JSON.stringify(anchors);
    const known = this.#trusts.get(key);
    if (known !== undefined) return known;

    const certificates: Buffer[] = [];
    const pins: string[] = [];
    for (const anchor of anchors) {
      if ('publicKeySha256' in anchor) {
        pins.push(anchor.publicKeySha256);
        continue;
      }
      const read = this.#anchors.get(anchor.certificate);
      if (read === undefined) throw new RangeError(`trust anchor ${anchor.certificate} was not loaded`);
      certificates.push(...read);
    }
    const trust = new PeerTrust(new TrustStore(() => certificates, pins));
    this.#trusts.set(key, trust);
    return trust;
  }

  #identity(certificate: string): Identity {
    const identity = this.#identities.get(certificate);
    if (identity === undefined) throw new RangeError(`certificate ${certificate} was not loaded`);
    return identity;
  }
}
