const BREAKS = /[\0-\x1f\x7f-\x9f\u2028\u2029]/;
const BREAK_RUNS = /[\0-\x1f\x7f-\x9f\u2028\u2029]+/g;
const MAX_LENGTH = 256;

/**
 * A subject that fits one header line: every run of control characters and line breaks becomes one space, ends are
 * trimmed, at most 256 characters stay. Undefined when nothing is left.
 */
export function subjectLine(text: string): string | undefined {
  // Cut before replacing: a subject may be as long as a stanza.
  let line = text.length > 4 * MAX_LENGTH ? text.slice(0, 4 * MAX_LENGTH) : text;
  if (BREAKS.test(line)) line = line.replace(BREAK_RUNS, ' ');
  line = line.trim();
  if (line.length > MAX_LENGTH) line = cut(line);
  return line === '' ? undefined : line;
}

function cut(line: string): string {
  const last = line.charCodeAt(MAX_LENGTH - 1);
  // A surrogate pair stays whole.
  return line.slice(0, last >= 0xd800 && last <= 0xdbff ? MAX_LENGTH - 1 : MAX_LENGTH).trimEnd();
}
