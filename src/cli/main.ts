#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { Command } from 'commander';

/** Each command is loaded when it is asked for, so that none pays for the others. */
const COMMANDS: Readonly<Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>> = {
  gateway: {
    summary: 'run the gateway on a configuration',
    load: async () => (await import('./gateway.ts')).gatewayCommand(),
  },
  check: {
    summary: 'check a configuration: all errors and warnings at once',
    load: async () => (await import('./check.ts')).checkCommand(),
  },
  explain: {
    summary: 'say whether a stanza may pass, and which line of the configuration decides',
    load: async () => (await import('./explain.ts')).explainCommand(),
  },
  schema: {
    summary: 'print the JSON Schema of a configuration',
    load: async () => (await import('./schema.ts')).schemaCommand(),
  },
};

function version(): string {
  // Beside src/ and dist/ alike.
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown';
}

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('xmpp-federation')
    .description('XMPP federation as code: run, check and explain what a configuration declares.')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(--help shows what there is)')
    .configureHelp({ sortSubcommands: false });
  const words = argv.filter((word) => !word.startsWith('-'));
  const asked = words[0] === 'help' ? words[1] : words[0];
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    program.addCommand(name === asked ? await load() : new Command(name).description(summary).allowUnknownOption());
  }
  if (argv.includes('--version') || argv.includes('-V')) program.version(version());
  else program.option('-V, --version', 'print the version');
  await program.parseAsync([...argv], { from: 'user' });
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`xmpp-federation: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
