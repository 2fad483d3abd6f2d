// RFC 5646: subtags of up to eight letters and digits. 35 characters hold every tag without private-use subtags.
const TAG = /^[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*$/;
const MAX_LENGTH = 35;

/** The language tag if it has the form of one, else undefined; an empty or malformed one is dropped, not an error. */
export function languageTag(text: string | undefined): string | undefined {
  return text !== undefined && text.length <= MAX_LENGTH && TAG.test(text) ? text : undefined;
}
