import { createHash } from 'node:crypto';
import {
  contextTag,
  type DerElement,
  DerError,
  DerReader,
  openDer,
  readBoolean,
  readNamedBits,
  readOid,
  readSmallInteger,
  readTime,
  TAG,
} from './der.ts';
import { type AlternativeNames, NO_NAMES, readAlternativeNames, readRelativeNames } from './general-names.ts';
import { type NameConstraints, readNameConstraints } from './name-constraints.ts';

/** Bits of the key usage extension that matter here (RFC 5280 section 4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 1, keyEncipherment: 4, keyAgreement: 16, keyCertSign: 32 } as const;

export interface Certificate {
  readonly raw: Buffer;
  /** SHA-256 of the certificate, lower-case hexadecimal. */
  readonly fingerprintSha256: string;
  /** DER of the Name, compared byte by byte. */
  readonly issuer: Buffer;
  readonly subject: Buffer;
  /** The relative distinguished names of {@link subject}, as DER. */
  readonly subjectNames: readonly Buffer[];
  /** Milliseconds since 1970; both ends belong to the validity. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Buffer;
  /** Base64 of SHA-256 of {@link publicKey}. */
  readonly publicKeySha256: string;
  readonly signatureAlgorithm: string;
  /** DER of the algorithm's parameters; empty when absent. */
  readonly signatureParameters: Buffer;
  readonly names: AlternativeNames;
  readonly isCa: boolean;
  readonly pathLength: number | undefined;
  /** Bits of {@link KEY_USAGE}; undefined when the extension is absent. */
  readonly keyUsage: number | undefined;
  /** Object identifiers of the extended key usage; undefined when the extension is absent. */
  readonly purposes: readonly string[] | undefined;
  readonly nameConstraints: NameConstraints | undefined;
  readonly hasUnknownCriticalExtension: boolean;
}

const MAX_CERTIFICATE_BYTES = 65_536;
const MAX_EXTENSIONS = 64;

const EXTENSION = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  // Policies put no condition on a path as long as nobody asks for one (RFC 5280 section 6.1.1).
  certificatePolicies: '2.5.29.32',
  extendedKeyUsage: '2.5.29.37',
} as const;
const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set(Object.values(EXTENSION));

/** Reads an X.509 certificate (RFC 5280 section 4.1); undefined when it is malformed or beyond the limits. */
export function readCertificate(der: Buffer): Certificate | undefined {
  if (der.length > MAX_CERTIFICATE_BYTES) return undefined;
  try {
    return read(der);
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
}

function read(der: Buffer): Certificate {
  const outer = openDer(der, TAG.sequence);
  const tbs = outer.enter(TAG.sequence);
  const outerAlgorithm = outer.read(TAG.sequence);
  outer.read(TAG.bitString);
  outer.end();

  const versionField = tbs.optional(contextTag(0, 'constructed'));
  const version = versionField === undefined ? 1 : readVersion(versionField);
  if (tbs.read(TAG.integer).content.length === 0) throw new DerError('expected a serial number');
  const algorithm = tbs.read(TAG.sequence);
  if (!algorithm.raw.equals(outerAlgorithm.raw)) throw new DerError('signature algorithms differ');
  const issuer = tbs.read(TAG.sequence).raw;
  const validity = tbs.enter(TAG.sequence);
  const notBefore = readTime(validity.read());
  const notAfter = readTime(validity.read());
  validity.end();
  const subject = tbs.read(TAG.sequence).raw;
  const publicKey = tbs.read(TAG.sequence).raw;
  tbs.optional(contextTag(1, 'primitive'));
  tbs.optional(contextTag(2, 'primitive'));
  const extensionsField = tbs.optional(contextTag(3, 'constructed'));
  tbs.end();
  if (extensionsField !== undefined && version !== 3) throw new DerError('extensions need version 3');
  const extensions = extensionsField === undefined ? new Map() : readExtensions(extensionsField.content);

  const algorithmReader = new DerReader(algorithm.content);
  const signatureAlgorithm = readOid(algorithmReader.read(TAG.oid).content);
  const signatureParameters = algorithmReader.done ? Buffer.alloc(0) : algorithmReader.read().raw;
  algorithmReader.end();

  const value = (oid: string): Buffer | undefined => extensions.get(oid)?.value;
  const basic = value(EXTENSION.basicConstraints);
  const usage = value(EXTENSION.keyUsage);
  const purposes = value(EXTENSION.extendedKeyUsage);
  const names = value(EXTENSION.subjectAltName);
  const constraints = value(EXTENSION.nameConstraints);
  return {
    raw: der,
    fingerprintSha256: createHash('sha256').update(der).digest('hex'),
    issuer,
    subject,
    subjectNames: readRelativeNames(subject),
    notBefore,
    notAfter,
    publicKey,
    publicKeySha256: createHash('sha256').update(publicKey).digest('base64'),
    signatureAlgorithm,
    signatureParameters,
    ...(basic === undefined ? { isCa: false, pathLength: undefined } : readBasicConstraints(basic)),
    keyUsage: usage === undefined ? undefined : readNamedBits(openWhole(usage, TAG.bitString).content),
    purposes: purposes === undefined ? undefined : readOids(purposes),
    names: names === undefined ? NO_NAMES : readAlternativeNames(names),
    nameConstraints: constraints === undefined ? undefined : readNameConstraints(constraints),
    hasUnknownCriticalExtension: [...extensions].some(([oid, { critical }]) => critical && !KNOWN_EXTENSIONS.has(oid)),
  };
}

function readVersion(field: DerElement): number {
  const reader = new DerReader(field.content);
  const version = readSmallInteger(reader.read(TAG.integer).content) + 1;
  reader.end();
  if (version > 3) throw new DerError('expected X.509 version 1 to 3');
  return version;
}

interface Extension {
  readonly critical: boolean;
  readonly value: Buffer;
}

function readExtensions(content: Buffer): Map<string, Extension> {
  const list = openDer(content, TAG.sequence);
  const extensions = new Map<string, Extension>();
  while (!list.done) {
    const reader = list.enter(TAG.sequence);
    const oid = readOid(reader.read(TAG.oid).content);
    const critical = reader.optional(TAG.boolean);
    const value = reader.read(TAG.octetString).content;
    reader.end();
    // RFC 5280 section 4.2: not more than one of a kind. Parsers differ in which of two they take.
    if (extensions.has(oid)) throw new DerError('extension occurs twice');
    if (extensions.size === MAX_EXTENSIONS) throw new DerError('too many extensions');
    extensions.set(oid, { critical: critical !== undefined && readBoolean(critical.content), value });
  }
  return extensions;
}

function openWhole(bytes: Buffer, tag: number): DerElement {
  const reader = new DerReader(bytes);
  const element = reader.read(tag);
  reader.end();
  return element;
}

function readBasicConstraints(value: Buffer): { isCa: boolean; pathLength: number | undefined } {
  const reader = openDer(value, TAG.sequence);
  const ca = reader.optional(TAG.boolean);
  const pathLength = reader.optional(TAG.integer);
  reader.end();
  return {
    isCa: ca !== undefined && readBoolean(ca.content),
    pathLength: pathLength === undefined ? undefined : readSmallInteger(pathLength.content),
  };
}

function readOids(value: Buffer): string[] {
  const reader = openDer(value, TAG.sequence);
  const oids: string[] = [];
  while (!reader.done) oids.push(readOid(reader.read(TAG.oid).content));
  return oids;
}
