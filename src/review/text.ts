import type { Exposure, ResourceChange, Review } from './model.ts';
import { type OptionLine, optionLines } from './option-lines.ts';
import { printable, shortDigest } from './printable.ts';
import type { Direction, Risk } from './rating.ts';
import type { ReviewedEnvironment } from './report.ts';
import { resourceText } from './resource-lines.ts';
import { approvalInWords, blastInWords, changesInWords } from './summary.ts';

/** Colours a text, or not: that is the terminal's affair. */
export type Paint = (colour: 'red' | 'yellow' | 'green' | 'dim', text: string) => string;

/** What a person reads in a terminal: a table for each environment, riskiest first. */
export function renderText(environments: readonly ReviewedEnvironment[], paint: Paint): string {
  return environments.map((environment) => environmentText(environment, paint)).join('\n');
}

function environmentText({ review, approval }: ReviewedEnvironment, paint: Paint): string {
  const sides = `${review.base.label} -> ${review.head.label}`;
  if (review.isEmpty) return printable(`${review.name}: nothing changed (${sides})`).concat('\n');
  const risk = `${paint(COLOURS[review.risk], `${review.risk} risk`)}, ${review.direction}`;
  const lines = [
    `${printable(review.name)}: ${risk}; ${changesInWords(review)} (${printable(sides)})`,
    ...review.blastRadius.alarms.map((alarm) => row(alarm, '!', alarm.sentence, paint)),
    ...section('verdicts', review.exposures, (exposure) => exposureRow(exposure, paint)),
    ...section('options', optionLines(review.options), (line) => optionRow(line, paint)),
    ...section(`resources (${resourceTitle(review)})`, review.resources, (resource) => resourceRow(resource, paint)),
    `  ${blastInWords(review)}`,
    ...approvalInWords(approval).map((sentence) => `  ${printable(sentence)}`),
    paint('dim', `  review ${review.digest}`),
    paint('dim', `  configuration ${shortDigest(review.base.digest)} -> ${shortDigest(review.head.digest)}`),
  ];
  return `${lines.join('\n')}\n`;
}

function section<T>(title: string, entries: readonly T[], toRow: (entry: T) => string): readonly string[] {
  return entries.length === 0 ? [] : [`  ${title}`, ...entries.map(toRow)];
}

export function resourceTitle({ resourceSource }: Pick<Review, 'resourceSource'>): string {
  return resourceSource === 'plan' ? 'Terraform plan' : 'synthesized code, without a plan';
}

function exposureRow(exposure: Exposure, paint: Paint): string {
  return row(exposure, MARKS[exposure.direction], exposure.sentence, paint);
}

function optionRow(line: OptionLine, paint: Paint): string {
  const values = [line.before, line.after].filter((value) => value !== '').join(' -> ');
  return row(line, MARKS[line.direction], `${line.what}${values === '' ? '' : `: ${values}`}`, paint);
}

function resourceRow(resource: ResourceChange, paint: Paint): string {
  return row(resource, MARKS[resource.direction], `${resource.address}: ${resourceText(resource)}`, paint);
}

function row(
  { risk, rule }: { readonly risk: Risk; readonly rule: string },
  mark: string,
  text: string,
  paint: Paint,
): string {
  return `    ${paint(COLOURS[risk], risk.padEnd(8))} ${mark} ${printable(text)}  ${paint('dim', `[${rule}]`)}`;
}

const MARKS: Readonly<Record<Direction, string>> = { broadening: '+', narrowing: '-', neutral: '~' };

const COLOURS: Readonly<Record<Risk, 'red' | 'yellow' | 'green' | 'dim'>> = {
  critical: 'red',
  high: 'red',
  medium: 'yellow',
  low: 'green',
  none: 'dim',
};
