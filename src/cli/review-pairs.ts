import { InputProblem } from './input-problem.ts';
import type { ReviewSource, SourceFederation } from './review-source.ts';

/** The same federation on both sides; one that is missing was added, or removed. */
export interface FederationPair {
  readonly name: string;
  readonly environment: string;
  readonly base?: SourceFederation;
  readonly head?: SourceFederation;
}

/**
 * Finds for each federation of one side its counterpart: two single files are always each other's; otherwise it is the
 * one with the same environment, or with the same stack where stacks share an environment. Ordered by name.
 */
export function pairFederations(
  base: ReviewSource,
  head: ReviewSource,
  environment: string | undefined,
): readonly FederationPair[] {
  const [only, onlyHead] = [base.federations[0], head.federations[0]];
  const isFiles = base.kind === 'file' && head.kind === 'file';
  const pairs = isFiles && only && onlyHead ? [makePair(nameOf(onlyHead, false), only, onlyHead)] : byName(base, head);
  if (pairs.length === 0) {
    throw new InputProblem(`expected a federation in ${base.label} or ${head.label}, found none in either`);
  }
  if (environment === undefined) return pairs;
  const asked = pairs.filter((pair) => pair.environment === environment);
  if (asked.length > 0) return asked;
  const known = [...new Set(pairs.map((pair) => pair.environment))].join(', ');
  throw new InputProblem(`--environment: expected one of ${known}, got ${JSON.stringify(environment)}`);
}

function byName(base: ReviewSource, head: ReviewSource): readonly FederationPair[] {
  const sides = [base, head].map(({ federations }) => federations.map(({ config }) => config.environment));
  const isShared = sides.some((names) => new Set(names).size < names.length);
  // A single file tells its environment only, and stands for that one environment of the other side.
  const file = base.kind === 'file' ? base : head.kind === 'file' ? head : undefined;
  if (file !== undefined && isShared) {
    throw new InputProblem(`expected one stack for each environment to compare with ${file.label}, found several`);
  }
  const keyed = (source: ReviewSource) =>
    new Map(source.federations.map((federation) => [nameOf(federation, isShared), federation]));
  const [olds, news] = [keyed(base), keyed(head)];
  const names = file === undefined ? new Set([...olds.keys(), ...news.keys()]) : keyed(file).keys();
  return [...names].sort().map((name) => makePair(name, olds.get(name), news.get(name)));
}

function nameOf({ stack, config }: SourceFederation, byStack: boolean): string {
  return byStack && stack !== '' ? stack : config.environment;
}

function makePair(
  name: string,
  base: SourceFederation | undefined,
  head: SourceFederation | undefined,
): FederationPair {
  const environment = (head ?? base)?.config.environment ?? name;
  return { name, environment, ...(base === undefined ? {} : { base }), ...(head === undefined ? {} : { head }) };
}
