import { readFile, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { normalizeDomain } from '../config/index.ts';
import { type Comparison, compareDraft, type Difference } from '../import/compare.ts';
import {
  type FederationDraft,
  IMPORT_SOURCES,
  type ImportChoices,
  type ImportSource,
} from '../import/federation-draft.ts';
import { renderProgram } from '../import/federation-program.ts';
import { importFederation } from '../import/import-federation.ts';
import type { ImportFinding } from '../import/import-finding.ts';
import { sipUriToJid } from '../runtime/interwork/addresses.ts';
import { findingLine, readFederationFile } from './federation-file.ts';
import { coloured, processTerminal, type Terminal } from './terminal.ts';

export interface ImportOptions {
  readonly from: ImportSource;
  /** Where to write the app; without it standard output, and the report goes to standard error. */
  readonly output?: string;
  readonly force?: boolean;
  readonly environment?: string;
  readonly domain?: readonly string[];
  readonly nextHop?: readonly string[];
  readonly partnerType?: ImportChoices['partnerType'];
  /** A federation.json or cdktf.out folder to compare with; nothing is written. */
  readonly check?: string;
  readonly json?: boolean;
}

/** `xmpp-federation import`: a CDKTF app from the configuration of what is run today. */
export function importCommand(): Command {
  return new Command('import')
    .description('write a CDKTF app from the configuration of Lync, Prosody, ejabberd or a Cisco Expressway')
    .argument('<files...>', 'exports or configuration files')
    .addOption(new Option('--from <system>', 'what the files come from').choices(IMPORT_SOURCES).makeOptionMandatory())
    .option('--output <file>', 'where to write the app (default: standard output, the report to standard error)')
    .option('--force', 'replace the output file')
    .option('--environment <name>', 'environment and stack of the app; with --check, the one to compare with')
    .option('--domain <name>', 'XMPP domain to serve, instead of those in the export (repeatable)', collectDomain)
    .option('--next-hop <fqdn>', 'server of the SIP pool (repeatable)', collectDomain)
    .addOption(
      new Option('--partner-type <type>', 'partner type where the system has none')
        .choices(['Federated', 'PublicVerified', 'PublicUnverified'])
        .default('PublicUnverified'),
    )
    .option('--check <path>', 'compare with a federation.json or cdktf.out folder instead of writing')
    .option('--json', 'print the report as JSON')
    .addHelpText('after', HELP)
    .action(async (files: readonly string[], options: ImportOptions) => {
      process.exitCode = await runImport(files, options, processTerminal());
    });
}

const HELP = `
--from lync takes Get-CsXmppAllowedPartner, Get-CsXmppGatewayConfiguration, Get-CsExternalAccessPolicy,
Get-CsAccessEdgeConfiguration, Get-CsUser and Get-CsPool, each by Export-Clixml, Export-Csv or ConvertTo-Json.

Exit status: 0 when everything is carried over (--check: no difference), 2 when something is not (--check: differences),
1 when a file cannot be read; then nothing is written.`;

function collectDomain(value: string, previous: readonly string[] = []): readonly string[] {
  const domain = normalizeDomain(value);
  if (domain === undefined) throw new InvalidArgumentError('Expected a domain name.');
  return [...previous, domain];
}

/** Returns the exit status. */
export async function runImport(
  files: readonly string[],
  options: ImportOptions,
  terminal: Terminal,
): Promise<0 | 1 | 2> {
  const sources: { readonly name: string; readonly bytes: Uint8Array }[] = [];
  for (const file of files) {
    try {
      // Written files name their sources: without the folders of this machine.
      sources.push({ name: basename(file), bytes: await readFile(file) });
    } catch (error) {
      const message = `expected a readable file, got ${error instanceof Error ? error.message : String(error)}`;
      return fail([{ rule: 'unreadable-file', severity: 'error', item: '', source: file, message }], options, terminal);
    }
  }
  const result = importFederation(options.from, sources, {
    domains: options.domain ?? [],
    partnerType: options.partnerType ?? 'PublicUnverified',
    addressOf: (sipUri) => sipUriToJid(sipUri)?.bare,
  });
  if (!result.ok) return fail(result.findings, options, terminal);
  return options.check === undefined
    ? writeApp(result.draft, options, terminal)
    : check(result.draft, options.check, options, terminal);
}

// -- writing ---------------------------------------------------------------------------------------------------------

async function writeApp(draft: FederationDraft, options: ImportOptions, terminal: Terminal): Promise<0 | 1 | 2> {
  const { output, force = false, json = false, environment = 'prod', nextHop: nextHops = [] } = options;
  const program = renderProgram(draft, { environment, nextHops });
  if (output !== undefined) {
    try {
      await writeFile(output, program, { flag: force ? 'w' : 'wx' });
    } catch (error) {
      const isThere = error instanceof Error && 'code' in error && error.code === 'EEXIST';
      const message = isThere
        ? `${output} is there already; --force replaces it`
        : `${output} cannot be written: ${String(error)}`;
      return fail([{ rule: 'output', severity: 'error', item: '', source: '', message }], options, terminal);
    }
  }
  const status = draft.findings.some(({ severity }) => severity === 'error') ? 2 : 0;
  if (json) {
    const app = output === undefined ? { app: program } : { output };
    terminal.stdout.write(
      `${JSON.stringify({ ok: true, ...counts(draft), findings: draft.findings, ...app }, null, 2)}\n`,
    );
    return status;
  }
  if (output === undefined) terminal.stdout.write(program);
  const report = output === undefined ? terminal.stderr : terminal.stdout;
  report.write(draft.findings.map((finding) => importLine(finding, terminal)).join(''));
  report.write(`${summary(draft, output)}\n`);
  return status;
}

function counts({ partners, policies, sites, grants, domains }: FederationDraft) {
  return {
    domains: domains.length,
    partners: partners.length,
    policies: policies.length,
    sites: sites.length,
    grants: grants.reduce((total, { users }) => total + users.length, 0),
  };
}

function summary(draft: FederationDraft, output: string | undefined): string {
  const { partners, policies, grants } = counts(draft);
  const severities = draft.findings.map(({ severity }) => severity);
  const [errors, warnings] = (['error', 'warning'] as const).map(
    (wanted) => severities.filter((found) => found === wanted).length,
  );
  const where = output === undefined ? '' : `${output}: `;
  return `${where}${plural(partners, 'partner')}, ${plural(policies, 'policy', 'policies')}, ${plural(grants, 'granted user')}; ${errors} not carried over, ${plural(warnings ?? 0, 'warning')}`;
}

function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

// -- comparing -------------------------------------------------------------------------------------------------------

async function check(
  draft: FederationDraft,
  path: string,
  options: ImportOptions,
  terminal: Terminal,
): Promise<0 | 1 | 2> {
  const federation = await readFederationFile(path, terminal, options.environment);
  if (!federation.ok) {
    if (options.json === true)
      terminal.stdout.write(`${JSON.stringify({ ok: false, errors: federation.errors }, null, 2)}\n`);
    else terminal.stderr.write(federation.errors.map((finding) => findingLine(finding, terminal)).join(''));
    return 1;
  }
  const comparison = compareDraft(draft, federation.value);
  // What could not be read of the export might be the same or not: it cannot pass as the same.
  const unread = draft.findings.filter(({ severity }) => severity === 'error');
  const isSame = comparison.differences.length === 0 && unread.length === 0;
  if (options.json === true) {
    terminal.stdout.write(`${JSON.stringify({ ok: true, same: isSame, ...comparison, unread }, null, 2)}\n`);
  } else {
    terminal.stdout.write(comparisonText(comparison, unread, terminal));
  }
  return isSame ? 0 : 2;
}

function comparisonText(
  { differences, notes, notCompared }: Comparison,
  unread: readonly ImportFinding[],
  terminal: Terminal,
): string {
  const line =
    (label: string, colour: 'red' | 'dim') =>
    ({ rule, path, message }: Difference) =>
      `${coloured(terminal, colour, label.padEnd(7))}  ${path}: ${message}  ${coloured(terminal, 'dim', `[${rule}]`)}\n`;
  return [
    ...unread.map((finding) => importLine(finding, terminal)),
    ...differences.map(line('differs', 'red')),
    ...notes.map(line('note', 'dim')),
    ...(notCompared.length === 0 ? [] : [`not compared, as the export does not say: ${notCompared.join(', ')}\n`]),
    differences.length === 0 && unread.length === 0
      ? `${coloured(terminal, 'green', 'same')}\n`
      : `${coloured(terminal, 'red', 'different')}: ${plural(differences.length, 'difference')}, ${unread.length} unread\n`,
  ].join('');
}

// -- both ------------------------------------------------------------------------------------------------------------

function fail(findings: readonly ImportFinding[], { json }: ImportOptions, terminal: Terminal): 1 {
  if (json === true) terminal.stdout.write(`${JSON.stringify({ ok: false, findings }, null, 2)}\n`);
  else terminal.stderr.write(findings.map((finding) => importLine(finding, terminal)).join(''));
  return 1;
}

function importLine({ severity, item, source, message, rule }: ImportFinding, terminal: Terminal): string {
  const colour = severity === 'error' ? 'red' : severity === 'warning' ? 'yellow' : 'dim';
  const label = coloured(terminal, colour, severity.padEnd(7));
  const place = source === '' ? '' : `${source}: `;
  return `${label}  ${place}${item === '' ? '' : `${item}: `}${message}  ${coloured(terminal, 'dim', `[${rule}]`)}\n`;
}
