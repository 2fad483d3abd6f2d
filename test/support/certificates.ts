import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ThrowawayCertificate } from '../../src/certificates/throwaway.ts';

export type { CertificateFields, ThrowawayCertificate } from '../../src/certificates/throwaway.ts';
export { createAuthority, issue, selfSigned } from '../../src/certificates/throwaway.ts';

/** A private directory that is gone when the test (or the suite, in `before`) ends. */
export async function temporaryDirectory(context: Pick<TestContext, 'after'>): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'xmpp-federation-test-'));
  context.after(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Paths of the three files of a certificate in a directory. */
export interface CertificateFiles {
  /** `<name>.crt`: the chain as it is sent. */
  readonly chain: string;
  /** `<name>.key`: mode 0600. */
  readonly key: string;
  /** `<name>.pem`: the certificate alone, usable as a trust anchor or CA file. */
  readonly certificate: string;
}

/** Writes `<name>.crt`, `<name>.key` and `<name>.pem`. */
export async function writeCertificate(
  directory: string,
  name: string,
  certificate: ThrowawayCertificate,
): Promise<CertificateFiles> {
  const files = {
    chain: join(directory, `${name}.crt`),
    key: join(directory, `${name}.key`),
    certificate: join(directory, `${name}.pem`),
  };
  await Promise.all([
    writeFile(files.chain, certificate.chainPem),
    writeFile(files.key, certificate.privateKeyPem, { mode: 0o600 }),
    writeFile(files.certificate, certificate.certificatePem),
  ]);
  return files;
}

export function x509(certificate: ThrowawayCertificate): X509Certificate {
  return new X509Certificate(certificate.certificatePem);
}

/** The DER certificates of the chain in the order they are sent. */
export function sentChain(certificate: ThrowawayCertificate): Buffer[] {
  const blocks = certificate.chainPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((pem) => new X509Certificate(pem).raw);
}
