import { createHash } from 'node:crypto';
import type { FederationConfig } from './federation.ts';

/**
 * JSON with sorted keys, two spaces of indentation and a newline at the end: equal values give equal bytes. Lists keep
 * their order; `parseFederation` has already sorted those where order means nothing. Undefined properties are left out.
 */
export function canonicalJson(value: unknown): string {
  return `${JSON.stringify(sortKeys(value), null, 2)}\n`;
}

/** Identity of a configuration: `sha256:` and the hexadecimal digest of its canonical JSON in UTF-8. */
export function federationDigest(config: FederationConfig): string {
  return `sha256:${createHash('sha256').update(canonicalJson(config)).digest('hex')}`;
}

function sortKeys(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  // A list of a million users is passed on as it is.
  if (Array.isArray(value)) return value.some(isObject) ? value.map(sortKeys) : value;
  const entries = Object.entries(value).sort(([a], [b]) => compareText(a, b));
  return Object.fromEntries(entries.map(([key, entry]) => [key, sortKeys(entry)]));
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

/** Order by UTF-16 code units: the same on every machine, unlike a locale's. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
