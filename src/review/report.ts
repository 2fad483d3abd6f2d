import { z } from 'zod';
import type { ApprovalStatus } from './approvals.ts';
import { type Review, reviewSchema } from './model.ts';
import { RISKS } from './rating.ts';

/** A review and whether it may pass: what every renderer is given, one for each environment. */
export interface ReviewedEnvironment {
  readonly review: Review;
  readonly approval: ApprovalStatus;
}

const OUTCOMES = ['unchanged', 'not-needed', 'approved', 'needed'] as const satisfies ApprovalStatus['outcome'][];

const approval = z
  .strictObject({
    outcome: z.enum(OUTCOMES).describe('Whether somebody must approve, and has.'),
    requirements: z
      .array(
        z.strictObject({
          source: z.string().describe('Its place in the policy file, or `fail-on`.'),
          risk: z.enum(RISKS),
          approvers: z.array(z.string()).readonly().describe('Groups; empty means anybody but the author.'),
          count: z.int().min(1),
          approvedBy: z.array(z.string()).readonly(),
          isMet: z.boolean(),
        }),
      )
      .readonly(),
    ignored: z
      .array(z.strictObject({ by: z.string(), why: z.string() }))
      .readonly()
      .describe('Approvals that do not count.'),
  })
  .readonly();

/** What `--format json` prints: version 1. */
export const reviewReport = z.strictObject({
  formatVersion: z.literal(1).describe('Version of this document; properties may be added without a new one.'),
  reviews: z
    .array(z.strictObject({ ...reviewSchema.unwrap().shape, approval }).readonly())
    .readonly()
    .describe('One for each environment, in order of name.'),
});
export type ReviewReport = z.output<typeof reviewReport>;

/** JSON Schema (draft 2020-12) of {@link ReviewReport}. */
export function reviewJsonSchema(): object {
  const schema = z.toJSONSchema(reviewReport, { io: 'output', unrepresentable: 'any' });
  return { ...schema, title: 'Review of an XMPP federation' };
}

export function reportOf(environments: readonly ReviewedEnvironment[]): ReviewReport {
  return {
    formatVersion: 1,
    reviews: environments.map(({ review, approval: status }) => ({ ...review, approval: status })),
  };
}

export function renderJson(environments: readonly ReviewedEnvironment[]): string {
  return `${JSON.stringify(reportOf(environments), null, 2)}\n`;
}
