import type { z } from 'zod';
import { errorAt } from '../config/finding.ts';
import { parsePart, type Result } from '../config/index.ts';
import { scanJson } from '../config/json-text.ts';

/** Reads a JSON text by a schema: a syntax error names line and column, and otherwise all errors come at once. */
export function readDocument<T>(schema: z.ZodType<T>, json: string): Result<T> {
  const text = json.startsWith('\ufeff') ? json.slice(1) : json;
  const problems = scanJson(text);
  if (problems.length > 0) return { ok: false, errors: problems };
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    return { ok: false, errors: [errorAt('', 'json-syntax', 'expected JSON, got something else')] };
  }
  return parsePart(schema, input);
}
