import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { FederationConfig, Finding, Result } from '../config/index.ts';
import { type FederationIndex, indexFederation } from '../policy/index.ts';
import { ConfigurationSource } from './configuration-source.ts';
import { fileStamp } from './file-stamp.ts';
import { TlsFiles, type TlsGeneration, type TlsReferences } from './net/tls-files.ts';
import type { HostSettings } from './settings.ts';

/** What is in force together; a reload replaces it whole. What stayed the same stays the same object. */
export interface InForce {
  readonly index: FederationIndex;
  readonly tls: TlsGeneration;
  readonly dialbackSecret: string;
  /** Milliseconds since 1970. */
  readonly loadedAt: number;
}

export interface Loaded {
  /** What can be put in force. With a configuration that cannot be used: the one before, its files read again. */
  readonly value: InForce | undefined;
  /** Everything that is wrong, all at once. */
  readonly errors: readonly Finding[];
}

const SECRET_PATH = 'xmppGatewayConfiguration.dialbackPassphrase';
const SHORTEST_SECRET = 16;

/** Configuration, certificates and secrets: the files that decide what the gateway does. */
export class InForceFiles {
  readonly #settings: HostSettings;
  readonly #configuration: ConfigurationSource;
  readonly #tlsFiles: TlsFiles;
  /** The secret of a gateway that is alone. */
  readonly #ownSecret = randomBytes(32).toString('hex');
  #secret = { path: '', stamp: '' };
  #index: FederationIndex | undefined;
  #tls: { readonly references: TlsReferences; readonly generation: TlsGeneration } | undefined;

  constructor(settings: HostSettings) {
    this.#settings = settings;
    this.#configuration = new ConfigurationSource(settings.configFile);
    this.#tlsFiles = new TlsFiles({ directory: settings.certificatesFolder, caFile: settings.caFile });
  }

  /** @param current what stays in force when the configuration cannot be used: a renewed certificate does not wait for it to be mended */
  async load(current?: InForce): Promise<Loaded> {
    const read = await this.#configuration.read();
    const config = read.ok ? read.value : current?.index.config;
    const errors = read.ok ? [] : [...read.errors];
    if (config === undefined) return { value: undefined, errors };
    const loadedAt = Date.now();
    const [tls, secret] = await Promise.all([this.#loadTls(config, loadedAt), this.#readSecret(config)]);
    for (const part of [tls, secret]) if (!part.ok) errors.push(...part.errors);
    if (!tls.ok || !secret.ok) return { value: undefined, errors };
    if (this.#index?.config !== config) this.#index = indexFederation(config);
    return { value: { index: this.#index, tls: tls.value, dialbackSecret: secret.value, loadedAt }, errors };
  }

  /** Whether any of the files is another than when it was last read, well or not. */
  async hasChanged(): Promise<boolean> {
    const { path, stamp } = this.#secret;
    const changes = await Promise.all([
      this.#configuration.hasChanged(),
      this.#tlsFiles.hasChanged(),
      path !== '' && fileStamp(path).then((found) => found !== stamp),
    ]);
    return changes.includes(true);
  }

  /** The same generation as long as its files and what is asked of them are the same. */
  async #loadTls(config: FederationConfig, now: number): Promise<Result<TlsGeneration>> {
    const references = tlsReferences(config, this.#settings);
    const known = this.#tls;
    if (
      known !== undefined &&
      isDeepStrictEqual(known.references, references) &&
      !(await this.#tlsFiles.hasChanged())
    ) {
      return { ok: true, value: known.generation };
    }
    // After a failure nothing is known of the files but that they were not good together.
    this.#tls = undefined;
    const loaded = await this.#tlsFiles.load(references, now);
    if (loaded.ok) this.#tls = { references, generation: loaded.value };
    return loaded;
  }

  /** A secret by name. Without a folder for secrets the gateway is alone, and one made up by this process will do. */
  async #readSecret(config: FederationConfig): Promise<Result<string>> {
    const { secretsFolder } = this.#settings;
    if (secretsFolder === undefined) return { ok: true, value: this.#ownSecret };
    const name = config.xmppGatewayConfiguration.dialbackPassphrase;
    const path = join(secretsFolder, name);
    // Taken before reading: what is written in between is noticed the next time.
    this.#secret = { path, stamp: await fileStamp(path) };
    try {
      const value = (await readFile(path, 'utf8')).trim();
      if (value.length >= SHORTEST_SECRET) return { ok: true, value };
      return refused(
        'weak-secret',
        `expected at least ${SHORTEST_SECRET} characters in the secret ${name}, found fewer`,
      );
    } catch (error) {
      const cause = error instanceof Error && 'code' in error ? String(error.code) : 'an error';
      return refused('unreadable-secret', `expected a readable secret ${name}, got ${cause}`);
    }
  }
}

function refused(rule: string, message: string): Result<never> {
  return { ok: false, errors: [{ rule, severity: 'error', path: SECRET_PATH, message }] };
}

function tlsReferences(config: FederationConfig, { sipCertificate }: HostSettings): TlsReferences {
  const anchors = config.xmppAllowedPartners.flatMap(({ trustAnchors }) =>
    trustAnchors.flatMap((anchor) => ('certificate' in anchor ? [anchor.certificate] : [])),
  );
  const domains = config.domains.map(({ domain, certificate }) => ({ domain, certificate }));
  return { domains, certificates: sipCertificate === undefined ? [] : [sipCertificate], anchors };
}
