/** One thing wrong, or questionable, in a configuration. `path` is written as in `xmppAllowedPartners[2].tlsNegotiation`. */
export interface Finding {
  readonly rule: string;
  readonly severity: 'error' | 'warning';
  readonly path: string;
  readonly message: string;
}

/** A whole value, or everything that kept it from being one. Never a partial value. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly errors: readonly Finding[] };

const SHOWN_CHARACTERS = 40;
const PLAIN_KEY = /^[A-Za-z_][A-Za-z0-9_]{0,39}$/;
// Invisible, bidirectional and control characters could rewrite the terminal line they are printed on.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

export function errorAt(path: string, rule: string, message: string): Finding {
  return { rule, severity: 'error', path, message };
}

export function warningAt(path: string, rule: string, message: string): Finding {
  return { rule, severity: 'warning', path, message };
}

/** Appends one key or list position to a path. */
export function joinPath(path: string, key: PropertyKey): string {
  if (typeof key === 'number') return `${path}[${key}]`;
  const name = String(key);
  if (!PLAIN_KEY.test(name)) return `${path}[${showText(name)}]`;
  return path === '' ? name : `${path}.${name}`;
}

/** Quotes a text for a message: at most 40 characters of it, nothing unprintable. */
export function showText(text: string): string {
  const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}…` : text;
  return JSON.stringify(shown).replace(UNPRINTABLE, escapeCharacter);
}

/** Describes any value for the `got …` part of a message, in bounded length. */
export function showValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (typeof value === 'string') return showText(value);
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return value.length === 1 ? 'a list of 1 entry' : `a list of ${value.length} entries`;
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function escapeCharacter(character: string): string {
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}
