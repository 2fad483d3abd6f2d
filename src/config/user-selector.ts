import * as z from 'zod';
import { normalizeDomain } from './domain.ts';

const MAX_LOCALPART_BYTES = 1023; // RFC 7622 section 3.3
const MAX_REPORTED_PER_LIST = 100;
const STAR = 0x2a;
const USER_SELECTOR = 'a user address, "prefix*@domain", "*@domain" or a domain';

/** The domain a selector in normal form speaks about. */
export function domainOfSelector(selector: string): string {
  return selector.slice(selector.indexOf('@') + 1);
}

/**
 * A list of user selectors, brought to normal form: localpart and domain as a normalised JID has them (RFC 7622), a
 * bare domain as `*@domain`. Checked by hand, because a million of them must load in a fraction of a second.
 */
export const userSelectors: z.ZodType<string[], readonly string[]> = z
  .custom<readonly string[]>()
  .transform((list: unknown, context): string[] => {
    if (!Array.isArray(list)) {
      context.issues.push({ code: 'custom', message: `a list, each entry ${USER_SELECTOR}`, input: list });
      return z.NEVER;
    }
    const normalize = selectorNormalizer();
    const selectors = new Array<string>(list.length);
    let wrong = 0;
    for (let i = 0; i < list.length; i++) {
      const entry: unknown = list[i];
      const selector = typeof entry === 'string' ? normalize(entry) : undefined;
      if (selector !== undefined) {
        selectors[i] = selector;
      } else if (++wrong <= MAX_REPORTED_PER_LIST) {
        context.issues.push({ code: 'custom', message: USER_SELECTOR, input: entry, path: [i] });
      }
    }
    if (wrong > MAX_REPORTED_PER_LIST) {
      const message = `a list, each entry ${USER_SELECTOR} (${wrong} of them are not)`;
      context.issues.push({ code: 'custom', message, input: list });
    }
    return wrong === 0 ? selectors : z.NEVER;
  })
  .meta({ type: 'array', items: { type: 'string', title: 'user selector' } });

/** Normal form of one selector, or undefined. */
export function normalizeUserSelector(text: string): string | undefined {
  return selectorNormalizer()(text);
}

// Remembers the domain seen last: in a long list neighbours nearly always share it.
function selectorNormalizer(): (text: string) => string | undefined {
  let rawSuffix = '';
  let suffix = '';
  return (text) => {
    const at = text.indexOf('@');
    if (at < 0) {
      const domain = normalizeDomain(text);
      return domain === undefined ? undefined : `*@${domain}`;
    }
    if (rawSuffix === '' || text.length - at !== rawSuffix.length || !text.endsWith(rawSuffix)) {
      const domain = normalizeDomain(text.slice(at + 1));
      if (domain === undefined) return undefined;
      rawSuffix = text.slice(at);
      suffix = `@${domain}`;
    }
    const end = text.charCodeAt(at - 1) === STAR ? at - 1 : at;
    if (isPlainLocalpart(text, end)) {
      if (end === 0 && end === at) return undefined; // "@domain"
      return suffix === rawSuffix ? text : text.slice(0, at) + suffix;
    }
    const localpart = normalizeLocalpart(text.slice(0, end));
    if (localpart === undefined) return undefined;
    return (end === at ? localpart : `${localpart}*`) + suffix;
  };
}

// True when the first `end` characters need no rewriting: lower-case ASCII without what RFC 7622 section 3.3.1 forbids.
function isPlainLocalpart(text: string, end: number): boolean {
  if (end > MAX_LOCALPART_BYTES) return false;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i);
    const isLowerOrDigit = (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39);
    if (!isLowerOrDigit && code !== 0x2e && code !== 0x2d && code !== 0x5f) return false;
  }
  return true;
}

const FORBIDDEN_IN_LOCALPART = /[\u0000-\u0020"&'/:<>@*\u007f]/u;
const LETTERS_DIGITS_MARKS = /^[\u0021-\u007e\p{Ll}\p{Lo}\p{Lm}\p{Mn}\p{Mc}\p{Nd}]+$/u;

// RFC 7622 section 3.3 (UsernameCaseMapped). What has a compatibility form is refused instead of mapped, so that
// whatever is accepted here reads the same to every implementation of that profile.
function normalizeLocalpart(text: string): string | undefined {
  let lower = '';
  // One code point at a time: a capital sigma is small sigma, also at the end of a word (RFC 7622 section 3.5).
  for (const character of text) lower += character.toLowerCase();
  const localpart = lower.normalize('NFC');
  if (localpart.normalize('NFKC') !== localpart) return undefined;
  if (FORBIDDEN_IN_LOCALPART.test(localpart) || !LETTERS_DIGITS_MARKS.test(localpart)) return undefined;
  return Buffer.byteLength(localpart) > MAX_LOCALPART_BYTES ? undefined : localpart;
}
