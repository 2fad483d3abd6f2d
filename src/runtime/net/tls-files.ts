import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { errorAt, type Finding, type Result, warningAt } from '../../config/finding.ts';
import { fileStamp } from '../file-stamp.ts';
import { type Certificate, readCertificate } from '../pki/certificate.ts';
import { provesDomain } from '../pki/identity.ts';
import { type Identity, TlsGeneration } from './tls-generation.ts';
import { tlsContext } from './tls-secure.ts';

export type { TlsGeneration } from './tls-generation.ts';

export interface TlsFilesOptions {
  /** Holds `<name>.crt` (the chain) and `<name>.key` for each certificate. */
  readonly directory: string;
  /** Holds `<name>.pem` for each trust anchor. @default the directory of the certificates */
  readonly anchorsDirectory?: string | undefined;
  /** PEM bundle of trusted authorities. @default the public authorities built into Node */
  readonly caFile?: string | undefined;
}

/** What a configuration refers to by name. */
export interface TlsReferences {
  readonly domains: readonly { readonly domain: string; readonly certificate: string }[];
  /** Names of certificates that serve no XMPP domain. */
  readonly certificates?: readonly string[];
  /** Names of trust anchor files. */
  readonly anchors: readonly string[];
}

const FILE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const PEM_CERTIFICATE = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/g;
const DAY = 86_400_000;
const EXPIRY_WARNING = 14 * DAY;

/** Reads the TLS files of a gateway, and tells when they have changed. */
export class TlsFiles {
  readonly #options: TlsFilesOptions;
  #references: TlsReferences | undefined;
  #stamp = '';

  constructor(options: TlsFilesOptions) {
    this.#options = options;
  }

  /**
   * Reads everything the references name. All findings at once; with an error nothing of it may be used.
   *
   * @param now milliseconds since 1970
   */
  async load(references: TlsReferences, now: number): Promise<Result<TlsGeneration>> {
    this.#references = references;
    // Taken before reading: a file written in between is noticed the next time.
    this.#stamp = await this.#currentStamp(references);
    const findings: Finding[] = [];
    const [identities, anchors, authorities] = await Promise.all([
      this.#readIdentities(references, now, findings),
      this.#readAnchors(references, findings),
      this.#readAuthorities(findings),
    ]);
    const errors = findings.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) return { ok: false, errors };
    return { ok: true, value: new TlsGeneration(findings, identities, anchors, authorities) };
  }

  get #anchorsDirectory(): string {
    return this.#options.anchorsDirectory ?? this.#options.directory;
  }

  /** Whether a file differs from when it was last loaded, with success or not. */
  async hasChanged(): Promise<boolean> {
    return this.#references !== undefined && (await this.#currentStamp(this.#references)) !== this.#stamp;
  }

  async #currentStamp(references: TlsReferences): Promise<string> {
    const { directory, caFile } = this.#options;
    const paths = [
      ...certificateNames(references).flatMap((name) => [
        join(directory, `${name}.crt`),
        join(directory, `${name}.key`),
      ]),
      ...new Set(references.anchors.map((name) => join(this.#anchorsDirectory, `${name}.pem`))),
      ...(caFile === undefined ? [] : [caFile]),
    ];
    return (await Promise.all(paths.map(fileStamp))).join('\n');
  }

  async #readIdentities(references: TlsReferences, now: number, findings: Finding[]): Promise<Map<string, Identity>> {
    const identities = new Map<string, Identity>();
    for (const name of certificateNames(references)) {
      const identity = await this.#readIdentity(name, now, findings);
      if (identity === undefined) continue;
      identities.set(name, identity);
      for (const { domain, certificate } of references.domains) {
        if (certificate !== name || provesDomain(identity.certificate.names, domain)) continue;
        findings.push(
          warningAt(
            `${name}.crt`,
            'certificate-name',
            `expected a dNSName, SRVName or XmppAddr for ${domain}, found none`,
          ),
        );
      }
    }
    return identities;
  }

  async #readIdentity(name: string, now: number, findings: Finding[]): Promise<Identity | undefined> {
    const { directory } = this.#options;
    const [chainPath, keyPath] = [`${name}.crt`, `${name}.key`];
    const [chainPem, keyPem] = await Promise.all([
      this.#read(directory, chainPath, findings),
      this.#read(directory, keyPath, findings),
    ]);
    if (chainPem === undefined || keyPem === undefined) return undefined;

    const chain = certificatesIn(chainPem);
    const leaf = chain[0] === undefined ? undefined : readCertificate(chain[0]);
    const key = readPrivateKey(keyPem);
    if (leaf === undefined) {
      findings.push(errorAt(chainPath, 'certificate-unreadable', 'expected a PEM certificate first, found none'));
    }
    if (key === undefined) {
      findings.push(errorAt(keyPath, 'key-unreadable', 'expected an unencrypted PEM private key, found none'));
    }
    if (leaf === undefined || key === undefined) return undefined;
    if (!isKeyOf(leaf, key)) {
      findings.push(errorAt(keyPath, 'key-mismatch', `expected the private key of ${chainPath}, found another one`));
      return undefined;
    }

    if (now > leaf.notAfter) {
      findings.push(warningAt(chainPath, 'certificate-expired', `expired on ${isoTime(leaf.notAfter)}`));
    } else if (now + EXPIRY_WARNING > leaf.notAfter) {
      findings.push(warningAt(chainPath, 'certificate-expires-soon', `expires on ${isoTime(leaf.notAfter)}`));
    } else if (now < leaf.notBefore) {
      findings.push(warningAt(chainPath, 'certificate-not-yet-valid', `not valid before ${isoTime(leaf.notBefore)}`));
    }
    if (!isOrdered(chain)) {
      const message = 'expected each certificate to be followed by its issuer; some peers will not find the path';
      findings.push(warningAt(chainPath, 'certificate-chain-order', message));
    }
    const { mode } = await stat(join(directory, keyPath)).catch(() => ({ mode: 0 }));
    if ((mode & 0o007) !== 0) {
      findings.push(warningAt(keyPath, 'key-permissions', 'expected no access for other users, found some'));
    }
    try {
      return { certificate: leaf, context: tlsContext({ chainPem, keyPem }), pem: { chainPem, keyPem } };
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      findings.push(errorAt(chainPath, 'certificate-unusable', `expected a certificate that TLS can use: ${reason}`));
      return undefined;
    }
  }

  async #readAnchors({ anchors }: TlsReferences, findings: Finding[]): Promise<Map<string, readonly Buffer[]>> {
    const read = new Map<string, readonly Buffer[]>();
    for (const name of new Set(anchors)) {
      const path = `${name}.pem`;
      const pem = await this.#read(this.#anchorsDirectory, path, findings);
      if (pem === undefined) continue;
      const certificates = certificatesIn(pem);
      if (certificates.length === 0 || certificates.some((der) => readCertificate(der) === undefined)) {
        findings.push(
          errorAt(path, 'anchor-unreadable', 'expected one or more PEM certificates, found none or a broken one'),
        );
      }
      read.set(name, certificates);
    }
    return read;
  }

  async #readAuthorities(findings: Finding[]): Promise<() => readonly Buffer[]> {
    const { caFile } = this.#options;
    if (caFile === undefined) return () => certificatesIn(rootCertificates.join('\n'));
    const pem = await readFile(caFile, 'utf8').catch(() => undefined);
    // A bundle of the system is long and may hold oddities: certificates that cannot be read are left out.
    if (pem?.includes('-----BEGIN CERTIFICATE-----')) return () => certificatesIn(pem);
    findings.push(errorAt(caFile, 'ca-file-unreadable', 'expected a file of PEM certificates'));
    return () => [];
  }

  async #read(directory: string, fileName: string, findings: Finding[]): Promise<string | undefined> {
    const name = fileName.slice(0, fileName.lastIndexOf('.'));
    if (!FILE_NAME.test(name)) {
      findings.push(errorAt(fileName, 'reference-name', 'expected letters, digits, `.`, `_` and `-`'));
      return undefined;
    }
    try {
      return await readFile(join(directory, fileName), 'utf8');
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : error;
      findings.push(errorAt(fileName, 'file-unreadable', `expected a file in ${directory}, got ${code}`));
      return undefined;
    }
  }
}

function certificateNames({ domains, certificates = [] }: TlsReferences): string[] {
  return [...new Set([...domains.map(({ certificate }) => certificate), ...certificates])];
}

function certificatesIn(pem: string): Buffer[] {
  return [...pem.matchAll(PEM_CERTIFICATE)].map(([, base64 = '']) => Buffer.from(base64, 'base64'));
}

function readPrivateKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

function isKeyOf(leaf: Certificate, key: KeyObject): boolean {
  try {
    return new X509Certificate(leaf.raw).checkPrivateKey(key);
  } catch {
    return false;
  }
}

function isOrdered(chain: readonly Buffer[]): boolean {
  const read = chain.map(readCertificate);
  return read.every((certificate, index) => {
    const previous = read[index - 1];
    return certificate !== undefined && (previous === undefined || previous.issuer.equals(certificate.subject));
  });
}

function isoTime(time: number): string {
  return new Date(time).toISOString();
}
