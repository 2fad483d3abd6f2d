const STEP = /\.?([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]/y;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * The line (from 1) on which a JSON text has what a path such as `xmppAllowedPartners[2].tlsNegotiation` names. An
 * option that is left out has the line of the entry it is missing from. The text must be valid JSON.
 */
export function jsonLineOf(json: string, path: string): number {
  let at = skipSpace(json, json.startsWith('\ufeff') ? 1 : 0);
  let line = at;
  STEP.lastIndex = 0;
  while (STEP.lastIndex < path.length) {
    const found = STEP.exec(path);
    if (found === null) break;
    const [, key, index] = found;
    const place = key === undefined ? entryAt(json, at, Number(index)) : memberAt(json, at, key);
    if (place === undefined) break;
    at = place.value;
    line = place.start;
  }
  return json.slice(0, line).split('\n').length;
}

interface Place {
  /** Offset of the key, or of the entry of a list. */
  readonly start: number;
  readonly value: number;
}

function memberAt(json: string, object: number, wanted: string): Place | undefined {
  if (json[object] !== '{') return undefined;
  let at = skipSpace(json, object + 1);
  while (json.charCodeAt(at) === QUOTE) {
    const end = endOfString(json, at);
    const value = skipSpace(json, skipSpace(json, end) + 1);
    if (json.slice(at + 1, end - 1) === wanted) return { start: at, value };
    at = nextPart(json, value);
  }
  return undefined;
}

function entryAt(json: string, list: number, wanted: number): Place | undefined {
  if (json[list] !== '[') return undefined;
  let at = skipSpace(json, list + 1);
  for (let i = 0; at < json.length && json[at] !== ']'; i++) {
    if (i === wanted) return { start: at, value: at };
    at = nextPart(json, at);
  }
  return undefined;
}

// From a value to what follows its comma, or to the bracket that ends the list or object.
function nextPart(json: string, value: number): number {
  const at = skipSpace(json, endOfValue(json, value));
  return json[at] === ',' ? skipSpace(json, at + 1) : at;
}

function endOfValue(json: string, start: number): number {
  let depth = 0;
  for (let at = start; at < json.length; at++) {
    const character = json[at];
    if (character === '"') at = endOfString(json, at) - 1;
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    // A number, true, false or null ends where the next part or the enclosing bracket begins.
    else if (depth === 0 && character === ',') return at;
    if (depth < 0) return at;
    if (depth === 0 && (character === '"' || character === '}' || character === ']')) return at + 1;
  }
  return json.length;
}

function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (at < json.length && json.charCodeAt(at) !== QUOTE) at += json.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at + 1;
}

function skipSpace(json: string, start: number): number {
  let at = start;
  while (at < json.length && /\s/.test(json.charAt(at))) at++;
  return at;
}
