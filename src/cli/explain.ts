import { Command, Option } from 'commander';
import type { FederationConfig } from '../config/index.ts';
import {
  AUTH_METHODS,
  type AuthMethod,
  type Explanation,
  explainStanza,
  type FederationIndex,
  type GateOutcome,
  indexFederation,
  isMethodAllowed,
  refusalOf,
  type StanzaFacts,
  type StanzaKind,
  type StreamProof,
} from '../policy/index.ts';
import { type Jid, parseJid } from '../runtime/xmpp/jid.ts';
import { findingLine, readFederationFile } from './federation-file.ts';
import { coloured, processTerminal, type Terminal } from './terminal.ts';

const KINDS = ['message', 'subscribe', 'presence', 'iq'] as const satisfies readonly StanzaKind[];

export interface ExplainOptions {
  readonly config: string;
  readonly from: string;
  readonly to: string;
  readonly kind: StanzaKind;
  readonly tls?: 'yes' | 'no';
  readonly method?: AuthMethod;
  readonly certificate?: 'valid' | 'invalid';
  readonly contactListed?: boolean;
  readonly json?: boolean;
}

/** `xmpp-federation explain`: what the gateway would decide about a stanza, and which setting decides. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('explain whether a stanza may pass, and which setting decides')
    .requiredOption('--config <file>', 'configuration to ask; - reads standard input')
    .requiredOption('--from <address>', 'sender')
    .requiredOption('--to <address>', 'recipient; one of the two is ours, which gives the direction')
    .addOption(new Option('--kind <kind>', 'kind of stanza').choices(KINDS).makeOptionMandatory())
    .addOption(new Option('--tls <yes|no>', "whether the partner's stream is encrypted").choices(['yes', 'no']))
    .addOption(new Option('--method <method>', 'how the stream proves the domain').choices(AUTH_METHODS))
    .addOption(new Option('--certificate <state>', "the partner's certificate").choices(['valid', 'invalid']))
    .option('--contact-listed', "the remote address is on our user's contact list")
    .option('--json', 'print the decision and its gates as JSON')
    .addHelpText('after', '\nExit status: 0 when allowed, 3 when refused, 1 on bad input.')
    .action(async (options: ExplainOptions) => {
      process.exitCode = await runExplain(options, processTerminal());
    });
}

/** Returns the exit status: 0 allowed, 3 refused, 1 when the question makes no sense. */
export async function runExplain(options: ExplainOptions, terminal: Terminal): Promise<0 | 1 | 3> {
  const result = await readFederationFile(options.config, terminal);
  if (!result.ok) {
    for (const finding of result.errors) terminal.stderr.write(findingLine(finding, terminal));
    return 1;
  }
  const question = readQuestion(options, result.value);
  if (typeof question === 'string') {
    terminal.stderr.write(`${question}\n`);
    return 1;
  }
  const { facts, stream, index } = question;
  const explanation = explainStanza(facts, index, stream);
  const text = options.json === true ? asJson(facts, explanation, index) : asText(facts, explanation, terminal);
  terminal.stdout.write(text);
  return explanation.decision.verdict === 'allow' ? 0 : 3;
}

interface Question {
  readonly facts: StanzaFacts;
  readonly stream?: StreamProof;
  readonly index: FederationIndex;
}

// A string says why there is no question.
function readQuestion(options: ExplainOptions, config: FederationConfig): Question | string {
  const from = parseJid(options.from);
  if (from === undefined) return `--from: expected an XMPP address, got ${JSON.stringify(options.from)}`;
  const to = parseJid(options.to);
  if (to === undefined) return `--to: expected an XMPP address, got ${JSON.stringify(options.to)}`;
  const index = indexFederation(config);
  const isFromOurs = index.servedDomain(from.domain) !== undefined;
  const isToOurs = index.servedDomain(to.domain) !== undefined;
  if (isFromOurs === isToOurs) {
    const served = config.domains.map(({ domain }) => domain).join(', ');
    return `expected exactly one of --from and --to in a served domain (${served}), got ${isFromOurs ? 'both' : 'neither'}`;
  }
  const [local, remote] = isFromOurs ? [from, to] : [to, from];
  const facts = stanzaFacts(options, isFromOurs ? 'outbound' : 'inbound', local, remote);
  const stream = streamProof(options, remote.domain, index);
  if (typeof stream === 'string') return stream;
  return stream === undefined ? { facts, index } : { facts, stream, index };
}

function stanzaFacts(options: ExplainOptions, direction: 'inbound' | 'outbound', local: Jid, remote: Jid): StanzaFacts {
  return {
    direction,
    localUser: local.bare,
    localDomain: local.domain,
    remoteDomain: remote.domain,
    kind: options.kind,
    contactListed: options.contactListed === true,
  };
}

// Without --method: the best method that TLS, certificate and the partner's settings leave.
function streamProof(
  options: ExplainOptions,
  domain: string,
  index: FederationIndex,
): StreamProof | string | undefined {
  const { tls, method, certificate } = options;
  if (tls === undefined && method === undefined && certificate === undefined) return undefined;
  const isEncrypted = method === undefined ? tls !== 'no' : method !== 'tcp-dialback';
  if (tls !== undefined && isEncrypted !== (tls === 'yes')) return `--tls ${tls} contradicts --method ${method}`;
  if (certificate !== undefined && !isEncrypted) return '--certificate needs an encrypted stream';
  const certificateProves = isEncrypted && certificate !== 'invalid';
  return { method: method ?? bestMethod(isEncrypted, certificateProves, domain, index), certificateProves };
}

function bestMethod(
  isEncrypted: boolean,
  certificateProves: boolean,
  domain: string,
  index: FederationIndex,
): AuthMethod {
  if (!isEncrypted) return 'tcp-dialback';
  const [first, second]: readonly [AuthMethod, AuthMethod] = certificateProves
    ? ['sasl-over-tls', 'tls-dialback']
    : ['tls-dialback', 'sasl-over-tls'];
  const partner = index.partnerOf(domain)?.partner;
  return partner === undefined || isMethodAllowed(partner, first) ? first : second;
}

function asJson(facts: StanzaFacts, { decision, gates }: Explanation, index: FederationIndex): string {
  return `${JSON.stringify({ ...decision, ...facts, gates, digest: index.digest }, null, 2)}\n`;
}

function asText(facts: StanzaFacts, { decision, gates }: Explanation, terminal: Terminal): string {
  const allowed = decision.verdict === 'allow';
  const verdict = allowed
    ? coloured(terminal, 'green', 'allowed')
    : `${coloured(terminal, 'red', 'refused')}: ${decision.reason}`;
  const lines = [`${verdict} (${facts.direction} ${facts.kind}, ${facts.localUser} and ${facts.remoteDomain})`];
  for (const gate of gates) lines.push(...gateLines(gate, terminal));
  if (!allowed) {
    const { stanzaError, sipStatus } = refusalOf(decision.reason);
    const answer =
      facts.direction === 'inbound'
        ? `the partner is answered ${stanzaError.condition} (${stanzaError.type})`
        : `our user is answered ${sipStatus}`;
    lines.push(`  ${answer}`);
  }
  return `${lines.join('\n')}\n`;
}

function gateLines(gate: GateOutcome, terminal: Terminal): readonly string[] {
  const mark = gate.passed ? coloured(terminal, 'green', 'pass  ') : coloured(terminal, 'red', 'refuse');
  const value = gate.value === null ? '' : ` = ${JSON.stringify(gate.value)}`;
  return [`  ${mark}  ${gate.gate.padEnd(17)}  ${gate.path}${value}`, `${' '.repeat(29)}${gate.sentence}`];
}
