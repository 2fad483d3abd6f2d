import { domainToASCII } from 'node:url';
import * as z from 'zod';

const MAX_INPUT_LENGTH = 1023; // RFC 7622 section 3.2: octets of a domainpart
const MAX_NAME_LENGTH = 253;
const MAX_LABEL_LENGTH = 63;
const LETTERS_DIGITS_HYPHENS = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const NON_ASCII = /[^\x00-\x7f]/;
// `192.0.2.1`, `0x7f.1` and `127.1` all reach an IPv4 address in some resolver: a name may not end in a number.
const NUMBER_LABEL = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/**
 * A domain name in the one form everything compares: lower case, A-labels (RFC 5890), no trailing dot.
 *
 * Returns undefined for whatever is not a domain name: a wildcard, an IP literal, a number in the last label, an empty
 * or overlong label, an A-label that decodes to nothing valid, a character that merely looks like ASCII.
 */
export function normalizeDomain(text: string): string | undefined {
  if (text.length === 0 || text.length > MAX_INPUT_LENGTH) return undefined;
  const labels = (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  let last = '';
  for (let i = 0; i < labels.length; i++) {
    const label = normalizeLabel(labels[i] ?? '');
    if (label === undefined) return undefined;
    labels[i] = label;
    last = label;
  }
  if (NUMBER_LABEL.test(last)) return undefined;
  const name = labels.join('.');
  return name.length > MAX_NAME_LENGTH ? undefined : name;
}

// One label at a time: handed a whole name, the URL host parser also reads IPv4 addresses in hexadecimal and octal.
function normalizeLabel(text: string): string | undefined {
  if (text.length === 0) return undefined;
  const isInternational = NON_ASCII.test(text);
  const label = isInternational ? domainToASCII(text) : text.toLowerCase();
  if (label.length > MAX_LABEL_LENGTH || !LETTERS_DIGITS_HYPHENS.test(label)) return undefined;
  const isALabel = label.startsWith('xn--');
  // A full-width letter or the Kelvin sign maps to plain ASCII: refused, so that one name has one spelling.
  if (isInternational) return isALabel ? label : undefined;
  return isALabel && domainToASCII(label) !== label ? undefined : label;
}

const DOMAIN_NAME = 'a domain name without wildcard, such as "fabrikam.com"';

/** Schema of a domain name. Output is {@link normalizeDomain}'s form. */
export const domainName: z.ZodType<string, string> = z
  .string({ error: DOMAIN_NAME })
  .transform((text, context) => {
    const domain = normalizeDomain(text);
    if (domain !== undefined) return domain;
    context.issues.push({ code: 'custom', message: DOMAIN_NAME, input: text });
    return z.NEVER;
  })
  .meta({ format: 'idn-hostname' });
