import { Command } from 'commander';
import { type Finding, federationDigest, lintFederation } from '../config/index.ts';
import { findingLine, readFederationFile } from './federation-file.ts';
import { coloured, processTerminal, type Terminal } from './terminal.ts';

export interface CheckOptions {
  /** A file, a cdktf.out folder, or `-` for standard input. */
  readonly config: string;
  /** Environment or stack, when the folder has several. */
  readonly environment?: string;
  readonly strict?: boolean;
  readonly json?: boolean;
}

/** `xmpp-federation check`: every error and warning of a configuration at once. */
export function checkCommand(): Command {
  return new Command('check')
    .description('check a configuration: all errors and warnings at once')
    .requiredOption('--config <path>', 'configuration to check, or a cdktf.out folder; - reads standard input')
    .option('--environment <name>', 'environment or stack, when the folder has several')
    .option('--strict', 'fail on warnings too')
    .option('--json', 'print {ok, errors, warnings}')
    .addHelpText('after', '\nExit status: 0 when fine, 1 on errors (with --strict on warnings too).')
    .action(async (options: CheckOptions) => {
      process.exitCode = await runCheck(options, processTerminal());
    });
}

/** Returns the exit status. */
export async function runCheck(options: CheckOptions, terminal: Terminal): Promise<0 | 1> {
  const result = await readFederationFile(options.config, terminal, options.environment);
  const errors = result.ok ? [] : result.errors;
  const warnings = result.ok ? lintFederation(result.value) : [];
  const ok = result.ok && (options.strict !== true || warnings.length === 0);
  if (options.json === true) {
    terminal.stdout.write(
      `${JSON.stringify({ ok, errors: errors.map(plain), warnings: warnings.map(plain) }, null, 2)}\n`,
    );
    return ok ? 0 : 1;
  }
  for (const finding of [...errors, ...warnings]) terminal.stdout.write(findingLine(finding, terminal));
  const verdict = ok ? coloured(terminal, 'green', 'ok') : coloured(terminal, 'red', 'not ok');
  const digest = result.ok ? `, ${federationDigest(result.value)}` : '';
  terminal.stdout.write(`${verdict}: ${count(errors, 'error')}, ${count(warnings, 'warning')}${digest}\n`);
  return ok ? 0 : 1;
}

function plain({ rule, path, message }: Finding): Omit<Finding, 'severity'> {
  return { rule, path, message };
}

function count(findings: readonly Finding[], noun: string): string {
  return `${findings.length} ${noun}${findings.length === 1 ? '' : 's'}`;
}
