import type { KeyObject } from 'node:crypto';
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** Key of a throw-away certificate. `rsa-1024` exists to show that weak keys are refused. */
export type KeyType = 'ecdsa-p256' | 'ecdsa-p384' | 'ed25519' | 'rsa-2048' | 'rsa-1024';

export type KeyUse = 'digitalSignature' | 'keyEncipherment' | 'keyCertSign' | 'cRLSign';

/** Subtrees of a name constraints extension (RFC 5280 section 4.2.1.10). */
export interface NameSubtrees {
  /** Domain names; `example.com` covers itself and everything below. */
  readonly dns?: readonly string[];
  /** Hosts of URIs. */
  readonly uri?: readonly string[];
  /** SRVName values, for example `_xmpp-server.example.com` (RFC 4985 section 4). */
  readonly srv?: readonly string[];
}

export interface CertificateFields {
  readonly commonName?: string;
  readonly organizationalUnit?: string;
  readonly dnsNames?: readonly string[];
  /** Full SRVName values, for example `_xmpp-server.example.com` (RFC 4985). */
  readonly srvNames?: readonly string[];
  readonly xmppAddrs?: readonly string[];
  readonly uris?: readonly string[];
  readonly ipAddresses?: readonly string[];
  /** `[]` leaves the extension out. @default serverAuth and clientAuth; nothing for an authority */
  readonly eku?: readonly ('serverAuth' | 'clientAuth' | 'codeSigning' | 'any')[];
  /** `[]` leaves the extension out. @default digitalSignature; keyCertSign and cRLSign for an authority */
  readonly keyUsage?: readonly KeyUse[];
  /** @default one hour ago */
  readonly notBefore?: Date;
  /** @default in 30 days */
  readonly notAfter?: Date;
  /** @default 'ecdsa-p256' */
  readonly keyType?: KeyType;
  /** An existing PKCS #8 PEM key to certify instead of a new one. */
  readonly privateKeyPem?: string;
  /** @default false */
  readonly isCa?: boolean;
  /** How many further authorities may follow below this one. */
  readonly pathLength?: number;
  readonly nameConstraints?: { readonly permitted?: NameSubtrees; readonly excluded?: NameSubtrees };
  /** Digest the issuer signs with. `sha1` exists to show that it is refused. @default 'sha256' */
  readonly digest?: 'sha256' | 'sha1';
  /** Extensions added as they are. */
  readonly extensions?: readonly { readonly oid: string; readonly critical: boolean; readonly value: Buffer }[];
}

/** A certificate with its key; it signs others when it was made with `isCa`. */
export interface ThrowawayCertificate {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly privateKeyPem: string;
  /** What a peer sends in a handshake: the certificate, then its issuers without the root. */
  readonly chainPem: string;
  /** Whether the certificate is its own issuer. */
  readonly isRoot: boolean;
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

const KEY_USES: Record<KeyUse, number> = { digitalSignature: 1, keyEncipherment: 4, keyCertSign: 32, cRLSign: 64 };

const PURPOSES = {
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  codeSigning: '1.3.6.1.5.5.7.3.3',
  any: '2.5.29.37.0',
} as const;

const SRV_NAME = '1.3.6.1.5.5.7.8.7';
const XMPP_ADDR = '1.3.6.1.5.5.7.8.5';

/** A self-signed root authority. Lives for a year unless `fields` says otherwise. */
export function createAuthority(name: string, fields: CertificateFields = {}): Promise<ThrowawayCertificate> {
  return make(
    { commonName: name, eku: [], notAfter: new Date(Date.now() + 365 * DAY), ...fields, isCa: true },
    undefined,
  );
}

/** A certificate signed by `authority`: an end entity, or an intermediate authority with `isCa`. */
export function issue(authority: ThrowawayCertificate, fields: CertificateFields): Promise<ThrowawayCertificate> {
  return make(fields, authority);
}

/** A certificate signed with its own key. */
export function selfSigned(fields: CertificateFields): Promise<ThrowawayCertificate> {
  return make(fields, undefined);
}

// The ASN.1 library is loaded on first use: only the quickstart and the tests make certificates.
async function make(
  fields: CertificateFields,
  issuer: ThrowawayCertificate | undefined,
): Promise<ThrowawayCertificate> {
  const asn1 = await import('@peculiar/asn1-x509');
  const { AsnConvert, OctetString } = await import('@peculiar/asn1-schema');

  const key = fields.privateKeyPem === undefined ? newKey(fields.keyType) : createPrivateKey(fields.privateKeyPem);
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const issuerKey = issuer === undefined ? key : createPrivateKey(issuer.privateKeyPem);
  const issuerCertificate =
    issuer === undefined ? undefined : AsnConvert.parse(derOf(issuer.certificatePem), asn1.Certificate).tbsCertificate;

  const attribute = (type: string, utf8String: string) =>
    new asn1.RelativeDistinguishedName([
      new asn1.AttributeTypeAndValue({ type, value: new asn1.AttributeValue({ utf8String }) }),
    ]);
  const subject = new asn1.Name([
    ...(fields.organizationalUnit === undefined ? [] : [attribute('2.5.4.11', fields.organizationalUnit)]),
    ...(fields.commonName === undefined ? [] : [attribute('2.5.4.3', fields.commonName)]),
  ]);

  const extensions: InstanceType<typeof asn1.Extension>[] = [];
  const addRaw = (extnID: string, critical: boolean, der: ArrayBuffer | Buffer) => {
    extensions.push(new asn1.Extension({ extnID, critical, extnValue: new OctetString(der) }));
  };
  const add = (extnID: string, critical: boolean, value: object) =>
    addRaw(extnID, critical, AsnConvert.serialize(value));

  const isCa = fields.isCa ?? false;
  add(
    asn1.id_ce_basicConstraints,
    true,
    new asn1.BasicConstraints({
      cA: isCa,
      ...(fields.pathLength === undefined ? {} : { pathLenConstraint: fields.pathLength }),
    }),
  );
  const uses = fields.keyUsage ?? (isCa ? ['keyCertSign', 'cRLSign'] : ['digitalSignature']);
  if (uses.length > 0) {
    add(asn1.id_ce_keyUsage, true, new asn1.KeyUsage(uses.reduce((bits, use) => bits | KEY_USES[use], 0)));
  }
  const purposes = fields.eku ?? (isCa ? [] : ['serverAuth', 'clientAuth']);
  if (purposes.length > 0) {
    add(asn1.id_ce_extKeyUsage, false, new asn1.ExtendedKeyUsage(purposes.map((purpose) => PURPOSES[purpose])));
  }

  const other = (typeId: string, tag: number, text: string) =>
    new asn1.GeneralName({ otherName: new asn1.OtherName({ typeId, value: toArrayBuffer(derString(tag, text)) }) });
  const srvName = (text: string) => other(SRV_NAME, 0x16, text);
  const names = [
    ...(fields.dnsNames ?? []).map((dNSName) => new asn1.GeneralName({ dNSName })),
    ...(fields.srvNames ?? []).map(srvName),
    ...(fields.xmppAddrs ?? []).map((text) => other(XMPP_ADDR, 0x0c, text)),
    ...(fields.uris ?? []).map((text) => new asn1.GeneralName({ uniformResourceIdentifier: text })),
    ...(fields.ipAddresses ?? []).map((iPAddress) => new asn1.GeneralName({ iPAddress })),
  ];
  // RFC 5280 section 4.1.2.6: critical when the subject is empty.
  if (names.length > 0) {
    add(asn1.id_ce_subjectAltName, subject.length === 0, new asn1.SubjectAlternativeName(names));
  }

  if (fields.nameConstraints !== undefined) {
    const subtrees = (trees: NameSubtrees) =>
      new asn1.GeneralSubtrees(
        [
          ...(trees.dns ?? []).map((dNSName) => new asn1.GeneralName({ dNSName })),
          ...(trees.uri ?? []).map((text) => new asn1.GeneralName({ uniformResourceIdentifier: text })),
          ...(trees.srv ?? []).map(srvName),
        ].map((base) => new asn1.GeneralSubtree({ base })),
      );
    const { permitted, excluded } = fields.nameConstraints;
    const value = new asn1.NameConstraints({
      ...(permitted === undefined ? {} : { permittedSubtrees: subtrees(permitted) }),
      ...(excluded === undefined ? {} : { excludedSubtrees: subtrees(excluded) }),
    });
    add(asn1.id_ce_nameConstraints, true, value);
  }

  add(asn1.id_ce_subjectKeyIdentifier, false, new asn1.SubjectKeyIdentifier(keyIdentifier(spki)));
  const issuerSpki = createPublicKey(issuerKey).export({ type: 'spki', format: 'der' });
  add(
    asn1.id_ce_authorityKeyIdentifier,
    false,
    new asn1.AuthorityKeyIdentifier({ keyIdentifier: new asn1.KeyIdentifier(keyIdentifier(issuerSpki)) }),
  );
  for (const { oid, critical, value } of fields.extensions ?? []) addRaw(oid, critical, value);

  const algorithm = new asn1.AlgorithmIdentifier(signatureAlgorithm(issuerKey, fields.digest ?? 'sha256'));
  const tbsCertificate = new asn1.TBSCertificate({
    version: asn1.Version.v3,
    serialNumber: toArrayBuffer(serialNumber()),
    signature: algorithm,
    issuer: issuerCertificate?.subject ?? subject,
    validity: new asn1.Validity({
      notBefore: fields.notBefore ?? new Date(Date.now() - HOUR),
      notAfter: fields.notAfter ?? new Date(Date.now() + 30 * DAY),
    }),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(spki, asn1.SubjectPublicKeyInfo),
    extensions: new asn1.Extensions(extensions),
  });
  const signed = Buffer.from(AsnConvert.serialize(tbsCertificate));
  const signature = sign(
    issuerKey.asymmetricKeyType === 'ed25519' ? null : (fields.digest ?? 'sha256'),
    signed,
    issuerKey,
  );
  const certificate = new asn1.Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: toArrayBuffer(signature),
  });

  const certificatePem = pemOf(Buffer.from(AsnConvert.serialize(certificate)));
  return {
    certificatePem,
    privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    chainPem: issuer === undefined || issuer.isRoot ? certificatePem : certificatePem + issuer.chainPem,
    isRoot: issuer === undefined,
  };
}

function newKey(type: KeyType = 'ecdsa-p256'): KeyObject {
  switch (type) {
    case 'ecdsa-p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    case 'ecdsa-p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
    case 'ed25519':
      return generateKeyPairSync('ed25519').privateKey;
    case 'rsa-2048':
      return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    case 'rsa-1024':
      return generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  }
}

function signatureAlgorithm(key: KeyObject, digest: 'sha256' | 'sha1'): { algorithm: string; parameters?: null } {
  switch (key.asymmetricKeyType) {
    case 'ed25519':
      return { algorithm: '1.3.101.112' };
    case 'ec':
      return { algorithm: digest === 'sha1' ? '1.2.840.10045.4.1' : '1.2.840.10045.4.3.2' };
    default:
      // RFC 4055 section 5: RSA carries NULL parameters.
      return { algorithm: digest === 'sha1' ? '1.2.840.113549.1.1.5' : '1.2.840.113549.1.1.11', parameters: null };
  }
}

/** Any stable function of the key will do (RFC 5280 section 4.2.1.2). */
function keyIdentifier(spki: Buffer): ArrayBuffer {
  return toArrayBuffer(createHash('sha256').update(spki).digest().subarray(0, 20));
}

/** Positive, 127 random bits, never a leading zero octet. */
function serialNumber(): Buffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes;
}

function derString(tag: number, text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length > 255) throw new RangeError(`expected a name of at most 255 bytes, got ${bytes.length}`);
  const length = bytes.length < 128 ? [bytes.length] : [0x81, bytes.length];
  return Buffer.from([tag, ...length, ...bytes]);
}

function toArrayBuffer(bytes: Buffer): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replace(/-----[A-Z ]+-----/g, ''), 'base64');
}

function pemOf(der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
