/**
 * What a large configuration costs: 10 000 partners (each with an additional domain) and 1 000 000 granted users.
 *
 *   node --expose-gc --import tsx bench/policy.ts [partners] [users]
 *
 * All times are CPU seconds of this process (user and system, garbage collection included), so other work on the
 * machine hardly shows. "shuffled" is a document nobody sorted: canonical documents, which is what synthesis writes,
 * skip the sorting. Decisions are those of `authorizeStanza` for addresses spread over all users and partners, most of
 * which miss the processor's caches; "one pair" repeats one question. The heap figures need --expose-gc.
 */
import { canonicalJson, type FederationConfig, lintFederation, readFederation } from '../src/config/index.ts';
import { authorizeStanza, indexFederation, type StanzaFacts } from '../src/policy/index.ts';

const partnerCount = Number(process.argv[2] ?? 10_000);
const userCount = Number(process.argv[3] ?? 1_000_000);

function main(): void {
  const source = sourceDocument();
  const before = heapMegabytes();
  const shuffled = timed(() => readOrThrow(source));
  const document = canonicalJson(shuffled.result);
  const parsed = timed(() => readOrThrow(document));
  const afterParse = heapMegabytes();
  const lint = timed(() => lintFederation(parsed.result));
  const indexed = timed(() => indexFederation(parsed.result));
  const afterIndex = heapMegabytes();

  const index = indexed.result;
  const questions = askedFacts();
  let allowed = 0;
  const ask = (facts: readonly StanzaFacts[], rounds: number) => {
    for (let round = 0; round < rounds; round++) {
      for (const fact of facts) if (authorizeStanza(fact, index).verdict === 'allow') allowed++;
    }
  };
  ask(questions, 5);
  // One round right after a collection pays for the collector's own bookkeeping; the next is short enough to end before
  // another collection hides what it allocates.
  globalThis.gc?.();
  ask(questions, 1);
  const heapBefore = heapUsed();
  ask(questions, 1);
  const grown = heapUsed() - heapBefore;
  const spreadOut = timed(() => ask(questions, 10));
  const one = timed(() => ask(questions.slice(0, 1), questions.length * 10));
  const denied = timed(() =>
    ask(
      questions.map((facts) => ({ ...facts, localUser: `nobody.${facts.localUser}` })),
      1,
    ),
  );

  print('document', `${(document.length / 1e6).toFixed(1)} MB, ${partnerCount} partners, ${userCount} users`);
  print('parse, shuffled document', `${shuffled.seconds.toFixed(2)} s`);
  print('parse, canonical document', `${parsed.seconds.toFixed(2)} s`);
  print('lint', `${lint.seconds.toFixed(2)} s (${lint.result.length} warnings)`);
  print('index and digest', `${indexed.seconds.toFixed(2)} s`);
  print('parse + lint + index', `${(parsed.seconds + lint.seconds + indexed.seconds).toFixed(2)} s`);
  print('allowed, spread over all', perSecond(questions.length * 10, spreadOut.seconds));
  print('allowed, one pair', perSecond(questions.length * 10, one.seconds));
  print('refused', perSecond(questions.length, denied.seconds));
  print('heap grown by the allowed ones', `${(grown / questions.length).toFixed(2)} bytes a decision`);
  print('heap, configuration', `${(afterParse - before).toFixed(0)} MB`);
  print('heap, index', `${(afterIndex - afterParse).toFixed(0)} MB`);
  print('resident', `${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`);
  if (allowed < questions.length * 20) throw new Error('decisions that should have been allowed were refused');
}

function sourceDocument(): string {
  const users = Array.from({ length: userCount }, (_, i) => `user${spread(i, userCount)}@contoso.com`);
  return JSON.stringify({
    version: 1,
    environment: 'bench',
    domains: [{ domain: 'contoso.com' }],
    accessEdgeConfiguration: { allowFederatedUsers: true },
    xmppAllowedPartners: Array.from({ length: partnerCount }, (_, i) => ({
      domain: `partner${spread(i, partnerCount)}.example`,
      additionalDomains: [`chat.partner${spread(i, partnerCount)}.example`],
      supportDialbackNegotiation: false,
      partnerType: 'Federated',
    })),
    externalAccessPolicies: ['Sales', 'Support'].map((identity) => ({
      identity,
      enableFederationAccess: true,
      enableXmppAccess: true,
    })),
    grants: [
      { policyName: 'Sales', users: users.slice(0, userCount / 2) },
      { policyName: 'Support', users: users.slice(userCount / 2) },
    ],
    sip: { nextHops: [{ fqdn: 'pool.contoso.com' }] },
  });
}

function askedFacts(): readonly StanzaFacts[] {
  return Array.from({ length: 100_000 }, (_, i) => ({
    direction: i % 2 === 0 ? 'inbound' : 'outbound',
    localUser: `user${spread(i, userCount)}@contoso.com`,
    localDomain: 'contoso.com',
    remoteDomain: `partner${spread(i, partnerCount)}.example`,
    kind: 'message',
    contactListed: false,
  }));
}

// A fixed shuffle: 7919 is prime, so this visits every number below `count` unless 7919 divides it.
function spread(i: number, count: number): number {
  return (i * 7919) % count;
}

function readOrThrow(json: string): FederationConfig {
  const result = readFederation(json);
  if (result.ok) return result.value;
  throw new Error(result.errors.map((finding) => `${finding.path}: ${finding.message}`).join('\n'));
}

function timed<T>(work: () => T): { readonly result: T; readonly seconds: number } {
  const start = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(start);
  return { result, seconds: (user + system) / 1e6 };
}

function heapUsed(): number {
  return process.memoryUsage().heapUsed;
}

function heapMegabytes(): number {
  globalThis.gc?.();
  return heapUsed() / 1e6;
}

function perSecond(count: number, seconds: number): string {
  return `${(count / seconds / 1e6).toFixed(2)} million per CPU second`;
}

function print(label: string, value: string): void {
  process.stdout.write(`${label.padEnd(32)} ${value}\n`);
}

main();
