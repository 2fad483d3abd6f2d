// Runs benches one after another: `npm run bench`, or some of them: `npm run bench -- xml policy`. What the figures mean
// and how to misread them is in bench/README.md.
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { missing } from '../test/support/requirements.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
/** In this order: from one part to the whole. */
const BENCHES = ['xml', 'policy', 'interwork', 'sip', 'gateway'] as const;
/** What the last one needs besides Node. */
const PEERS = ['prosody', 'lua-unbound', 'ejabberdctl', 'dnsmasq', 'port-53', 'private-mounts'];

const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !BENCHES.some((bench) => bench === name));
if (unknown.length > 0) {
  process.stderr.write(`bench: expected some of ${BENCHES.join(', ')}, got ${unknown.join(', ')}\n`);
  process.exit(1);
}

process.stdout.write(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown processor'}\n`);
let failed = 0;
for (const name of asked.length > 0 ? asked : BENCHES) {
  process.stdout.write(`\n== ${name}\n`);
  const absent = name === 'gateway' ? missing(...PEERS) : false;
  if (absent !== false) {
    process.stdout.write(`skipped: ${absent}\n`);
    continue;
  }
  if (name === 'gateway') run('node_modules/.bin/tsx', ['scripts/build.ts']);
  run(process.execPath, ['--expose-gc', '--import', 'tsx', `bench/${name}.ts`]);
}
process.exitCode = failed === 0 ? 0 : 1;

function run(command: string, args: readonly string[]): void {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) failed += 1;
}
