import {
  asciiText,
  isAllIn,
  type SipText,
  skipClass,
  skipDigits,
  skipSpace,
  spells,
  startsWith,
  TOKEN,
  wholeNumber,
} from './grammar.ts';
import { parameterSpan, readParameter } from './parameters.ts';
import { skipHost } from './uri.ts';

/** One Via value (RFC 3261 section 20.42). */
export interface Via {
  /** Host as written. */
  readonly host: string;
  readonly port: number | undefined;
  /** Undefined when absent: a request of RFC 2543. */
  readonly branch: string | undefined;
  /** Length of the value from the start of its header line up to the end of the `rport` name, if that has no value
   * (RFC 3581: the peer wants to be answered where it sent from); -1 otherwise. */
  readonly rportLength: number;
  /** Whether the peer lets the connection be used for requests the other way (RFC 5923). */
  readonly alias: boolean;
  /** Length of this value from the start of its header line; a comma or the end follows. */
  readonly length: number;
}

const span = parameterSpan();

/** Reads one Via value in [from, to); undefined when it breaks the grammar. */
export function readVia({ bytes, text }: SipText, from: number, to: number): Via | undefined {
  let i = skipProtocol(bytes, from, to);
  if (i < 0) return undefined;
  const transportEnd = skipClass(bytes, i, to, TOKEN);
  const hostStart = skipSpace(bytes, transportEnd, to);
  if (transportEnd === i || hostStart === transportEnd) return undefined;

  const hostEnd = skipHost(bytes, hostStart, to);
  if (hostEnd < 0) return undefined;
  i = hostEnd;
  let port: number | undefined;
  const colon = skipSpace(bytes, i, to);
  if (colon < to && bytes[colon] === 0x3a) {
    const portStart = skipSpace(bytes, colon + 1, to);
    i = skipDigits(bytes, portStart, to);
    port = wholeNumber(bytes, portStart, i, 65_535);
    if (port < 1) return undefined;
  }

  let branch: string | undefined;
  let rportLength = -1;
  let alias = false;
  for (;;) {
    const found = readParameter(bytes, i, to, span);
    if (found === undefined) return undefined;
    i = span.next;
    if (!found) break;
    const { nameStart, nameEnd, valueStart, valueEnd } = span;
    if (spells(bytes, nameStart, nameEnd, 'branch')) {
      if (branch !== undefined || !isAllIn(bytes, valueStart, valueEnd, TOKEN)) return undefined;
      branch = text.slice(valueStart, valueEnd);
    } else if (spells(bytes, nameStart, nameEnd, 'rport')) {
      if (valueStart < 0) rportLength = nameEnd - from;
      else if (wholeNumber(bytes, valueStart, valueEnd, 65_535) < 1) return undefined;
    } else if (spells(bytes, nameStart, nameEnd, 'alias')) alias = true;
  }
  if (i < to && bytes[i] !== 0x2c) return undefined;
  return {
    host: text.slice(hostStart, hostEnd),
    port,
    branch,
    rportLength,
    alias,
    length: i - from,
  };
}

/** The first Via value of a text; undefined when it breaks the grammar or is not ASCII. */
export function parseVia(value: string): Via | undefined {
  const source = asciiText(value);
  return source === undefined ? undefined : readVia(source, 0, value.length);
}

/** Index of the transport after `SIP/2.0/`; -1 when the protocol is another one. Spaces may stand around the slashes. */
function skipProtocol(bytes: Uint8Array, from: number, to: number): number {
  let i = skipSpace(bytes, from, to);
  if (startsWith(bytes, i, to, 'SIP/2.0/')) return skipSpace(bytes, i + 8, to);
  if (!spells(bytes, i, Math.min(i + 3, to), 'sip')) return -1;
  i = skipSpace(bytes, i + 3, to);
  if (i >= to || bytes[i] !== 0x2f) return -1;
  i = skipSpace(bytes, i + 1, to);
  if (!startsWith(bytes, i, to, '2.0')) return -1;
  i = skipSpace(bytes, i + 3, to);
  return i < to && bytes[i] === 0x2f ? skipSpace(bytes, i + 1, to) : -1;
}
