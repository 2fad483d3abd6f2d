import type { Sampled } from './model.ts';

const MAX_SAMPLES = 20;

/**
 * Counts texts and keeps the first 20 of them in sorted order, whatever order they come in. Each text must be added
 * once.
 */
export class Sampler {
  private readonly kept: string[] = [];
  private added = 0;

  get count(): number {
    return this.added;
  }

  add(text: string): void {
    this.added++;
    const { kept } = this;
    const last = kept[MAX_SAMPLES - 1];
    if (last !== undefined) {
      if (text > last) return;
      kept.pop();
    }
    let at = kept.length;
    while (at > 0 && text < (kept[at - 1] ?? '')) at--;
    kept.splice(at, 0, text);
  }

  sampled(): Sampled {
    return { count: this.added, samples: [...this.kept] };
  }

  /** All of several samplers. */
  static union(samplers: Iterable<Sampler>): Sampled {
    const all = new Sampler();
    let count = 0;
    for (const sampler of samplers) {
      count += sampler.count;
      for (const text of sampler.kept) all.add(text);
    }
    return { count, samples: all.sampled().samples };
  }
}

export function sampleOf(texts: Iterable<string>): Sampled {
  const sampler = new Sampler();
  for (const text of texts) sampler.add(text);
  return sampler.sampled();
}

/** What two sorted lists without repetitions have in common and what not, in time proportional to their length. */
export function walkSorted(
  before: readonly string[],
  after: readonly string[],
  see: {
    readonly both: (text: string) => void;
    readonly removed: (text: string) => void;
    readonly added: (text: string) => void;
  },
): void {
  let i = 0;
  let j = 0;
  for (;;) {
    const a = before[i];
    const b = after[j];
    if (a === undefined && b === undefined) return;
    if (a === b && a !== undefined) {
      see.both(a);
      i++;
      j++;
    } else if (b === undefined || (a !== undefined && a < b)) {
      see.removed(a ?? '');
      i++;
    } else {
      see.added(b);
      j++;
    }
  }
}

/** What a sorted list lost and gained. */
export function sortedDifference(
  before: readonly string[],
  after: readonly string[],
): { readonly removed: readonly string[]; readonly added: readonly string[] } {
  const removed: string[] = [];
  const added: string[] = [];
  walkSorted(before, after, {
    both: () => {},
    removed: (text) => removed.push(text),
    added: (text) => added.push(text),
  });
  return { removed, added };
}

/** Two sorted lists as one, each text once. */
export function mergeSorted(lists: readonly (readonly string[])[]): readonly string[] {
  const [only, ...others] = lists;
  if (only === undefined) return [];
  return others.length === 0 ? only : [...new Set(lists.flat())].sort();
}
