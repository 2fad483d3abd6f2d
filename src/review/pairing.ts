import { canonicalJson, compareText } from '../config/canonical.ts';

/** An entry of a list, before and after. One that is missing was added or removed. */
export interface Pair<T> {
  readonly name: string;
  readonly before?: T;
  readonly after?: T;
}

/**
 * Finds each entry of one list in another by its key. Where several entries have one key, equal ones are taken for the
 * same first and left out; the others are paired in canonical order and numbered: `pool.contoso.com#2`.
 */
export function pairEntries<T extends object>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (entry: T) => string,
): readonly Pair<T>[] {
  const pairs: Pair<T>[] = [];
  const [byKeyBefore, byKeyAfter] = [groupBy(before, keyOf), groupBy(after, keyOf)];
  for (const key of [...new Set([...byKeyBefore.keys(), ...byKeyAfter.keys()])].sort(compareText)) {
    const [olds, news] = withoutEqual(byKeyBefore.get(key) ?? [], byKeyAfter.get(key) ?? []);
    for (let i = 0; i < Math.max(olds.length, news.length); i++) {
      pairs.push(makePair(i === 0 ? key : `${key}#${i + 1}`, olds[i], news[i]));
    }
  }
  return pairs;
}

export function makePair<T>(name: string, before: T | undefined, after: T | undefined): Pair<T> {
  return { name, ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) };
}

function groupBy<T>(entries: readonly T[], keyOf: (entry: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  return groups;
}

// One entry on each side is the rule, and needs no comparison here: their options are compared later anyway.
function withoutEqual<T>(before: readonly T[], after: readonly T[]): readonly [readonly T[], readonly T[]] {
  if (before.length <= 1 && after.length <= 1) return [before, after];
  const texts = new Map<string, number>();
  for (const entry of before) {
    const text = canonicalJson(entry);
    texts.set(text, (texts.get(text) ?? 0) + 1);
  }
  const same = new Map<string, number>();
  const news = sorted(after).filter(([text]) => {
    const seen = same.get(text) ?? 0;
    if (seen >= (texts.get(text) ?? 0)) return true;
    same.set(text, seen + 1);
    return false;
  });
  const olds = sorted(before).filter(([text]) => {
    const left = same.get(text) ?? 0;
    same.set(text, left - 1);
    return left <= 0;
  });
  return [olds.map(([, entry]) => entry), news.map(([, entry]) => entry)];
}

function sorted<T>(entries: readonly T[]): readonly (readonly [string, T])[] {
  return entries.map((entry) => [canonicalJson(entry), entry] as const).sort(([a], [b]) => compareText(a, b));
}
