const AT = 0x40;
const STAR = 0x2a;

interface DomainPrefixes<T> {
  /** Hash of a prefix to the prefixes with that hash: nearly always one. */
  readonly byHash: Map<number, { readonly prefix: string; readonly value: T }[]>;
  /** Length of the longest prefix. */
  longest: number;
}

/**
 * What holds for a user, by selectors in normal form: an address beats a prefix, a longer prefix a shorter one, any
 * prefix a domain.
 *
 * A look-up costs two or three hash probes, plus one per character of the localpart in domains that have prefix
 * selectors, and allocates nothing: it happens for every stanza, and a million selectors are normal.
 */
export class SelectorIndex<T> {
  private readonly users = new Map<string, T>();
  private readonly domains = new Map<string, T>();
  private readonly prefixes = new Map<string, DomainPrefixes<T>>();

  /** The first value given for a selector stays. */
  add(selectors: readonly string[], value: T): void {
    for (const selector of selectors) {
      const at = selector.indexOf('@');
      if (selector.charCodeAt(at - 1) !== STAR) {
        setOnce(this.users, selector, value);
      } else if (at === 1) {
        setOnce(this.domains, selector.slice(2), value);
      } else {
        this.addPrefix(selector.slice(0, at - 1), selector.slice(at + 1), value);
      }
    }
  }

  /** `user` is a normalised bare address and `domain` its domain. */
  find(user: string, domain: string): T | undefined {
    const exact = this.users.get(user);
    if (exact !== undefined) return exact;
    if (this.prefixes.size > 0) {
      const prefixes = this.prefixes.get(domain);
      const found = prefixes === undefined ? undefined : longestPrefix(prefixes, user);
      if (found !== undefined) return found;
    }
    return this.domains.get(domain);
  }

  private addPrefix(prefix: string, domain: string, value: T): void {
    let prefixes = this.prefixes.get(domain);
    if (prefixes === undefined) {
      prefixes = { byHash: new Map(), longest: 0 };
      this.prefixes.set(domain, prefixes);
    }
    let hash = 0;
    for (let i = 0; i < prefix.length; i++) hash = nextHash(hash, prefix.charCodeAt(i));
    const entries = prefixes.byHash.get(hash);
    if (entries === undefined) prefixes.byHash.set(hash, [{ prefix, value }]);
    else if (!entries.some((entry) => entry.prefix === prefix)) entries.push({ prefix, value });
    prefixes.longest = Math.max(prefixes.longest, prefix.length);
  }
}

function longestPrefix<T>(prefixes: DomainPrefixes<T>, user: string): T | undefined {
  let found: T | undefined;
  let hash = 0;
  for (let i = 0; i < prefixes.longest; i++) {
    const code = user.charCodeAt(i);
    if (code === AT || Number.isNaN(code)) break;
    hash = nextHash(hash, code);
    const entries = prefixes.byHash.get(hash);
    if (entries === undefined) continue;
    for (const entry of entries) {
      if (entry.prefix.length === i + 1 && user.startsWith(entry.prefix)) found = entry.value;
    }
  }
  return found;
}

// 30 bits, so that V8 keeps it a small integer and does not allocate.
function nextHash(hash: number, code: number): number {
  return (Math.imul(hash, 31) + code) & 0x3fffffff;
}

function setOnce<T>(map: Map<string, T>, key: string, value: T): void {
  if (!map.has(key)) map.set(key, value);
}
