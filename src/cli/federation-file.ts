import { readFile } from 'node:fs/promises';
import { type FederationConfig, type Finding, type Result, readFederation } from '../config/index.ts';
import { coloured, type Terminal } from './terminal.ts';

/** Reads and checks a configuration file; `-` is standard input. A file that cannot be read is a finding too. */
export async function readFederationFile(file: string, terminal: Terminal): Promise<Result<FederationConfig>> {
  let json: string;
  try {
    json = file === '-' ? await terminal.readStdin() : await readFile(file, 'utf8');
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    const message = `expected a readable file, got ${cause}`;
    return { ok: false, errors: [{ rule: 'unreadable-file', severity: 'error', path: '', message }] };
  }
  return readFederation(json);
}

/** One line for people: `error  path: message  [rule]`. */
export function findingLine(finding: Finding, terminal: Terminal): string {
  const label = coloured(terminal, finding.severity === 'error' ? 'red' : 'yellow', finding.severity.padEnd(7));
  const place = finding.path === '' ? '' : `${finding.path}: `;
  return `${label}  ${place}${finding.message}  ${coloured(terminal, 'dim', `[${finding.rule}]`)}\n`;
}
