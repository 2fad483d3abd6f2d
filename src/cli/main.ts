#!/usr/bin/env node
import { programFor } from './program.ts';

// Whoever reads has had enough, as in `xmpp-federation schema | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

const argv = process.argv.slice(2);
try {
  await (await programFor(argv)).parseAsync(argv, { from: 'user' });
} catch (error) {
  process.stderr.write(`xmpp-federation: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
