import { readFileSync } from 'node:fs';
import { Command } from 'commander';

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

/** Each command is loaded when it is asked for, so that none pays for the others. */
const COMMANDS: Readonly<Record<string, CommandEntry>> = {
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
  review: {
    summary: 'say what a change means: who can newly reach whom, and how strongly it is proved',
    load: async () => (await import('./review.ts')).reviewCommand(),
  },
  schema: {
    summary: 'print the JSON Schema of a configuration',
    load: async () => (await import('./schema.ts')).schemaCommand(),
  },
};

/** Set where the command line is one file, which has no package.json beside it. */
declare const BUNDLED_VERSION: string | undefined;

function version(): string {
  if (typeof BUNDLED_VERSION !== 'undefined') return BUNDLED_VERSION;
  // Beside src/ and dist/ alike.
  const manifest: { readonly version: string } = JSON.parse(
    readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
  );
  return manifest.version;
}

/** The command line for these words: the command they ask for loaded, the others by name. */
export async function programFor(argv: readonly string[]): Promise<Command> {
  const program = new Command('xmpp-federation')
    .description('XMPP federation as code: run, check and explain what a configuration declares.')
    .version(version(), '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show the help of a command')
    .showHelpAfterError('(--help shows what there is)');
  const [first, second] = argv.filter((word) => !word.startsWith('-'));
  const asked = first === 'help' ? second : first;
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = name === asked ? await load() : new Command(name);
    program.addCommand(command.summary(summary).copyInheritedSettings(program));
  }
  return program;
}
