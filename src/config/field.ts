import * as z from 'zod';

// Every `error` below is the words that follow "expected" in a finding (see schema-finding.ts).

/** A whole number from `min` to `max`, both included. */
export function wholeNumber(min: number, max: number): z.ZodType<number, number> {
  const error = `a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

export function flag(): z.ZodBoolean {
  return z.boolean({ error: 'true or false' });
}

export function oneOf<const T extends readonly [string, ...string[]]>(...names: T): z.ZodEnum<{ [K in T[number]]: K }> {
  return z.enum<T>(names, { error: names.length === 1 ? `"${names[0]}"` : `one of ${names.join(', ')}` });
}

/** Free text on one line. Control characters are refused: descriptions end up in logs and terminals. */
export function description(): z.ZodDefault<z.ZodType<string, string>> {
  const error = 'a text of at most 1024 characters on one line';
  const line: z.ZodType<string, string> = z
    .string({ error })
    .max(1024, { error })
    .regex(/^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$/, { error });
  return line.default('');
}

/** A short name. `kind` completes the sentence "expected the name of …". */
export function nameOf(kind: string): z.ZodType<string, string> {
  const error = `the name of ${kind}: 1 to 64 letters, digits, dots, underscores or hyphens`;
  return z
    .string({ error })
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, { error })
    .meta({ title: 'name' });
}
