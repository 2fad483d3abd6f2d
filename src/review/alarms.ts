import type { BlastRadius } from './model.ts';
import type { RiskRule } from './rating.ts';
import { isLargeShare, type Thresholds } from './thresholds.ts';
import { counted, numeral } from './words.ts';

/** The change as a whole. */
export interface WholeChange extends Omit<BlastRadius, 'alarms'> {
  /** What Terraform's plan says about itself; undefined without a plan. */
  readonly plan?: PlanState;
}

export interface PlanState {
  /** Digest of the configuration it would deploy; undefined when it says nothing about it. */
  readonly federationDigest?: string;
  /** Digest of the configuration reviewed; null when there is none. */
  readonly reviewedDigest: string | null;
  readonly isComplete: boolean;
}

/** A rule about the change as a whole. Every row that applies raises an alarm. */
export interface AlarmRule extends RiskRule {
  /** What is alarming, in figures; undefined when nothing is. */
  readonly sentenceFor: (change: WholeChange, thresholds: Thresholds) => string | undefined;
}

export const ALARM_RULES: readonly AlarmRule[] = [
  {
    id: 'partners-removed-in-mass',
    risk: 'critical',
    direction: 'narrowing',
    reason: 'So many at once are more often a mistake than a decision.',
    sentenceFor: ({ partners }, thresholds) =>
      partnerShare(partners.removed, partners.before, 'are removed', thresholds) ??
      (partners.removed > 1 && partners.after === 0
        ? `All ${numeral(partners.before)} partners are removed.`
        : undefined),
  },
  {
    id: 'partners-added-in-mass',
    risk: 'high',
    direction: 'broadening',
    reason: 'So many at once can hardly have been looked at one by one.',
    sentenceFor: ({ partners }, thresholds) => partnerShare(partners.added, partners.after, 'are new', thresholds),
  },
  {
    id: 'partners-changed-in-mass',
    risk: 'high',
    direction: 'neutral',
    reason: 'So many at once can hardly have been looked at one by one.',
    sentenceFor: ({ partners }, thresholds) =>
      partnerShare(partners.changed, Math.max(partners.before, partners.after), 'change', thresholds),
  },
  {
    id: 'users-gain-in-mass',
    risk: 'high',
    direction: 'broadening',
    reason: 'A large part of the organisation becomes reachable, or may write out.',
    sentenceFor: ({ users }, thresholds) => userShare(users.gaining, users.known, 'gain', thresholds),
  },
  {
    id: 'users-lose-in-mass',
    risk: 'high',
    direction: 'narrowing',
    reason: 'A large part of the organisation is cut off from something.',
    sentenceFor: ({ users }, thresholds) => userShare(users.losing, users.known, 'lose', thresholds),
  },
  {
    id: 'plan-of-another-configuration',
    risk: 'critical',
    direction: 'neutral',
    reason: 'What was reviewed is not what would be deployed.',
    sentenceFor: ({ plan }) => {
      if (plan?.federationDigest === undefined || plan.federationDigest === plan.reviewedDigest) return undefined;
      return `The Terraform plan would deploy ${plan.federationDigest}, not the configuration reviewed.`;
    },
  },
  {
    id: 'plan-incomplete',
    risk: 'medium',
    direction: 'neutral',
    reason: 'More may change than is seen here.',
    sentenceFor: ({ plan }) =>
      plan === undefined || plan.isComplete ? undefined : 'The Terraform plan leaves changes to a later run.',
  },
];

function partnerShare(part: number, whole: number, what: string, thresholds: Thresholds): string | undefined {
  if (!isLargeShare(part, whole, thresholds.partnerShare, thresholds.smallest)) return undefined;
  return `${numeral(part)} of ${counted(whole, 'partner')} ${what} (${percent(part, whole)}).`;
}

function userShare(part: number, whole: number, what: string, thresholds: Thresholds): string | undefined {
  if (!isLargeShare(part, whole, thresholds.userShare, thresholds.smallest)) return undefined;
  return `${numeral(part)} of ${counted(whole, 'user')} known by address ${what} something (${percent(part, whole)}).`;
}

function percent(part: number, whole: number): string {
  return `${Math.floor((100 * part) / whole)} %`;
}
