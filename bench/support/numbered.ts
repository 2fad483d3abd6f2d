/**
 * Messages that carry a number, so that a sink can tell which arrived, which twice and which damaged, at the price of
 * one search and one comparison each. They are copied from a template and only their digits are written.
 */

const NUMBER = 'NNNNNNNN';
const USERS = 1000;
/** What a body looks like before its number. */
export const MARK = '#';
export const NUMBER_DIGITS = NUMBER.length;

const WORDS =
  ' the meeting moves to noon, same room as last week; please bring the draft, a pen and good news if there is any ' +
  'and call me should the train be late again as it was on monday';

/** The part of a body after its number. */
export function bodyTail(characters: number): string {
  if (characters < 1 || characters > WORDS.length) throw new Error(`no body tail of ${characters} characters`);
  return WORDS.slice(0, characters);
}

/** Body of a template: replaced by number and tail. */
export function templateBody(tail: string): string {
  return `${MARK}${NUMBER}${tail}`;
}

/** A chat message of exactly `bytes` bytes, and the tail its body ends with. */
export function stanzaTemplate(
  from: string,
  to: string,
  namespace: string,
  bytes: number,
): { readonly text: string; readonly tail: string } {
  const xmlns = namespace === '' ? '' : ` xmlns='${namespace}'`;
  const head = `<message${xmlns} from='rSSSS@${from}' to='lRRRR@${to}' type='chat' id='n${NUMBER}'><body>`;
  const end = '</body></message>';
  const tail = bodyTail(bytes - head.length - templateBody('').length - end.length);
  return { text: `${head}${templateBody(tail)}${end}`, tail };
}

/**
 * Template text becomes messages: `NNNNNNNN` the number, `SSSS` and `RRRR` one of 1000 senders and recipients, paired
 * differently all the time: real traffic is not one pair of users.
 */
export class Template {
  readonly #text: Buffer;
  readonly #numbers: readonly number[];
  readonly #senders: readonly number[];
  readonly #recipients: readonly number[];

  constructor(text: string) {
    this.#text = Buffer.from(text, 'latin1');
    this.#numbers = offsetsOf(text, NUMBER);
    this.#senders = offsetsOf(text, 'SSSS');
    this.#recipients = offsetsOf(text, 'RRRR');
  }

  /** Messages `first` to `first + count - 1`, in a buffer of their own. */
  fill(first: number, count: number): Buffer {
    const size = this.#text.length;
    const out = Buffer.allocUnsafe(size * count);
    for (let index = 0; index < count; index += 1) {
      const base = index * size;
      const number = first + index;
      this.#text.copy(out, base);
      for (const offset of this.#numbers) writeDigits(out, base + offset, NUMBER_DIGITS, number);
      for (const offset of this.#senders) writeDigits(out, base + offset, 4, number % USERS);
      for (const offset of this.#recipients) writeDigits(out, base + offset, 4, (number * 7 + (number >> 9)) % USERS);
    }
    return out;
  }
}

/** @returns -1 when there is something else than digits */
export function readDigits(bytes: Buffer, offset: number): number {
  let number = 0;
  for (let index = offset; index < offset + NUMBER_DIGITS; index += 1) {
    const digit = (bytes[index] ?? 0) - 48;
    if (digit < 0 || digit > 9) return -1;
    number = number * 10 + digit;
  }
  return number;
}

function writeDigits(out: Buffer, offset: number, width: number, value: number): void {
  let rest = value;
  for (let index = offset + width - 1; index >= offset; index -= 1) {
    out[index] = 48 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}

function offsetsOf(text: string, part: string): number[] {
  const offsets: number[] = [];
  for (let at = text.indexOf(part); at >= 0; at = text.indexOf(part, at + part.length)) offsets.push(at);
  return offsets;
}
