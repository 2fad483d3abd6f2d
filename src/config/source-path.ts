// Sorting a configuration moves its entries. Findings and decisions have to name the place where the author wrote them,
// and that place is no part of the configuration: its digest must not depend on it.
const paths = new WeakMap<object, string>();

/** Remembers where in the input a list entry stood. */
export function recordSourcePath<T extends object>(entry: T, path: string): T {
  paths.set(entry, path);
  return entry;
}

/** Where the entry stood in the input, or `fallback` when it did not come from {@link recordSourcePath}. */
export function sourcePath(entry: object, fallback: string): string {
  return paths.get(entry) ?? fallback;
}
