import { readFile, stat } from 'node:fs/promises';
import { type FederationConfig, type Finding, type Result, readFederation } from '../config/index.ts';

/** A configuration file that is read whole or not at all, and asked now and then whether it has changed. */
export class ConfigurationSource {
  readonly #file: string;
  #stamp = '';

  constructor(file: string) {
    this.#file = file;
  }

  async read(): Promise<Result<FederationConfig>> {
    // Taken before reading: what is written in between is noticed the next time.
    this.#stamp = await this.#currentStamp();
    try {
      return readFederation(await readFile(this.#file, 'utf8'));
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
  }

  /** Whether the file is another than when it was last read, well or not. */
  async hasChanged(): Promise<boolean> {
    return (await this.#currentStamp()) !== this.#stamp;
  }

  async #currentStamp(): Promise<string> {
    try {
      const { mtimeMs, ctimeMs, size, ino } = await stat(this.#file);
      return `${mtimeMs} ${ctimeMs} ${size} ${ino}`;
    } catch {
      return 'missing';
    }
  }
}
