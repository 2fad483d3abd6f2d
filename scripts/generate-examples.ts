// Writes the output that the examples must produce. Read the difference before you commit it: it is what a deployment
// would do.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contosoOutput, EXPECTED_FOLDER } from '../test/support/example-output.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const outdir = mkdtempSync(join(tmpdir(), 'xmpp-federation-examples-'));
try {
  for (const [path, text] of contosoOutput(outdir)) {
    const file = join(root, EXPECTED_FOLDER, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    process.stdout.write(`${join(EXPECTED_FOLDER, path)}\n`);
  }
} finally {
  rmSync(outdir, { recursive: true, force: true });
}
