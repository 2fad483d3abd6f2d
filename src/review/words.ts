import type { Sampled, UserReach } from './model.ts';

export const MAX_NAMES = 3;

/** A number as people write it: `1 240`. */
export function numeral(count: number): string {
  return String(count).replace(/\B(?=(?:[0-9]{3})+$)/g, ' ');
}

/** `1 partner`, `12 partners`. */
export function counted(count: number, noun: string, plural = `${noun}s`): string {
  return `${numeral(count)} ${count === 1 ? noun : plural}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function enumerated(words: readonly string[]): string {
  if (words.length <= 1) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** Up to three names, or how many there are and the first three. */
export function named({ count, samples }: Sampled, noun: string, addition = ''): string {
  if (count <= MAX_NAMES && samples.length === count) return enumerated(samples);
  return `${counted(count, noun)}${addition} (${samples.slice(0, MAX_NAMES).join(', ')}, …)`;
}

/** Up to three names, or the first three and how many more there are. */
export function namedFirst({ count, samples }: Sampled): string {
  if (count <= MAX_NAMES && samples.length === count) return enumerated(samples);
  const shown = samples.slice(0, MAX_NAMES);
  return `${shown.join(', ')} and ${numeral(count - shown.length)} more`;
}

/** Which part of all our users is meant. */
export type Extent = 'everybody' | 'some';

/** `1 240 users and everyone else at contoso.com (policy Sales)`. */
export function usersInWords({ users, patterns, restOf, policies }: UserReach, extent: Extent): string {
  const parts: string[] = [];
  if (extent === 'everybody') {
    parts.push(`everyone at ${namedFirst(restOf)}`);
  } else {
    if (users.count > 0)
      parts.push(users.count <= MAX_NAMES ? enumerated(users.samples) : counted(users.count, 'user'));
    if (patterns.count > 0) parts.push(`everyone named ${named(patterns, 'pattern')}`);
    if (restOf.count > 0) parts.push(`everyone else at ${namedFirst(restOf)}`);
  }
  return `${enumerated(parts)} (${policies.count === 1 ? 'policy' : 'policies'} ${namedFirst(policies)})`;
}
