import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Certificate } from './certificate.ts';
import { contextTag, DerError, openDer, readOid, TAG } from './der.ts';

const STRONG_SIGNATURES: ReadonlySet<string> = new Set([
  '1.2.840.113549.1.1.11', // RSA with SHA-256, 384, 512
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13',
  '1.2.840.10045.4.3.2', // ECDSA with SHA-256, 384, 512
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  '1.3.101.112', // Ed25519, Ed448
  '1.3.101.113',
]);
const RSA_PSS = '1.2.840.113549.1.1.10';
const STRONG_DIGESTS: ReadonlySet<string> = new Set([
  '2.16.840.1.101.3.4.2.1',
  '2.16.840.1.101.3.4.2.2',
  '2.16.840.1.101.3.4.2.3',
]);

/** Whether the certificate is signed with a digest that still resists collisions. */
export function hasStrongSignature({
  signatureAlgorithm,
  signatureParameters,
}: Pick<Certificate, 'signatureAlgorithm' | 'signatureParameters'>): boolean {
  if (signatureAlgorithm !== RSA_PSS) return STRONG_SIGNATURES.has(signatureAlgorithm);
  try {
    // RFC 4055 section 3.1: the digest is in [0]; without it the digest is SHA-1.
    const digest = openDer(signatureParameters, TAG.sequence).optional(contextTag(0, 'constructed'));
    if (digest === undefined) return false;
    return STRONG_DIGESTS.has(readOid(openDer(digest.content, TAG.sequence).read(TAG.oid).content));
  } catch (error) {
    if (error instanceof DerError) return false;
    throw error;
  }
}

const STRONG_CURVES: ReadonlySet<string | undefined> = new Set(['prime256v1', 'secp384r1', 'secp521r1']);

/** The public key when it is of an accepted kind and size; larger RSA keys are refused for what they cost. */
export function strongPublicKey(certificate: Certificate): KeyObject | undefined {
  const key = publicKey(certificate);
  const details = key?.asymmetricKeyDetails;
  switch (key?.asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss': {
      const bits = details?.modulusLength ?? 0;
      return bits >= 2048 && bits <= 8192 && (details?.publicExponent ?? 0n) > 2n ? key : undefined;
    }
    case 'ec':
      return STRONG_CURVES.has(details?.namedCurve) ? key : undefined;
    case 'ed25519':
    case 'ed448':
      return key;
    default:
      return undefined;
  }
}

function publicKey(certificate: Certificate): KeyObject | undefined {
  try {
    return createPublicKey({ key: certificate.publicKey, format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

export function isSignedBy(certificate: Certificate, issuerKey: KeyObject): boolean {
  try {
    return new X509Certificate(certificate.raw).verify(issuerKey);
  } catch {
    return false;
  }
}
