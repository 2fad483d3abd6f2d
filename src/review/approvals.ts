import { z } from 'zod';
import { nameOf, oneOf, wholeNumber } from '../config/field.ts';
import { errorAt, type Finding, type Result } from '../config/finding.ts';
import { didYouMean } from '../config/suggestion.ts';
import { readDocument } from './document.ts';
import type { Review } from './model.ts';
import { DIRECTIONS, isAtLeast, type Rating, type Risk } from './rating.ts';
import { thresholds } from './thresholds.ts';

const PATTERN = 'the name of an environment, "*" or the start of a name such as "prod-*"';
const person = () => nameOf('a person');

const requirement = z.strictObject({
  environments: z
    .array(z.string({ error: PATTERN }).regex(/^(?:\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63}\*?)$/, { error: PATTERN }))
    .min(1, { error: 'at least one environment' })
    .default(['*'])
    .describe('Where it holds: names, `*`, or the start of a name such as `prod-*`.'),
  risk: oneOf('low', 'medium', 'high', 'critical').describe('Holds for changes of this risk or more.'),
  directions: z
    .array(oneOf(...DIRECTIONS))
    .min(1, { error: 'at least one direction' })
    .default([...DIRECTIONS])
    .describe('Holds for changes in one of these directions.'),
  rules: z
    .array(z.string({ error: 'the id of a rule' }))
    .optional()
    .describe('Holds only for changes rated by one of these rules; all when left out.'),
  approvers: z
    .array(nameOf('a group'))
    .min(1, { error: 'at least one group' })
    .describe('Groups of which somebody must approve.'),
  count: wholeNumber(1, 100).default(1).describe('How many people of these groups together.'),
});

/** Who must approve what: a file in the repository, always read from the base of a review. */
export const reviewPolicy = z.strictObject({
  version: z
    .literal(1, { error: '1, the only version of this document there is' })
    .describe('Version of this document.'),
  groups: z
    .record(nameOf('a group'), z.array(person()).min(1, { error: 'at least one person' }))
    .describe('People, by the names under which they approve. Upper and lower case are the same.'),
  requirements: z.array(requirement).describe('All that apply to a review must be met.'),
  thresholds: thresholds.prefault({}).describe('From where on a change is alarming for its size alone.'),
});
export type ReviewPolicy = z.output<typeof reviewPolicy>;

/** JSON Schema (draft 2020-12) of a policy file, for editors: defaults may be left out. */
export function reviewPolicyJsonSchema(): object {
  const schema = z.toJSONSchema(reviewPolicy, { io: 'input', unrepresentable: 'any' });
  return { ...schema, title: 'Who must approve what of an XMPP federation' };
}

const approvals = z.array(
  z.strictObject({
    by: person().describe('Who approves.'),
    digest: z
      .string({ error: 'the digest of a review' })
      .regex(/^sha256:[0-9a-f]{64}$/, { error: 'the digest of a review: sha256: and 64 hexadecimal digits' })
      .describe('Digest of the review that was approved.'),
  }),
);
export type Approval = z.output<typeof approvals>[number];

/** A requirement that applies, and how far it is met. */
export interface RequirementStatus {
  /** Position in the policy; `fail-on` for the one that --fail-on makes. */
  readonly source: string;
  readonly risk: Risk;
  readonly approvers: readonly string[];
  readonly count: number;
  readonly approvedBy: readonly string[];
  readonly isMet: boolean;
}

export interface ApprovalStatus {
  readonly outcome: 'unchanged' | 'not-needed' | 'approved' | 'needed';
  readonly requirements: readonly RequirementStatus[];
  /** Approvals that do not count, and why. */
  readonly ignored: readonly { readonly by: string; readonly why: string }[];
}

/** Reads a policy file; everything wrong with it at once. */
export function readReviewPolicy(json: string): Result<ReviewPolicy> {
  const result = readDocument(reviewPolicy, json);
  if (!result.ok) return result;
  const errors = result.value.requirements.flatMap((entry, i) => requirementErrors(entry, i, result.value));
  return errors.length === 0 ? result : { ok: false, errors };
}

export function readApprovals(json: string): Result<readonly Approval[]> {
  return readDocument(approvals, json);
}

export interface ApprovalFacts {
  readonly policy?: ReviewPolicy;
  readonly approvals?: readonly Approval[];
  /** Who made the change, and so cannot approve it. */
  readonly author?: string;
  /** Risk from which on somebody must approve even where the policy asks nobody. */
  readonly failOn?: Risk | 'never';
}

/**
 * Whether a review may pass. Without a policy, and without `failOn`, every change with a risk needs somebody's approval.
 * An approval counts for the very review whose digest it names.
 */
export function judgeApproval(review: Review, facts: ApprovalFacts): ApprovalStatus {
  if (review.isEmpty) return { outcome: 'unchanged', requirements: [], ignored: [] };
  const { counting, ignored } = sortApprovals(review, facts);
  const requirements = requirementsFor(review, facts).map((asked) => statusOf(asked, counting, facts.policy));
  const outcome =
    requirements.length === 0 ? 'not-needed' : requirements.every(({ isMet }) => isMet) ? 'approved' : 'needed';
  return { outcome, requirements, ignored };
}

type Asked = Pick<RequirementStatus, 'source' | 'risk' | 'approvers' | 'count'>;

function requirementsFor(review: Review, { policy, failOn }: ApprovalFacts): readonly Asked[] {
  const asked = (policy?.requirements ?? []).flatMap((entry, i): Asked[] => {
    if (!entry.environments.some((pattern) => matches(pattern, review.environment))) return [];
    if (!ratingsIn(review).some((rating) => isConcerned(entry, rating))) return [];
    return [{ source: `requirements[${i}]`, risk: entry.risk, approvers: entry.approvers, count: entry.count }];
  });
  const threshold = failOn ?? (policy === undefined ? 'low' : 'never');
  if (asked.length > 0 || threshold === 'never' || !isAtLeast(review.risk, threshold)) return asked;
  return [{ source: 'fail-on', risk: threshold, approvers: Object.keys(policy?.groups ?? {}), count: 1 }];
}

function isConcerned(entry: ReviewPolicy['requirements'][number], { rule, risk, direction }: Rating): boolean {
  if (!isAtLeast(risk, entry.risk) || !entry.directions.includes(direction)) return false;
  return entry.rules === undefined || entry.rules.includes(rule);
}

function ratingsIn(review: Review): readonly Rating[] {
  return [...review.exposures, ...review.options, ...review.resources, ...review.blastRadius.alarms];
}

function matches(pattern: string, environment: string): boolean {
  return pattern.endsWith('*') ? environment.startsWith(pattern.slice(0, -1)) : pattern === environment;
}

function sortApprovals(
  review: Review,
  { approvals: given = [], author }: ApprovalFacts,
): { readonly counting: readonly string[]; readonly ignored: ApprovalStatus['ignored'] } {
  const counting = new Map<string, string>();
  const ignored: { by: string; why: string }[] = [];
  for (const { by, digest } of given) {
    if (digest !== review.digest) ignored.push({ by, why: 'approved another review' });
    else if (author !== undefined && fold(by) === fold(author)) ignored.push({ by, why: 'is the author' });
    else counting.set(fold(by), by);
  }
  return { counting: [...counting.values()].sort(), ignored };
}

// Without groups, as there are none without a policy, anybody but the author will do.
function statusOf(asked: Asked, counting: readonly string[], policy: ReviewPolicy | undefined): RequirementStatus {
  const people = policy === undefined ? new Set<string>() : peopleIn(policy, asked.approvers);
  const approvedBy = policy === undefined ? counting : counting.filter((name) => people.has(fold(name)));
  return { ...asked, approvedBy, isMet: approvedBy.length >= asked.count };
}

function requirementErrors(entry: ReviewPolicy['requirements'][number], i: number, policy: ReviewPolicy): Finding[] {
  const known = Object.keys(policy.groups);
  const errors = entry.approvers.flatMap((group, j) => {
    if (known.includes(group)) return [];
    const message = `expected one of the groups, got "${group}"${didYouMean(group, known)}`;
    return [errorAt(`requirements[${i}].approvers[${j}]`, 'unknown-group', message)];
  });
  const people = peopleIn(policy, entry.approvers);
  if (errors.length > 0 || people.size >= entry.count) return errors;
  const message = `expected at most as many as the groups have people (${people.size}), got ${entry.count}`;
  return [errorAt(`requirements[${i}].count`, 'too-few-approvers', message)];
}

function peopleIn({ groups }: ReviewPolicy, names: readonly string[]): ReadonlySet<string> {
  const members = Object.entries(groups).flatMap(([name, people]) => (names.includes(name) ? people : []));
  return new Set(members.map(fold));
}

function fold(name: string): string {
  return name.toLowerCase();
}
