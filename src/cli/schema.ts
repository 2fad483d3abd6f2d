import { Command } from 'commander';
import { federationJsonSchema } from '../config/index.ts';
import { processTerminal, type Terminal } from './terminal.ts';

/** `xmpp-federation schema`: the JSON Schema of the configuration. */
export function schemaCommand(): Command {
  return new Command('schema')
    .description('print the JSON Schema (draft 2020-12) of the configuration')
    .action(() => runSchema(processTerminal()));
}

export function runSchema(terminal: Pick<Terminal, 'stdout'>): void {
  terminal.stdout.write(`${JSON.stringify(federationJsonSchema(), null, 2)}\n`);
}
