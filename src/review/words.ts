import type { Sampled, UserReach } from './model.ts';

const MAX_NAMES = 3;

/** A number as people write it: `1 240`. */
export function numeral(count: number): string {
  return String(count).replace(/\B(?=(?:[0-9]{3})+$)/g, ' ');
}

/** `1 partner`, `12 partners`. */
export function counted(count: number, noun: string): string {
  return `${numeral(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** `a`, `a and b`, `a, b and c`. */
export function enumerated(words: readonly string[]): string {
  if (words.length <= 1) return words.join('');
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
}

/** Up to three names, or how many there are and the first three. */
export function named({ count, samples }: Sampled, noun: string): string {
  if (count <= MAX_NAMES && samples.length === count) return enumerated(samples);
  return `${counted(count, noun)} (${samples.slice(0, MAX_NAMES).join(', ')}, …)`;
}

/** Up to three names, or the first three and how many more there are. */
export function namedFirst({ count, samples }: Sampled, noun: string): string {
  if (count <= MAX_NAMES && samples.length === count) return enumerated(samples);
  const shown = samples.slice(0, MAX_NAMES);
  return `${shown.join(', ')} and ${counted(count - shown.length, `more ${noun}`)}`;
}

/** `1 240 users and everyone else at contoso.com (policy Sales)`. */
export function usersInWords({ users, patterns, restOf, policies }: UserReach): string {
  const parts: string[] = [];
  if (users.count > 0) parts.push(users.count <= MAX_NAMES ? enumerated(users.samples) : counted(users.count, 'user'));
  const others = parts.length + patterns.count > 0 ? 'everyone else at' : 'everyone at';
  if (patterns.count > 0) parts.push(`everyone of ${named(patterns, 'pattern')}`);
  if (restOf.count > 0) parts.push(`${others} ${namedFirst(restOf, 'domain')}`);
  const noun = policies.count === 1 ? 'policy' : 'policies';
  return `${enumerated(parts)} (${noun} ${namedFirst(policies, 'policy').replace(/policys$/, 'policies')})`;
}
