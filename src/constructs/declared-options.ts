import { Token } from 'cdktf';
import type { z } from 'zod';
import { parsePart } from '../config/federation.ts';
import { joinPath } from '../config/finding.ts';
import { DeclarationError, type DeclarationProblem } from './declaration-error.ts';

/** Options as a construct takes them: a schema's input that nobody is going to change. */
export type Options<T> = T extends readonly (infer Entry)[]
  ? readonly Options<Entry>[]
  : T extends object
    ? { readonly [Key in keyof T]: Options<T[Key]> }
    : T;

/**
 * Checks options against their schema and fills in defaults. Throws `DeclarationError` with everything that is wrong,
 * and for any Token: federation options are written to a file that people and tools review before anything is applied.
 * `prefix` is put before the path of each option in messages.
 */
export function readOptions<T>(constructPath: string, schema: z.ZodType<T>, options: unknown, prefix = ''): T {
  const tokens = tokensIn(options, prefix);
  if (tokens.length > 0) throw new DeclarationError(constructPath, tokens);
  const result = parsePart(schema, options, prefix);
  if (result.ok) return result.value;
  throw new DeclarationError(
    constructPath,
    result.errors.map(({ path, message }) => ({ option: path, message })),
  );
}

function tokensIn(value: unknown, path: string): DeclarationProblem[] {
  if (Token.isUnresolved(value)) {
    const message = 'expected a value known when the app runs, got a Token, which is known only after apply';
    return [{ option: path, message }];
  }
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap((entry, index) => tokensIn(entry, joinPath(path, index)));
  return Object.entries(value).flatMap(([key, entry]) => tokensIn(entry, joinPath(path, key)));
}
