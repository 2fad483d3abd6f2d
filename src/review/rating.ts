/** How much harm a change may do, least first. `none` cannot change who reaches whom. */
export const RISKS = ['none', 'low', 'medium', 'high', 'critical'] as const;
export type Risk = (typeof RISKS)[number];

/** Whether a change lets more pass, less, or neither. */
export const DIRECTIONS = ['broadening', 'narrowing', 'neutral'] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** What one row of the rules says about the changes it applies to. */
export interface RiskRule {
  readonly id: string;
  readonly risk: Risk;
  readonly direction: Direction;
  /** Why, in a sentence for the reviewer. */
  readonly reason: string;
}

/** What a change was found to be, by the first rule that applies to it. */
export interface Rating {
  readonly rule: string;
  readonly risk: Risk;
  readonly direction: Direction;
  readonly reason: string;
}

export function isAtLeast(risk: Risk, threshold: Risk): boolean {
  return RISKS.indexOf(risk) >= RISKS.indexOf(threshold);
}

export function worstRisk(rated: Iterable<{ readonly risk: Risk }>): Risk {
  let worst: Risk = 'none';
  for (const { risk } of rated) if (isAtLeast(risk, worst)) worst = risk;
  return worst;
}

/** `mixed` when some changes broaden and others narrow. Changes without risk do not count. */
export function overallDirection(rated: Iterable<Pick<Rating, 'risk' | 'direction'>>): Direction | 'mixed' {
  const found = new Set<Direction>();
  for (const { risk, direction } of rated) if (risk !== 'none') found.add(direction);
  if (found.has('broadening')) return found.has('narrowing') ? 'mixed' : 'broadening';
  return found.has('narrowing') ? 'narrowing' : 'neutral';
}

export function ratingOf({ id, risk, direction, reason }: RiskRule): Rating {
  return { rule: id, risk, direction, reason };
}
