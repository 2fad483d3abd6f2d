import { Command, Option } from 'commander';
import { readFederation } from '../config/index.ts';
import {
  AUTH_METHODS,
  type AuthMethod,
  type FederationIndex,
  indexFederation,
  STANZA_KINDS,
  type StanzaKind,
} from '../policy/index.ts';
import { showMatrix } from './explain-matrix.ts';
import { showStanza } from './explain-stanza.ts';
import { findingLine, readFederationText } from './federation-file.ts';
import { askGateway, type RunningGateway } from './running-gateway.ts';
import { coloured, processTerminal, type Terminal } from './terminal.ts';
import { type AppliedChange, applyChanges } from './what-if.ts';

export interface ExplainOptions {
  /** A file, a cdktf.out folder, or `-`. */
  readonly config: string;
  /** Environment or stack, when the folder has several. */
  readonly environment?: string;
  readonly from?: string;
  readonly to?: string;
  readonly kind?: StanzaKind;
  readonly tls?: 'yes' | 'no';
  readonly method?: AuthMethod;
  readonly certificate?: 'valid' | 'invalid';
  readonly contactListed?: boolean;
  /** Changes as `path=value`. */
  readonly whatIf?: readonly string[];
  readonly matrix?: boolean;
  /** Local user the matrix is for; without it every class of users. */
  readonly user?: string;
  /** Base URL of a gateway's admin listener. */
  readonly gateway?: string;
  readonly json?: boolean;
}

/** `xmpp-federation explain`: what the gateway would decide about a stanza, and which setting decides. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('explain whether a stanza may pass, and which setting decides')
    .requiredOption('--config <path>', 'configuration to ask, or a cdktf.out folder; - reads standard input')
    .option('--environment <name>', 'environment or stack, when the folder has several')
    .option('--from <address>', 'sender')
    .option('--to <address>', 'recipient; one of the two is ours, which gives the direction')
    .addOption(new Option('--kind <kind>', 'kind of stanza').choices(STANZA_KINDS))
    .addOption(new Option('--tls <yes|no>', "whether the partner's stream is encrypted").choices(['yes', 'no']))
    .addOption(new Option('--method <method>', 'how the stream proves the domain').choices(AUTH_METHODS))
    .addOption(new Option('--certificate <state>', "the partner's certificate").choices(['valid', 'invalid']))
    .option('--contact-listed', "the remote address is on our user's contact list")
    .option('--what-if <path=value>', 'ask again with this option changed (repeatable)', collect)
    .option('--matrix', 'instead of one stanza: every partner and kind, for each class of users')
    .option('--user <address>', 'the matrix for this local user only')
    .option('--gateway <url>', 'warn when the gateway with this admin address runs another configuration')
    .option('--json', 'print the answer as JSON')
    .addHelpText('after', HELP)
    .action(async (options: ExplainOptions, command: Command) => {
      const missing = missingOptions(options);
      if (missing !== undefined) command.error(`error: ${missing}`);
      process.exitCode = await runExplain(options, processTerminal());
    });
}

const HELP = `
--what-if takes a path as it is printed, with list entries by number or name:
  --what-if 'xmppAllowedPartners[fabrikam.com].partnerType=Federated'
A value is JSON or plain text; no value takes the option away; [] is a new entry.

Exit status: 0 when allowed (with --what-if: after the change), 3 when refused, 1 on bad input; --matrix: 0 or 1.`;

function collect(value: string, previous: readonly string[] = []): readonly string[] {
  return [...previous, value];
}

function missingOptions({ from, to, kind, matrix, user }: ExplainOptions): string | undefined {
  if (matrix === true) return undefined;
  if (user !== undefined) return 'expected --matrix with --user';
  const missing = Object.entries({ from, to, kind }).filter(([, value]) => value === undefined);
  if (missing.length === 0) return undefined;
  return `expected ${missing.map(([name]) => `--${name}`).join(', ')}, or --matrix`;
}

/** Returns the exit status: 0 allowed, 3 refused, 1 when the question makes no sense. */
export async function runExplain(options: ExplainOptions, terminal: Terminal): Promise<0 | 1 | 3> {
  const text = await readFederationText(options.config, terminal, options.environment);
  const before = text.ok ? readFederation(text.value.json) : text;
  const changed =
    text.ok && before.ok && options.whatIf !== undefined ? applyChanges(text.value.json, options.whatIf) : undefined;
  const errors = before.ok ? (changed?.ok === false ? changed.errors : []) : before.errors;
  if (!before.ok || changed?.ok === false) {
    for (const finding of errors) terminal.stderr.write(findingLine(finding, terminal));
    return 1;
  }
  const index = indexFederation(before.value);
  const gateway = options.gateway === undefined ? undefined : await askGateway(options.gateway);
  if (gateway !== undefined) warnAbout(gateway, index.digest, terminal);
  const after =
    changed === undefined
      ? undefined
      : { index: indexFederation(changed.value.config), changes: changed.value.changes };
  const asked: Asked = {
    index,
    ...(after === undefined ? {} : { after }),
    ...(gateway === undefined ? {} : { gateway }),
  };
  return options.matrix === true ? showMatrix(options, asked, terminal) : showStanza(options, asked, terminal);
}

/** The configuration asked about. */
export interface Asked {
  readonly index: FederationIndex;
  /** The same with the changes of `--what-if`. */
  readonly after?: { readonly index: FederationIndex; readonly changes: readonly AppliedChange[] };
  readonly gateway?: RunningGateway;
}

function warnAbout(gateway: RunningGateway, digest: string, terminal: Terminal): void {
  if ('digest' in gateway && gateway.digest === digest) return;
  const warning =
    'problem' in gateway
      ? `the gateway at ${gateway.url} could not be asked: ${gateway.problem}`
      : `the gateway at ${gateway.url} runs ${gateway.digest}, not this configuration (${digest})`;
  terminal.stderr.write(`${coloured(terminal, 'yellow', 'warning')}: ${warning}\n`);
}
