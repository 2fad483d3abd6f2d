import { skipClass, skipQuoted, skipSpace, TOKEN, VALUE } from './grammar.ts';

/** What walking a run of `;name=value` header parameters found; reused between calls. */
export interface ParameterSpan {
  nameStart: number;
  nameEnd: number;
  /** -1 when the parameter has no value. */
  valueStart: number;
  valueEnd: number;
  /** Where to go on. */
  next: number;
}

export function parameterSpan(): ParameterSpan {
  return { nameStart: 0, nameEnd: 0, valueStart: -1, valueEnd: -1, next: 0 };
}

/**
 * Reads one header parameter of the form `;name` or `;name=value`, spaces allowed around both marks (RFC 3261 25.1:
 * generic-param). `from` is at the `;` or at spaces before it.
 *
 * @returns true when one was read into `span`, false when there is no `;`, undefined when it breaks the grammar
 */
export function readParameter(bytes: Uint8Array, from: number, to: number, span: ParameterSpan): boolean | undefined {
  let i = skipSpace(bytes, from, to);
  if (i >= to || bytes[i] !== 0x3b) {
    span.next = i;
    return false;
  }
  i = skipSpace(bytes, i + 1, to);
  span.nameStart = i;
  i = skipClass(bytes, i, to, TOKEN);
  if (i === span.nameStart) return undefined;
  span.nameEnd = i;
  span.valueStart = -1;
  span.valueEnd = -1;
  span.next = i;
  const afterName = skipSpace(bytes, i, to);
  if (afterName >= to || bytes[afterName] !== 0x3d) return true;
  i = skipSpace(bytes, afterName + 1, to);
  span.valueStart = i;
  if (i < to && bytes[i] === 0x22) i = skipQuoted(bytes, i, to);
  else i = skipClass(bytes, i, to, VALUE);
  if (i <= span.valueStart) return undefined;
  span.valueEnd = i;
  span.next = i;
  return true;
}
