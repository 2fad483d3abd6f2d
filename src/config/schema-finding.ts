import * as z from 'zod';
import { errorAt, type Finding, joinPath, showText, showValue } from './finding.ts';
import { didYouMean } from './suggestion.ts';

const MAX_FINDINGS = 500;
// Only names belong here. Somebody who writes the secret itself shall not find it in a log.
const NEVER_SHOWN: ReadonlySet<PropertyKey> = new Set(['dialbackPassphrase', 'certificate']);

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

/** Translates what a schema found wrong with `input`: one finding per issue, one per unknown key. */
export function schemaFindings(error: z.ZodError, schema: z.ZodType, input: unknown): Finding[] {
  let shape: JsonSchema | undefined;
  const knownKeys = (path: Path): readonly string[] => {
    shape ??= z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
    return keysAt(shape, path);
  };
  return error.issues.flatMap((issue) => issueFindings(issue, [], input, knownKeys));
}

/** The first 500 findings, and one that counts the rest. */
export function boundFindings(findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= MAX_FINDINGS) return findings;
  const rest = findings.length - MAX_FINDINGS;
  return [...findings.slice(0, MAX_FINDINGS), errorAt('', 'more-findings', `${rest} more findings are not shown`)];
}

function issueFindings(
  issue: Issue,
  base: Path,
  input: unknown,
  knownKeys: (path: Path) => readonly string[],
): Finding[] {
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path);
    return issue.keys.map((key) => {
      const got = showText(key);
      return errorAt(
        pathText([...path, key]),
        'unknown-option',
        `expected a known option, got ${got}${didYouMean(key, known)}`,
      );
    });
  }
  if (issue.code === 'invalid_union') {
    const branches = issue.errors.filter((branch) => branch.every((inner) => inner.path.length > 0));
    const [only, ...others] = branches;
    if (only !== undefined && others.length === 0) {
      return only.flatMap((inner) => issueFindings(inner, path, input, knownKeys));
    }
  }
  const value = valueAt(input, path);
  const rule = value === undefined ? 'missing-option' : 'invalid-value';
  const hint =
    issue.code === 'invalid_value' && typeof value === 'string' ? didYouMean(value, issue.values.map(String)) : '';
  return [errorAt(pathText(path), rule, `expected ${expectation(issue)}, got ${shown(path, value)}${hint}`)];
}

// Leaves carry their own words (see field.ts); objects and lists do not.
function expectation(issue: Issue): string {
  if (issue.code === 'invalid_type' && issue.expected === 'object') return 'an object';
  if (issue.code === 'invalid_type' && issue.expected === 'array') return 'a list';
  return issue.message;
}

function shown(path: Path, value: unknown): string {
  const key = path.at(-1);
  if (typeof value !== 'string' || key === undefined || !NEVER_SHOWN.has(key)) return showValue(value);
  return `a text of ${value.length} characters (not shown: it may be a secret)`;
}

function pathText(path: Path): string {
  return path.reduce<string>(joinPath, '');
}

function valueAt(input: unknown, path: Path): unknown {
  let value = input;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
}

function keysAt(schema: JsonSchema, path: Path): readonly string[] {
  let at: JsonSchema | undefined = schema;
  for (const key of path) at = typeof key === 'number' ? at?.items : at?.properties?.[String(key)];
  const objects = at?.anyOf ?? (at === undefined ? [] : [at]);
  return objects.flatMap((object) => Object.keys(object.properties ?? {}));
}
