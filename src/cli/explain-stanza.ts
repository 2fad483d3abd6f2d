import {
  type AuthMethod,
  type Explanation,
  explainStanza,
  type FederationIndex,
  type GateOutcome,
  isMethodAllowed,
  noDirection,
  refusalOf,
  type StanzaFacts,
  type StreamProof,
  stanzaBetween,
} from '../policy/index.ts';
import { parseJid } from '../runtime/xmpp/jid.ts';
import type { Asked, ExplainOptions } from './explain.ts';
import { gatewayJson } from './running-gateway.ts';
import { coloured, type Terminal } from './terminal.ts';
import { whatIfText } from './what-if.ts';

/** Prints the decision about one stanza, gate by gate; with changes, once more after them. Returns the exit status. */
export function showStanza(options: ExplainOptions, asked: Asked, terminal: Terminal): 0 | 1 | 3 {
  const [before, after] = [asked.index, asked.after?.index].map((index) => index && answerOf(options, index));
  const problem = [before, after].find((answer) => typeof answer === 'string');
  if (before === undefined || typeof before === 'string' || typeof after === 'string') {
    terminal.stderr.write(`${problem}\n`);
    return 1;
  }
  const decisive = after ?? before;
  if (options.json === true) {
    const json = {
      ...asJson(before),
      ...(asked.after === undefined ? {} : { whatIf: { changes: asked.after.changes, ...asJson(decisive) } }),
      ...(asked.gateway === undefined ? {} : { gateway: gatewayJson(asked.gateway, asked.index.digest) }),
    };
    terminal.stdout.write(`${JSON.stringify(json, null, 2)}\n`);
  } else {
    terminal.stdout.write(asText(before, terminal));
    if (asked.after !== undefined) {
      terminal.stdout.write(`\n${whatIfText(asked.after.changes)}\n${asText(decisive, terminal)}`);
    }
  }
  return decisive.explanation.decision.verdict === 'allow' ? 0 : 3;
}

interface Answer {
  readonly facts: StanzaFacts;
  readonly explanation: Explanation;
  readonly digest: string;
}

// A string says why there is no question.
function answerOf(options: ExplainOptions, index: FederationIndex): Answer | string {
  const { from: sender, to: recipient, kind, contactListed = false } = options;
  if (sender === undefined || recipient === undefined || kind === undefined) {
    return 'expected --from, --to and --kind, or --matrix';
  }
  const from = parseJid(sender);
  if (from === undefined) return `--from: expected an XMPP address, got ${JSON.stringify(sender)}`;
  const to = parseJid(recipient);
  if (to === undefined) return `--to: expected an XMPP address, got ${JSON.stringify(recipient)}`;
  const facts = stanzaBetween(from, to, { kind, contactListed }, index);
  if (facts === undefined) return noDirection(from, '--from and --to', index);
  const stream = streamProof(options, facts.remoteDomain, index);
  if (typeof stream === 'string') return stream;
  return { facts, explanation: explainStanza(facts, index, stream), digest: index.digest };
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

function asJson({ facts, explanation: { decision, gates }, digest }: Answer): object {
  return { ...decision, ...facts, gates, digest };
}

function asText({ facts, explanation: { decision, gates } }: Answer, terminal: Terminal): string {
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
