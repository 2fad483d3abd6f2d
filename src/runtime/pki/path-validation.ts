import { hasStrongSignature, isSignedBy, strongPublicKey } from './algorithms.ts';
import { type Certificate, KEY_USAGE, readCertificate } from './certificate.ts';
import { type ComparisonBudget, isWithin } from './name-constraints.ts';
import type { TrustStore } from './trust-store.ts';

export type PathFailure =
  | 'malformed'
  | 'too-long'
  | 'expired'
  | 'not-yet-valid'
  | 'self-signed'
  | 'unknown-issuer'
  | 'bad-signature'
  | 'not-a-ca'
  | 'path-length'
  | 'name-constraints'
  | 'eku'
  | 'key-usage'
  | 'weak-key'
  | 'weak-signature'
  | 'unknown-critical-extension';

export type PathVerdict =
  | {
      readonly valid: true;
      readonly leaf: Certificate;
      /** Leaf first, anchor last. */
      readonly path: readonly Certificate[];
      /** The verdict holds for this time, in milliseconds since 1970, both ends included. */
      readonly notBefore: number;
      readonly notAfter: number;
    }
  | { readonly valid: false; readonly reason: PathFailure; readonly leaf: Certificate | undefined };

export type Purpose = 'serverAuth' | 'clientAuth';

export interface PathRequest {
  /** DER certificates in the order the peer sent them, its own first. */
  readonly chain: readonly Buffer[];
  readonly trust: TrustStore;
  /** Milliseconds since 1970. */
  readonly now: number;
  /**
   * One of these must be among the extended key usages, where there are any.
   * @default both: public authorities no longer issue certificates for TLS clients, yet in XMPP a server is one
   */
  readonly purposes?: readonly Purpose[];
}

const MAX_CHAIN = 8;
const MAX_SIGNATURE_CHECKS = 16;
const MAX_NAME_COMPARISONS = 100_000;

const PURPOSE_OIDS: Record<Purpose, string> = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' };
const ANY_PURPOSE = '2.5.29.37.0';

/**
 * Certification path validation (RFC 5280 section 6) from a peer's certificates to an anchor. Revocation is not looked
 * at. A leaf that the trust store trusts directly (its certificate or its key) needs no path and is judged by its
 * dates alone. Never throws; the work is bounded whatever the peer sends.
 */
export function validatePath(request: PathRequest): PathVerdict {
  const { chain, trust, now } = request;
  const leaf = chain[0] === undefined ? undefined : readCertificate(chain[0]);
  if (leaf === undefined) return { valid: false, reason: 'malformed', leaf };
  if (chain.length > MAX_CHAIN) return { valid: false, reason: 'too-long', leaf };

  const outOfDate = dateFailure(leaf, now);
  if (outOfDate !== undefined) return { valid: false, reason: outOfDate, leaf };
  if (trust.trustsDirectly(leaf)) {
    return { valid: true, leaf, path: [leaf], notBefore: leaf.notBefore, notAfter: leaf.notAfter };
  }

  const purposes = new Set((request.purposes ?? ['serverAuth', 'clientAuth']).map((name) => PURPOSE_OIDS[name]));
  purposes.add(ANY_PURPOSE);
  const unfit = leafFailure(leaf, purposes);
  if (unfit !== undefined) return { valid: false, reason: unfit, leaf };

  // What cannot be read cannot be part of a path; peers send odd extra certificates.
  const sent = chain
    .slice(1)
    .map(readCertificate)
    .filter((certificate) => certificate !== undefined);
  const search = new PathSearch(sent, trust, now, purposes);
  const path = search.extend([leaf]);
  if (path === undefined) return { valid: false, reason: search.failure, leaf };
  return {
    valid: true,
    leaf,
    path,
    notBefore: Math.max(...path.map((certificate) => certificate.notBefore)),
    notAfter: Math.min(...path.map((certificate) => certificate.notAfter)),
  };
}

/** Depth first, anchors before the certificates sent, so that an expired cross-certificate does no harm. */
class PathSearch {
  readonly #sent: readonly Certificate[];
  readonly #trust: TrustStore;
  readonly #now: number;
  readonly #purposes: ReadonlySet<string>;
  readonly #comparisons: ComparisonBudget = { left: MAX_NAME_COMPARISONS };
  #signatureChecks = 0;
  #failure: PathFailure | undefined;

  constructor(sent: readonly Certificate[], trust: TrustStore, now: number, purposes: ReadonlySet<string>) {
    this.#sent = sent;
    this.#trust = trust;
    this.#now = now;
    this.#purposes = purposes;
  }

  /** Why the first candidate with the right name was not good enough, or that there was none. */
  get failure(): PathFailure {
    return this.#failure ?? 'unknown-issuer';
  }

  extend(path: readonly Certificate[]): readonly Certificate[] | undefined {
    const last = path[path.length - 1];
    if (last === undefined || path.length >= MAX_CHAIN + 1) return this.#fail('too-long');
    for (const anchor of this.#trust.issuers(last.issuer)) {
      if (this.#accepts(anchor, path, last)) return [...path, anchor];
    }
    if (isSelfIssued(last) && path.length === 1) {
      const key = strongPublicKey(last);
      if (key !== undefined && this.#checkSignature(last, key)) return this.#fail('self-signed');
    }
    for (const candidate of this.#sent) {
      if (!candidate.subject.equals(last.issuer) || path.some((known) => isSame(known, candidate))) continue;
      if (!hasStrongSignature(candidate)) this.#fail('weak-signature');
      else if (this.#accepts(candidate, path, last)) {
        const whole = this.extend([...path, candidate]);
        if (whole !== undefined) return whole;
      }
    }
    return undefined;
  }

  #accepts(issuer: Certificate, path: readonly Certificate[], last: Certificate): boolean {
    const failure =
      dateFailure(issuer, this.#now) ??
      authorityFailure(issuer, path, this.#purposes) ??
      this.#nameFailure(issuer, path);
    const key = failure === undefined ? strongPublicKey(issuer) : undefined;
    if (failure !== undefined || key === undefined) {
      this.#fail(failure ?? 'weak-key');
      return false;
    }
    if (this.#checkSignature(last, key)) return true;
    this.#fail('bad-signature');
    return false;
  }

  #nameFailure(issuer: Certificate, path: readonly Certificate[]): PathFailure | undefined {
    const { nameConstraints } = issuer;
    if (nameConstraints === undefined) return undefined;
    // RFC 5280 section 6.1.3 (b): a self-issued certificate is exempt unless it is the last one.
    const isWithinAll = path.every(
      (certificate, index) =>
        (index > 0 && isSelfIssued(certificate)) || isWithin(nameConstraints, certificate, this.#comparisons),
    );
    return isWithinAll ? undefined : 'name-constraints';
  }

  #checkSignature(certificate: Certificate, key: Parameters<typeof isSignedBy>[1]): boolean {
    this.#signatureChecks += 1;
    return this.#signatureChecks <= MAX_SIGNATURE_CHECKS && isSignedBy(certificate, key);
  }

  #fail(failure: PathFailure): undefined {
    this.#failure ??= failure;
  }
}

function dateFailure({ notBefore, notAfter }: Certificate, now: number): 'expired' | 'not-yet-valid' | undefined {
  if (now > notAfter) return 'expired';
  return now < notBefore ? 'not-yet-valid' : undefined;
}

function hasPurpose({ purposes }: Certificate, wanted: ReadonlySet<string>): boolean {
  return purposes === undefined || purposes.some((purpose) => wanted.has(purpose));
}

function leafFailure(leaf: Certificate, purposes: ReadonlySet<string>): PathFailure | undefined {
  const usable = KEY_USAGE.digitalSignature | KEY_USAGE.keyEncipherment | KEY_USAGE.keyAgreement;
  if (leaf.hasUnknownCriticalExtension) return 'unknown-critical-extension';
  if (!hasPurpose(leaf, purposes)) return 'eku';
  if (leaf.keyUsage !== undefined && (leaf.keyUsage & usable) === 0) return 'key-usage';
  if (strongPublicKey(leaf) === undefined) return 'weak-key';
  return hasStrongSignature(leaf) ? undefined : 'weak-signature';
}

function authorityFailure(
  issuer: Certificate,
  path: readonly Certificate[],
  purposes: ReadonlySet<string>,
): PathFailure | undefined {
  if (!issuer.isCa) return 'not-a-ca';
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & KEY_USAGE.keyCertSign) === 0) return 'not-a-ca';
  if (issuer.hasUnknownCriticalExtension) return 'unknown-critical-extension';
  if (!hasPurpose(issuer, purposes)) return 'eku';
  const authoritiesBelow = path.slice(1).filter((certificate) => !isSelfIssued(certificate)).length;
  return issuer.pathLength !== undefined && authoritiesBelow > issuer.pathLength ? 'path-length' : undefined;
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return issuer.equals(subject);
}

function isSame(one: Certificate, other: Certificate): boolean {
  return one.fingerprintSha256 === other.fingerprintSha256;
}
