import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type FederationConfig, type Finding, type Result, readFederation } from '../config/index.ts';
import { fileStamp } from './file-stamp.ts';

/** A configuration file that is read whole or not at all, and asked now and then whether it has changed. */
export class ConfigurationSource {
  readonly #file: string;
  #stamp = '';
  /** What the file held when it was last good, and what that meant. */
  #known: { readonly digest: string; readonly result: Result<FederationConfig> } | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /** The same text gives the same object: who holds it need not build anything on it again. */
  async read(): Promise<Result<FederationConfig>> {
    // Taken before reading: what is written in between is noticed the next time.
    this.#stamp = await fileStamp(this.#file);
    let bytes: Buffer;
    try {
      bytes = await readFile(this.#file);
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      const finding: Finding = {
        rule: 'unreadable-file',
        severity: 'error',
        path: '',
        message: `expected a readable file, got ${cause}`,
      };
      return { ok: false, errors: [finding] };
    }
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (this.#known?.digest === digest) return this.#known.result;
    const result = readFederation(bytes.toString('utf8'));
    if (result.ok) this.#known = { digest, result };
    return result;
  }

  /** Whether the file is another than when it was last read, well or not. */
  async hasChanged(): Promise<boolean> {
    return (await fileStamp(this.#file)) !== this.#stamp;
  }
}
