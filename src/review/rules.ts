import { ALARM_RULES } from './alarms.ts';
import { EXPOSURE_RULES } from './exposure-rules.ts';
import { OPTION_RULES } from './option-rules.ts';
import type { RiskRule } from './rating.ts';
import { RESOURCE_RULES } from './resource-rules.ts';

/** Every rule there is, by what it is about. */
export const RULES: readonly { readonly title: string; readonly rules: readonly RiskRule[] }[] = [
  { title: 'Verdicts that changed', rules: EXPOSURE_RULES },
  { title: 'Options that changed', rules: OPTION_RULES },
  { title: 'The change as a whole', rules: ALARM_RULES },
  { title: 'Terraform resources', rules: RESOURCE_RULES },
];

/** Markdown with a table for each kind of rule: part of docs/review.md. */
export function rulesMarkdown(): string {
  const sections = RULES.map(({ title, rules }) => {
    const rows = rules.map(
      ({ id, risk, direction, reason }) =>
        `| \`${id}\` | ${risk} | ${direction} | ${reason.replaceAll('|', '\\|')} |\n`,
    );
    return `### ${title}\n\n| rule | risk | direction | reason |\n| --- | --- | --- | --- |\n${rows.join('')}`;
  });
  return sections.join('\n');
}
