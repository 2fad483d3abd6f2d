import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type FederationConfig, type Finding, type Result, readFederation } from '../config/index.ts';
import { coloured, type Terminal } from './terminal.ts';

/** A configuration as it was found: its text, and the file that has it. */
export interface FederationText {
  readonly file: string;
  readonly json: string;
}

/**
 * Reads and checks a configuration: a file, `-` for standard input, or the output folder of `cdktf synth`, in which
 * `environment` picks one of several. What cannot be read is a finding too.
 */
export async function readFederationFile(
  file: string,
  terminal: Terminal,
  environment?: string,
): Promise<Result<FederationConfig>> {
  const text = await readFederationText(file, terminal, environment);
  return text.ok ? readFederation(text.value.json) : text;
}

/** Like {@link readFederationFile}, without looking at the text. */
export async function readFederationText(
  file: string,
  terminal: Terminal,
  environment?: string,
): Promise<Result<FederationText>> {
  try {
    if (file === '-') return { ok: true, value: { file, json: await terminal.readStdin() } };
    if ((await stat(file)).isDirectory()) return await readFromFolder(file, environment);
    return { ok: true, value: { file, json: await readFile(file, 'utf8') } };
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    return unreadable('unreadable-file', `expected a readable file, got ${cause}`);
  }
}

/** One line for people: `error  path: message  [rule]`. */
export function findingLine(finding: Finding, terminal: Terminal): string {
  const label = coloured(terminal, finding.severity === 'error' ? 'red' : 'yellow', finding.severity.padEnd(7));
  const place = finding.path === '' ? '' : `${finding.path}: `;
  return `${label}  ${place}${finding.message}  ${coloured(terminal, 'dim', `[${finding.rule}]`)}\n`;
}

interface StackFederation extends FederationText {
  readonly stack: string;
  readonly environment: string;
}

// cdktf writes stacks/NAME/ into its output folder; each stack holds at most one federation.
async function readFromFolder(folder: string, environment: string | undefined): Promise<Result<FederationText>> {
  const own = await readStack(folder);
  const found = own === undefined ? await readStacks(folder) : [own];
  if (found.length === 0) {
    const message = `expected federation.json or stacks/NAME/federation.json in ${folder}, got neither; run cdktf synth`;
    return unreadable('no-federation', message);
  }
  const matching = found.filter(
    (candidate) => environment === undefined || [candidate.environment, candidate.stack].includes(environment),
  );
  const [only, ...others] = matching;
  if (only !== undefined && others.length === 0) return { ok: true, value: { file: only.file, json: only.json } };
  const all = found.map((candidate) => candidate.environment || candidate.stack).join(', ');
  if (environment === undefined) return unreadable('several-federations', `expected --environment, one of ${all}`);
  const count = matching.length === 0 ? 'none' : String(matching.length);
  return unreadable('unknown-environment', `expected one federation named "${environment}" (${all}), got ${count}`);
}

async function readStacks(folder: string): Promise<readonly StackFederation[]> {
  const stacks = join(folder, 'stacks');
  const parent = (await stat(stacks).catch(() => undefined))?.isDirectory() === true ? stacks : folder;
  const names = (await readdir(parent, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const read = await Promise.all(names.map(({ name }) => readStack(join(parent, name))));
  return read.filter((stack) => stack !== undefined);
}

async function readStack(folder: string): Promise<StackFederation | undefined> {
  const file = join(folder, 'federation.json');
  const json = await readFile(file, 'utf8').catch(() => undefined);
  return json === undefined ? undefined : { stack: basename(folder), file, json, environment: environmentOf(json) };
}

function environmentOf(json: string): string {
  const result = readFederation(json);
  return result.ok ? result.value.environment : '';
}

function unreadable(rule: string, message: string): { readonly ok: false; readonly errors: readonly Finding[] } {
  return { ok: false, errors: [{ rule, severity: 'error', path: '', message }] };
}
