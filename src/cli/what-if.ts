import { type FederationConfig, type Finding, parseFederation, type Result } from '../config/index.ts';

/** One changed option, and what it was. */
export interface AppliedChange {
  readonly path: string;
  /** Undefined where there was nothing, so that the default held. */
  readonly before: unknown;
  /** Undefined where the option was taken away. */
  readonly after: unknown;
}

/** The names by which list entries may be called instead of their number. */
const ENTRY_NAMES = ['domain', 'identity', 'name', 'policyName', 'fqdn'] as const;
const STEP = /\.?([A-Za-z][A-Za-z0-9]*)|\[([^[\]]*)\]/y;
const LONGEST_PATH = 1024;

type Container = Record<string, unknown> | unknown[];
type Step = { readonly key: string } | { readonly entry: string };

/**
 * Changes options in a configuration as its author wrote it, and checks the result by the schema. A change is
 * `path=value`: the path as `explain` prints it, a list entry by number or name
 * (`xmppAllowedPartners[fabrikam.com].partnerType=Federated`), `[]` for a new entry; the value JSON, or a plain text; no
 * value takes the option away.
 */
export function applyChanges(
  json: string,
  changes: readonly string[],
): Result<{ readonly config: FederationConfig; readonly changes: readonly AppliedChange[] }> {
  const document: unknown = JSON.parse(json.startsWith('\ufeff') ? json.slice(1) : json);
  const applied: AppliedChange[] = [];
  for (const change of changes) {
    const outcome = applyChange(document, change);
    if (typeof outcome === 'string') return refused(outcome);
    applied.push(outcome);
  }
  const result = parseFederation(document);
  return result.ok ? { ok: true, value: { config: result.value, changes: applied } } : result;
}

// A string says what was expected.
function applyChange(document: unknown, change: string): AppliedChange | string {
  const equals = change.indexOf('=');
  const path = equals < 0 ? change : change.slice(0, equals);
  const steps = readSteps(path);
  const last = steps?.at(-1);
  if (equals < 0 || steps === undefined || last === undefined) {
    return `expected path=value, such as xmppAllowedPartners[0].partnerType=Federated, got ${JSON.stringify(change)}`;
  }
  let container: unknown = document;
  for (const [i, step] of steps.slice(0, -1).entries()) {
    const found = stepInto(container, step, steps[i + 1]);
    if (found === undefined) return nothingAt(path, step, container);
    container = found;
  }
  const place = isContainer(container) ? placeOf(container, last) : undefined;
  if (place === undefined) return nothingAt(path, last, container);
  const after = readValue(change.slice(equals + 1));
  const before: unknown = Object.hasOwn(place.in, place.key) ? Reflect.get(place.in, place.key) : undefined;
  if (after === undefined && Array.isArray(place.in)) place.in.splice(Number(place.key), 1);
  else if (after === undefined) Reflect.deleteProperty(place.in, place.key);
  // Defined, not assigned: "__proto__" is a key like any other here, and the schema refuses it.
  else
    Object.defineProperty(place.in, place.key, { value: after, enumerable: true, configurable: true, writable: true });
  return { path, before, after };
}

/** The changes as the start of a sentence. */
export function whatIfText(changes: readonly AppliedChange[]): string {
  const value = (found: unknown) => (found === undefined ? 'left out' : JSON.stringify(found));
  return `what if ${changes.map(({ path, before, after }) => `${path} were ${value(after)} (is ${value(before)})`).join(', ')}:`;
}

function readSteps(path: string): readonly Step[] | undefined {
  const steps: Step[] = [];
  STEP.lastIndex = 0;
  if (path === '' || path.length > LONGEST_PATH) return undefined;
  while (STEP.lastIndex < path.length) {
    const found = STEP.exec(path);
    if (found === null) return undefined;
    const [, key, entry = ''] = found;
    steps.push(key === undefined ? { entry } : { key });
  }
  return steps;
}

// What is left out because a default holds is made on the way.
function stepInto(container: unknown, step: Step, next: Step | undefined): unknown {
  if (!isContainer(container)) return undefined;
  const place = placeOf(container, step);
  if (place === undefined) return undefined;
  if (!Object.hasOwn(place.in, place.key) && 'key' in step) {
    const made: Container = next !== undefined && 'entry' in next ? [] : {};
    Object.defineProperty(place.in, place.key, { value: made, enumerable: true, configurable: true, writable: true });
  }
  return Object.hasOwn(place.in, place.key) ? Reflect.get(place.in, place.key) : undefined;
}

function placeOf(container: Container, step: Step): { readonly in: Container; readonly key: string } | undefined {
  if ('key' in step) return Array.isArray(container) ? undefined : { in: container, key: step.key };
  if (!Array.isArray(container)) return undefined;
  if (step.entry === '') return { in: container, key: String(container.length) };
  const number = /^\d{1,7}$/.test(step.entry)
    ? Number(step.entry)
    : container.findIndex((entry) => isNamed(entry, step.entry));
  return number >= 0 && number < container.length ? { in: container, key: String(number) } : undefined;
}

function isNamed(entry: unknown, name: string): boolean {
  if (typeof entry !== 'object' || entry === null) return entry === name;
  return ENTRY_NAMES.some((key) => Object.hasOwn(entry, key) && Reflect.get(entry, key) === name);
}

function isContainer(value: unknown): value is Container {
  return typeof value === 'object' && value !== null;
}

function readValue(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function nothingAt(path: string, step: Step, container: unknown): string {
  const entry = 'entry' in step ? `[${step.entry}]` : step.key;
  const found = Array.isArray(container) ? `a list of ${container.length}` : 'no such list or object';
  return `--what-if ${path}: expected to find ${entry}, got ${found}`;
}

function refused(message: string): { readonly ok: false; readonly errors: readonly Finding[] } {
  return { ok: false, errors: [{ rule: 'what-if', severity: 'error', path: '', message }] };
}
