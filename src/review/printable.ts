// Invisible, bidirectional and control characters could rewrite the line they are printed on.
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** The same text with nothing in it that is not seen. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** A digest as people compare it. */
export function shortDigest(digest: string | null): string {
  return digest === null ? 'nothing' : digest.slice(0, 'sha256:'.length + 12);
}
