import { asciiText, isAllIn, type SipText, skipClass, skipQuoted, skipSpace, spells, TOKEN } from './grammar.ts';
import { parameterSpan, readParameter } from './parameters.ts';
import { isUri } from './uri.ts';

/** A From, To, Contact or Route value: a URI with header parameters. The display name is checked, not kept. */
export interface NameAddress {
  readonly uri: string;
  /** Value of the `tag` parameter; undefined when absent. */
  readonly tag: string | undefined;
  /** Index after this value in the text; a comma or the end follows. */
  readonly end: number;
}

const span = parameterSpan();

/**
 * Reads one value in [from, to) (RFC 3261 sections 20 and 25.1). Without angle brackets the URI ends at the first `;`,
 * and may contain neither a comma nor a question mark: what follows are header parameters.
 *
 * @returns undefined when the text breaks the grammar
 */
export function readNameAddress({ bytes, text }: SipText, from: number, to: number): NameAddress | undefined {
  let i = skipSpace(bytes, from, to);
  let uriStart = i;
  let uriEnd: number;
  const open = i < to && bytes[i] === 0x3c ? i : openingBracket(bytes, i, to);
  if (open === BROKEN) return undefined;
  if (open >= 0) {
    uriStart = open + 1;
    uriEnd = uriStart;
    while (uriEnd < to && bytes[uriEnd] !== 0x3e) uriEnd++;
    if (uriEnd === to) return undefined;
    i = uriEnd + 1;
  } else {
    uriEnd = uriStart;
    while (uriEnd < to && !endsBareUri(bytes[uriEnd] as number)) uriEnd++;
    if (uriEnd < to && bytes[uriEnd] === 0x3f) return undefined;
    i = uriEnd;
  }
  if (!isUri(bytes, uriStart, uriEnd)) return undefined;

  let tag: string | undefined;
  for (;;) {
    const found = readParameter(bytes, i, to, span);
    if (found === undefined) return undefined;
    i = span.next;
    if (!found) break;
    if (!spells(bytes, span.nameStart, span.nameEnd, 'tag')) continue;
    if (tag !== undefined || !isAllIn(bytes, span.valueStart, span.valueEnd, TOKEN)) return undefined;
    tag = text.slice(span.valueStart, span.valueEnd);
  }
  if (i < to && bytes[i] !== 0x2c) return undefined;
  return { uri: text.slice(uriStart, uriEnd), tag, end: i };
}

/** A whole text that is one value, as From and To are; undefined when it is not, or not ASCII. */
export function parseNameAddress(value: string): NameAddress | undefined {
  const source = asciiText(value);
  const address = source === undefined ? undefined : readNameAddress(source, 0, value.length);
  return address !== undefined && address.end === value.length ? address : undefined;
}

/** Whether every value in [from, to) of a comma-separated header is well formed. `*` alone is (Contact). */
export function areNameAddresses(source: SipText, from: number, to: number): boolean {
  if (to - from === 1 && source.bytes[from] === 0x2a) return true;
  for (let i = from; ; ) {
    const address = readNameAddress(source, i, to);
    if (address === undefined) return false;
    if (address.end === to) return true;
    i = address.end + 1;
  }
}

const ABSENT = -1;
const BROKEN = -2;

/** Index of the `<` after a display name; ABSENT for a bare URI; BROKEN when the display name is not one. */
function openingBracket(bytes: Uint8Array, from: number, to: number): number {
  if (from < to && bytes[from] === 0x22) {
    const end = skipQuoted(bytes, from, to);
    if (end < 0) return BROKEN;
    const open = skipSpace(bytes, end, to);
    return open < to && bytes[open] === 0x3c ? open : BROKEN;
  }
  let i = from;
  while (i < to) {
    i = skipClass(bytes, i, to, TOKEN);
    const next = skipSpace(bytes, i, to);
    if (next < to && bytes[next] === 0x3c) return next;
    if (next === i) return ABSENT;
    i = next;
  }
  return ABSENT;
}

function endsBareUri(byte: number): boolean {
  return byte === 0x3b || byte === 0x2c || byte === 0x3f || byte === 0x20 || byte === 0x09;
}
