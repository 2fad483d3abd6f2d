import { type Certificate, readCertificate } from './certificate.ts';

interface AnchorIndex {
  readonly bySubject: ReadonlyMap<string, readonly Certificate[]>;
  readonly fingerprints: ReadonlySet<string>;
}

/**
 * What a peer's certificate is measured against. Anchors may be authorities or single certificates: an end-entity
 * certificate that is itself an anchor is trusted as it is, which is how a self-signed partner is allowed on purpose.
 * The same goes for a pinned public key, which also survives a renewal of the certificate around it.
 */
export class TrustStore {
  readonly #source: () => readonly Buffer[];
  readonly #pins: ReadonlySet<string>;
  #index: AnchorIndex | undefined;

  /**
   * @param anchors DER certificates; called on first use, so that the 140 of the public authorities cost nothing at start.
   * Malformed ones are left out.
   * @param publicKeySha256 base64 of SHA-256 of SubjectPublicKeyInfo
   */
  constructor(anchors: () => readonly Buffer[], publicKeySha256: readonly string[] = []) {
    this.#source = anchors;
    this.#pins = new Set(publicKeySha256);
  }

  /** Anchors that may have issued a certificate with this issuer name. */
  issuers(issuer: Buffer): readonly Certificate[] {
    return this.#load().bySubject.get(issuer.toString('latin1')) ?? [];
  }

  /** Whether the certificate itself, or its public key, is trusted without looking at its issuer. */
  trustsDirectly(certificate: Certificate): boolean {
    return this.#pins.has(certificate.publicKeySha256) || this.#load().fingerprints.has(certificate.fingerprintSha256);
  }

  #load(): AnchorIndex {
    if (this.#index !== undefined) return this.#index;
    const bySubject = new Map<string, Certificate[]>();
    const fingerprints = new Set<string>();
    for (const der of this.#source()) {
      const anchor = readCertificate(der);
      if (anchor === undefined || fingerprints.has(anchor.fingerprintSha256)) continue;
      fingerprints.add(anchor.fingerprintSha256);
      const subject = anchor.subject.toString('latin1');
      const same = bySubject.get(subject);
      if (same === undefined) bySubject.set(subject, [anchor]);
      else same.push(anchor);
    }
    this.#index = { bySubject, fingerprints };
    return this.#index;
  }
}
