import { NS } from './namespaces.ts';
import { NAME_XMLNS, type XmlName } from './xml-name.ts';

/**
 * Namespace names recur even more than element names: the bytes lead to one shared string, which for the names of
 * {@link NS} is the constant itself, so that comparing them is comparing pointers. Shared by all streams, fixed size.
 */
const SLOTS = 512;
const LONGEST_SHARED = 128;
const slots: string[] = new Array(SLOTS).fill('');

for (const uri of Object.values(NS)) {
  const bytes = Buffer.from(uri, 'latin1');
  slots[slotOf(bytes, 0, bytes.length)] ||= uri;
}

/** The namespace name in `bytes[start, end)`, which must be ASCII without references; undefined as in {@link asNamespaceName}. */
export function lookUpNamespace(bytes: Buffer, start: number, end: number): string | undefined {
  const length = end - start;
  if (length === 0) return '';
  const slot = slotOf(bytes, start, end);
  const known = slots[slot] ?? '';
  if (known.length === length) {
    let i = 0;
    while (i < length && known.charCodeAt(i) === bytes[start + i]) i++;
    if (i === length) return known;
  }
  const uri = asNamespaceName(bytes.toString('latin1', start, end));
  if (uri !== undefined && length <= LONGEST_SHARED) slots[slot] = uri;
  return uri;
}

/** The factors were searched for: the names of {@link NS} and a dozen others have a slot each. */
function slotOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const middle = bytes[start + (length >> 1)] ?? 0;
  const late = bytes[end - (length >> 2) - 1] ?? 0;
  const thirdLast = length < 3 ? 0 : (bytes[end - 3] ?? 0);
  const last = bytes[end - 1] ?? 0;
  return ((length + thirdLast) * 31 + middle * 16 + late * 183 + last * 155) & (SLOTS - 1);
}

/** Every element and attribute of a namespace repeats its name when written out again, so a long one multiplies. */
const LONGEST_NAMESPACE = 512;

/**
 * The text, or undefined when it is too long or contains white space or a control character. Both are legal in an attribute and in no
 * URI, and they have been used to make two parsers see different namespaces (CVE-2022-25236 and its relatives).
 */
export function asNamespaceName(text: string): string | undefined {
  return text.length > LONGEST_NAMESPACE || /[\s\0-\x20\x7f-\x9f]/.test(text) ? undefined : text;
}

/** Why a declaration breaks "Namespaces in XML 1.0" section 3, or undefined when it does not. */
export function declarationFault(name: XmlName, uri: string): string | undefined {
  if (name.kind === NAME_XMLNS) {
    return uri === NS.xml || uri === NS.xmlns ? 'reserved namespace declared as default' : undefined;
  }
  if (name.local === 'xmlns') return 'prefix xmlns declared';
  if ((name.local === 'xml') !== (uri === NS.xml)) return 'prefix xml and its namespace belong together';
  if (uri === NS.xmlns) return 'reserved namespace declared';
  return uri === '' ? 'prefix undeclared' : undefined;
}

/** Prefixes in scope, innermost last. Default namespaces are kept per element by the tree builder. */
export class NamespaceScope {
  readonly #prefixes: string[] = [];
  readonly #uris: string[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  declare(prefix: string, uri: string): void {
    this.#prefixes[this.#size] = prefix;
    this.#uris[this.#size] = uri;
    this.#size += 1;
  }

  /** Forgets what was declared after the scope had `size` entries. */
  leave(size: number): void {
    this.#size = size;
  }

  resolve(prefix: string): string | undefined {
    if (prefix === 'xml') return NS.xml;
    for (let i = this.#size - 1; i >= 0; i--) {
      if (this.#prefixes[i] === prefix) return this.#uris[i];
    }
    return undefined;
  }

  entries(): ReadonlyMap<string, string> {
    const entries = new Map<string, string>();
    for (let i = 0; i < this.#size; i++) entries.set(this.#prefixes[i] ?? '', this.#uris[i] ?? '');
    return entries;
  }
}
