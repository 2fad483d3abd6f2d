import {
  type Decision,
  type FederationIndex,
  type ReachCell,
  type ReachRow,
  reachMatrix,
  STANZA_KINDS,
  type StanzaKind,
  type UserClass,
} from '../policy/index.ts';

/**
 * Who may start: `both`; `listed` (we always, they once our user has listed the contact); `out` (only we); `in` (only
 * they); `in listed`; `no`.
 */
export type Reach = 'both' | 'listed' | 'out' | 'in' | 'in listed' | 'no';

/** The matrix of one class of users, as printed with `--json`. */
export interface MatrixJson {
  /** Identity of the policy the users hold. */
  readonly policy: string;
  readonly scope: 'user' | 'site' | 'global';
  readonly path: string;
  readonly through: readonly string[];
  readonly partners: readonly (Omit<ReachRow, 'cells'> & {
    readonly kinds: Readonly<Record<StanzaKind, ReachCell & { readonly reach: Reach }>>;
  })[];
}

export function matrixJson(user: UserClass, index: FederationIndex): MatrixJson {
  const { policy, scope, path } = user.effective;
  return {
    policy: policy.identity,
    scope,
    path,
    through: user.through,
    partners: reachMatrix(user, index).map(({ cells, ...row }) => {
      const named = (kind: StanzaKind) => ({ reach: reachOf(cells[kind]), ...cells[kind] });
      const [message, subscribe, presence, iq] = [named('message'), named('subscribe'), named('presence'), named('iq')];
      return { ...row, kinds: { message, subscribe, presence, iq } };
    }),
  };
}

/** A table for people: partners down, kinds across, and below it which settings stand in the way. */
export function matrixText(title: string, user: UserClass, index: FederationIndex): string {
  const { partners } = matrixJson(user, index);
  const heading = [title, ...(partners.length === 0 ? ['  no partners'] : [])];
  if (partners.length === 0) return `${heading.join('\n')}\n`;
  const rows = [
    ['partner', ...STANZA_KINDS, 'proved by'],
    ...partners.map(({ domains, methods, kinds }) => [
      domainsText(domains),
      ...STANZA_KINDS.map((kind) => kinds[kind].reach),
      methods.join(', '),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd(),
  );
  const reasons = new Map<string, Set<string>>();
  for (const { domains, kinds } of partners) {
    for (const kind of STANZA_KINDS) addReasons(reasons, kinds[kind], domains[0] ?? '');
  }
  const why = Array.from(reasons, ([reason, names]) => `  ${reason}: ${domainsText([...names], 3)}`);
  return `${[...heading, ...lines, ...why].join('\n')}\n`;
}

export const MATRIX_LEGEND =
  'both: either side may start; listed: we may, they once our user has listed the contact; out: only we; in: only they\n';

function reachOf({ outbound, inbound, inboundListed }: ReachCell): Reach {
  const isOut = isAllowed(outbound);
  if (isAllowed(inbound)) return isOut ? 'both' : 'in';
  if (isAllowed(inboundListed)) return isOut ? 'listed' : 'in listed';
  return isOut ? 'out' : 'no';
}

function isAllowed(decision: Decision): boolean {
  return decision.verdict === 'allow';
}

function addReasons(reasons: Map<string, Set<string>>, cell: ReachCell, domain: string): void {
  for (const decision of [cell.outbound, cell.inbound]) {
    if (decision.verdict === 'allow') continue;
    const reason = `${decision.reason} (${decision.path})`;
    const names = reasons.get(reason);
    if (names === undefined) reasons.set(reason, new Set([domain]));
    else names.add(domain);
  }
}

function domainsText(domains: readonly string[], shown = 1): string {
  const rest = domains.length - shown;
  return rest > 0 ? `${domains.slice(0, shown).join(', ')} and ${rest} more` : domains.join(', ');
}
