import type { OptionChange, Sampled, SubjectKind } from './model.ts';
import type { Rating } from './rating.ts';
import { Sampler } from './sample.ts';
import { counted, MAX_NAMES, namedFirst, numeral } from './words.ts';

/** Option changes as people read them: one line each, or one line for many of the same. */
export interface OptionLine extends Pick<Rating, 'rule' | 'risk' | 'direction' | 'reason'> {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

const MAX_VALUE_LENGTH = 160;

const NOUNS: Readonly<Record<SubjectKind, readonly [string, string]>> = {
  federation: ['federation', 'federations'],
  edge: ['edge configuration', 'edge configurations'],
  gateway: ['gateway', 'gateways'],
  domain: ['served domain', 'served domains'],
  partner: ['partner', 'partners'],
  'partner-domain': ['partner domain', 'partner domains'],
  policy: ['policy', 'policies'],
  site: ['site', 'sites'],
  grant: ['grant', 'grants'],
  sip: ['SIP side', 'SIP sides'],
  'next-hop': ['next hop', 'next hops'],
};

/** Four or more changes of one option in the same way become one line. The order is that of the first of each. */
export function optionLines(changes: readonly OptionChange[]): readonly OptionLine[] {
  const groups = new Map<string, OptionChange[]>();
  for (const change of changes) {
    const { rule, subject, option, kind, before, after } = change;
    // Entries that came or went differ in all they hold, and moved domains in where they went.
    const values = option === '' || kind === 'moved' || kind === 'renamed' ? [] : [before ?? null, after ?? null];
    const key = JSON.stringify([rule, subject.kind, option, kind, values]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [change]);
    else group.push(change);
  }
  return [...groups.values()].flatMap((group) =>
    group.length > MAX_NAMES ? [groupLine(group)] : group.map(singleLine),
  );
}

function singleLine(change: OptionChange): OptionLine {
  const { subject, kind, path } = change;
  const what = kind === 'moved' ? subject.name : path === '' ? subject.name : path;
  return { ...ratingIn(change), what, ...sidesOf([change]) };
}

function groupLine(group: readonly OptionChange[]): OptionLine {
  const [first] = group;
  if (first === undefined) throw new TypeError('groupLine: expected at least one change');
  const names = new Sampler();
  for (const { subject } of group) names.add(subject.name);
  const [noun, plural] = NOUNS[first.subject.kind];
  const whom = `${counted(group.length, noun, plural)} (${names.sampled().samples.slice(0, MAX_NAMES).join(', ')}, …)`;
  const what = first.option === '' || first.kind === 'moved' ? `${whom} ${first.kind}` : `${first.option} of ${whom}`;
  const isVaried = first.option === '' || first.kind === 'moved' || first.kind === 'renamed';
  return { ...ratingIn(first), what, ...(isVaried ? { before: '', after: '' } : sidesOf(group)) };
}

function ratingIn({
  rule,
  risk,
  direction,
  reason,
}: OptionChange): Pick<OptionLine, 'rule' | 'risk' | 'direction' | 'reason'> {
  return { rule, risk, direction, reason };
}

function sidesOf(group: readonly OptionChange[]): Pick<OptionLine, 'before' | 'after'> {
  const [first] = group;
  if (first === undefined) return { before: '', after: '' };
  if (first.added === undefined && first.removed === undefined) {
    const [before, after] = [first.before, first.after].map((value) => valueText(value, first.subject.name));
    const missing = first.option === '' ? '' : 'not set';
    return { before: before || missing, after: after || missing };
  }
  return {
    before: listText('without', total(group.map(({ removed }) => removed))),
    after: listText('with', total(group.map(({ added }) => added))),
  };
}

function total(parts: readonly (Sampled | undefined)[]): Sampled {
  const sampler = new Sampler();
  let count = 0;
  for (const part of parts) {
    count += part?.count ?? 0;
    for (const sample of part?.samples ?? []) sampler.add(sample);
  }
  return { count, samples: sampler.sampled().samples };
}

function listText(word: string, { count, samples }: Sampled): string {
  if (count === 0) return '';
  return count <= MAX_NAMES
    ? `${word} ${samples.join(', ')}`
    : `${word} ${numeral(count)}: ${namedFirst({ count, samples })}`;
}

/** A value on one line of bounded length. Of an entry its options, without its name and those that say nothing. */
function valueText(value: unknown, name: string): string {
  const text = isSampled(value)
    ? `${numeral(value.count)}: ${namedFirst(value)}`
    : isRecord(value)
      ? entryText(value, name)
      : scalarText(value);
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
}

function scalarText(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function entryText(entry: object, name: string): string {
  const options = Object.entries(entry).filter(
    ([key, value]) => key !== 'description' && value !== name && !isNothing(value),
  );
  const texts = options.map(([key, value]) => {
    return `${key} ${Array.isArray(value) ? value.map((part) => valueText(part, name)).join(' ') : valueText(value, name)}`;
  });
  return texts.join(', ');
}

function isNothing(value: unknown): boolean {
  return value === '' || value === null || (Array.isArray(value) && value.length === 0);
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSampled(value: unknown): value is Sampled {
  return isRecord(value) && 'count' in value && 'samples' in value && Object.keys(value).length === 2;
}
