/**
 * What a review costs: 10 000 partners, each with an additional domain, and 1 000 000 granted users.
 *
 *   node --import tsx bench/review.ts [partners] [users]
 *
 * All times are CPU seconds of this process (user and system, garbage collection included), from two parsed
 * configurations to the review and its rendering; the command line reads and parses them first, which `read` shows for
 * one side. "varied" partners all have different settings before and after, so that nothing can be taken together.
 */
import {
  canonicalJson,
  type FederationConfig,
  type FederationConfigProps,
  readFederation,
} from '../src/config/index.ts';
import { judgeApproval } from '../src/review/approvals.ts';
import { renderMarkdown } from '../src/review/markdown.ts';
import { renderJson } from '../src/review/report.ts';
import { reviewFederation } from '../src/review/review.ts';

const partnerCount = Number(process.argv[2] ?? 10_000);
const userCount = Number(process.argv[3] ?? 1_000_000);

type Partner = NonNullable<FederationConfigProps['xmppAllowedPartners']>[number];

const KINDS = ['message', 'presence', 'iq'] as const;
const TLS = ['Required', 'Optional'] as const;

function main(): void {
  const few = federation({ users: 1_000 });
  scenario('nothing changed', few, few);
  scenario('1 % of the partners weakened', few, federation({ users: 1_000, partner: (i) => weakened(i % 100 === 0) }));
  scenario('all partners weakened', few, federation({ users: 1_000, partner: () => weakened(true) }));
  scenario('half of the partners removed', few, federation({ users: 1_000, keep: (i) => i % 2 === 0 }));
  scenario(
    'all partners varied',
    federation({ users: 1_000, partner: varied }),
    federation({ users: 1_000, partner: (i) => varied(i + 7) }),
  );
  const many = federation({ users: userCount });
  scenario(`${userCount} users, 0.1 % of them new`, federation({ users: Math.floor(userCount * 0.999) }), many);
  scenario(`${userCount} users change policy`, many, federation({ users: userCount, policy: 'Support' }));
}

interface Shape {
  readonly users: number;
  readonly policy?: string;
  readonly partner?: (i: number) => Partial<Partner>;
  readonly keep?: (i: number) => boolean;
}

function federation({ users, policy = 'Sales', partner = () => ({}), keep = () => true }: Shape): string {
  const partners = Array.from({ length: partnerCount }, (_, i) => ({
    domain: `partner${i}.example`,
    additionalDomains: [`chat.partner${i}.example`],
    partnerType: 'Federated' as const,
    ...partner(i),
  }));
  const config: FederationConfigProps = {
    version: 1,
    environment: 'bench',
    domains: [{ domain: 'contoso.com' }],
    accessEdgeConfiguration: { allowFederatedUsers: true },
    xmppAllowedPartners: partners.filter((_, i) => keep(i)),
    externalAccessPolicies: ['Sales', 'Support'].map((identity) => ({
      identity,
      enableFederationAccess: true,
      enableXmppAccess: identity === 'Sales',
    })),
    grants: [{ policyName: policy, users: Array.from({ length: users }, (_, i) => `user${i}@contoso.com`) }],
    sip: { nextHops: [{ fqdn: 'pool.contoso.com' }] },
  };
  return JSON.stringify(config);
}

function weakened(yes: boolean): Partial<Partner> {
  return yes ? { tlsNegotiation: 'Optional', saslNegotiation: 'Optional' } : {};
}

function varied(i: number): Partial<Partner> {
  return {
    tlsNegotiation: TLS[i % 2] ?? 'Required',
    saslNegotiation: i % 3 === 0 ? 'Optional' : 'Required',
    partnerType: i % 5 === 0 ? 'PublicUnverified' : 'Federated',
    allowedStanzaKinds: KINDS.filter((_, k) => ((i >> k) & 1) === 0),
    messageRateLimit: 1 + (i % 1000),
    connectionLimit: 1 + (i % 900),
  };
}

function scenario(label: string, before: string, after: string): void {
  const base = readOrThrow(before);
  const head = readOrThrow(after);
  const canonical = canonicalJson(base);
  const read = timed(() => readOrThrow(canonical));
  const { result: review, seconds } = timed(() =>
    reviewFederation({ label: 'base', config: base }, { label: 'head', config: head }),
  );
  const rendered = timed(() => {
    const environments = [{ review, approval: judgeApproval(review, {}) }];
    return [renderMarkdown(environments, 'bench'), renderJson(environments)].map((text) => text.length);
  });
  const figures = [
    `review ${seconds.toFixed(2)} s`,
    `render ${rendered.seconds.toFixed(2)} s`,
    `(read ${read.seconds.toFixed(2)} s)`,
    `${review.options.length} options, ${review.exposures.length} verdicts, Markdown ${rendered.result[0]} characters`,
  ];
  process.stdout.write(`${label.padEnd(36)} ${figures.join('  ')}\n`);
}

function readOrThrow(json: string): FederationConfig {
  const result = readFederation(json);
  if (result.ok) return result.value;
  throw new Error(result.errors.map(({ path, message }) => `${path}: ${message}`).join('\n'));
}

function timed<T>(work: () => T): { readonly result: T; readonly seconds: number } {
  const start = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(start);
  return { result, seconds: (user + system) / 1e6 };
}

main();
