import { z } from 'zod';

/** From where on a change is alarming for its size alone. */
export const thresholds = z
  .strictObject({
    partnerShare: z
      .number()
      .min(0)
      .max(1)
      .default(0.3)
      .describe('Share of all partners from which on adding, removing or changing them raises an alarm.'),
    userShare: z
      .number()
      .min(0)
      .max(1)
      .default(0.3)
      .describe('Share of the users known by address from which on their gaining or losing something raises an alarm.'),
    smallest: z
      .int()
      .min(1)
      .default(10)
      .describe('Shares of fewer partners, or users, than this mean nothing and raise no alarm.'),
  })
  .readonly();
export type Thresholds = z.output<typeof thresholds>;

export const DEFAULT_THRESHOLDS: Thresholds = thresholds.parse({});

/** Whether `part` is a share of `whole` that counts as large. */
export function isLargeShare(part: number, whole: number, share: number, smallest: number): boolean {
  return part > 0 && whole >= smallest && part >= whole * share;
}
