import type { ApprovalStatus, RequirementStatus } from './approvals.ts';
import type { Review } from './model.ts';
import { counted, enumerated, numeral } from './words.ts';

const MAX_IGNORED = 5;

/** `2 verdicts, 1 option and 3 resources changed`; of no changes `nothing changed`. */
export function changesInWords({ exposures, options, resources }: Review): string {
  const parts = [
    ...(exposures.length > 0 ? [counted(exposures.length, 'verdict')] : []),
    ...(options.length > 0 ? [counted(options.length, 'option')] : []),
    ...(resources.length > 0 ? [counted(resources.length, 'resource')] : []),
  ];
  return parts.length === 0 ? 'nothing changed' : `${enumerated(parts)} changed`;
}

/** Partners before and after, and how many users gain or lose something. */
export function blastInWords({ blastRadius: { partners, users } }: Review): string {
  const [before, after, added, removed, changed] = [
    partners.before,
    partners.after,
    partners.added,
    partners.removed,
    partners.changed,
  ].map(numeral);
  const beyond = BEYOND[users.openEnded];
  return (
    `partners: ${before} before, ${after} after; ${added} added, ${removed} removed, ${changed} changed. ` +
    `Users known by address: ${numeral(users.known)}; with partners that stay, ` +
    `${numeral(users.gaining)} gain and ${numeral(users.losing)} lose something${beyond}`
  );
}

const BEYOND: Readonly<Record<Review['blastRadius']['users']['openEnded'], string>> = {
  none: '',
  gaining: '; others gain too',
  losing: '; others lose too',
  both: '; others do too',
};

/** One sentence for each requirement, or why there is none. */
export function approvalInWords({ outcome, requirements, ignored }: ApprovalStatus): readonly string[] {
  if (outcome === 'unchanged') return ['Nothing changed, so there is nothing to approve.'];
  if (outcome === 'not-needed') return ['No approval is needed.'];
  return [
    ...requirements.map(requirementInWords),
    ...ignored.slice(0, MAX_IGNORED).map(({ by, why }) => `The approval of ${by} does not count: ${by} ${why}.`),
    ...(ignored.length > MAX_IGNORED ? [`${ignored.length - MAX_IGNORED} more approvals do not count.`] : []),
  ];
}

function requirementInWords({ risk, approvers, count, approvedBy, isMet }: RequirementStatus): string {
  const whose = approvers.length === 0 ? 'somebody other than the author' : enumerated(approvers);
  const needed = `A change of ${risk} risk or more needs ${counted(count, 'approval')} of ${whose}`;
  const given = approvedBy.length === 0 ? 'none so far' : `given by ${enumerated(approvedBy)}`;
  return `${needed}: ${isMet ? '' : 'not there yet, '}${given}.`;
}
