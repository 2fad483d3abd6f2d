import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** A new empty folder that is removed when the test file has run. */
export function temporaryFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `xmpp-federation-${name}-`));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
