import { errorAt, type Finding, joinPath, showText } from './finding.ts';

const MAX_DEPTH = 32; // the contract needs 5
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

type Container =
  | { readonly kind: 'object'; readonly keys: Set<string>; key: string }
  | { readonly kind: 'list'; index: number };

class JsonSyntaxProblem extends Error {
  readonly offset: number;
  constructor(expected: string, offset: number) {
    super(expected);
    this.offset = offset;
  }
}

/**
 * Reads a JSON text (RFC 8259) for what `JSON.parse` does not tell: line and column of the first syntax error (then
 * nothing else is reported), and keys that stand twice in one object, of which it would silently take the last.
 */
export function scanJson(text: string): Finding[] {
  const findings: Finding[] = [];
  try {
    scan(text, (path, key) => {
      findings.push(errorAt(path, 'duplicate-key', `expected each key once, got ${showText(key)} again`));
    });
    return findings;
  } catch (error) {
    if (!(error instanceof JsonSyntaxProblem)) throw error;
    return [errorAt('', 'json-syntax', describe(text, error))];
  }
}

function scan(text: string, onDuplicate: (path: string, key: string) => void): void {
  const stack: Container[] = [];
  let at = skipSpace(text, 0);
  let mode: 'value' | 'first-value' | 'key' | 'first-key' | 'after' = 'value';
  for (;;) {
    const container = stack.at(-1);
    const character = text[at];
    if (mode === 'after') {
      if (container === undefined) break;
      const end = container.kind === 'object' ? '}' : ']';
      if (character === end) stack.pop();
      else if (character !== ',') throw new JsonSyntaxProblem(`"," or "${end}"`, at);
      else if (container.kind === 'object') mode = 'key';
      else {
        container.index++;
        mode = 'value';
      }
      at++;
    } else if (mode === 'first-value' && character === ']') {
      stack.pop();
      at++;
      mode = 'after';
    } else if (mode === 'first-key' && character === '}') {
      stack.pop();
      at++;
      mode = 'after';
    } else if (mode === 'key' || mode === 'first-key') {
      at = scanKey(text, at, container, (key) => onDuplicate(pathOf(stack), key));
      mode = 'value';
    } else if (character === '{' || character === '[') {
      if (stack.length === MAX_DEPTH) throw new JsonSyntaxProblem(`at most ${MAX_DEPTH} levels`, at);
      stack.push(character === '{' ? { kind: 'object', keys: new Set(), key: '' } : { kind: 'list', index: 0 });
      at++;
      mode = character === '{' ? 'first-key' : 'first-value';
    } else {
      at = scanScalar(text, at);
      mode = 'after';
    }
    at = skipSpace(text, at);
  }
  if (at < text.length) throw new JsonSyntaxProblem('nothing after the value', at);
}

function scanKey(
  text: string,
  start: number,
  container: Container | undefined,
  onDuplicate: (key: string) => void,
): number {
  if (text.charCodeAt(start) !== QUOTE) throw new JsonSyntaxProblem('a key in double quotes', start);
  const end = scanString(text, start);
  if (container?.kind === 'object') {
    const key = String(JSON.parse(text.slice(start, end)));
    container.key = key;
    if (container.keys.has(key)) onDuplicate(key);
    container.keys.add(key);
  }
  const colon = skipSpace(text, end);
  if (text[colon] !== ':') throw new JsonSyntaxProblem('":"', colon);
  return colon + 1;
}

function scanScalar(text: string, at: number): number {
  if (text.charCodeAt(at) === QUOTE) return scanString(text, at);
  for (const word of ['true', 'false', 'null']) if (text.startsWith(word, at)) return at + word.length;
  NUMBER.lastIndex = at;
  if (NUMBER.test(text)) return NUMBER.lastIndex;
  throw new JsonSyntaxProblem('a value', at);
}

// Returns the offset behind the closing quote.
function scanString(text: string, start: number): number {
  let at = start + 1;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) {
      ESCAPE.lastIndex = at;
      if (!ESCAPE.test(text)) throw new JsonSyntaxProblem('an escape of JSON', at);
      at = ESCAPE.lastIndex;
    } else if (code >= 0x20) {
      at++;
    } else {
      // A control character, or NaN at the end of the text.
      throw new JsonSyntaxProblem('a closing quote', at);
    }
  }
}

function skipSpace(text: string, start: number): number {
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

function pathOf(stack: readonly Container[]): string {
  return stack.reduce(
    (path, container) => joinPath(path, container.kind === 'object' ? container.key : container.index),
    '',
  );
}

function describe(text: string, problem: JsonSyntaxProblem): string {
  const before = text.slice(0, problem.offset);
  const line = before.split('\n').length;
  const column = problem.offset - before.lastIndexOf('\n');
  const found = text.codePointAt(problem.offset);
  const got = found === undefined ? 'the end of the text' : showText(String.fromCodePoint(found));
  return `line ${line}, column ${column}: expected ${problem.message}, got ${got}`;
}
