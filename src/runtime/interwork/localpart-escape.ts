// XEP-0106 gives a code to nine characters a localpart may not hold, and one to the backslash itself, needed only where
// a backslash in front of a code would otherwise read as that code. RFC 7247 section 6.2 names XEP-0106 but its steps
// list three characters; percent-decoding can yield all nine.
//
// XEP-0106 leaves open what a doubly escaped backslash means. Here `\` counts as an escape when it is followed by any
// number of `5c` and one of the nine codes: writing adds one `5c`, reading takes one away. Both directions are then
// exact inverses, so two SIP users never share a JID and a reply finds the address it came from.

const CHARACTER: Readonly<Record<string, string>> = {
  '20': ' ',
  '22': '"',
  '26': '&',
  '27': "'",
  '2f': '/',
  '3a': ':',
  '3c': '<',
  '3e': '>',
  '40': '@',
};

const CODE: Readonly<Record<string, string>> = {
  ' ': '\\20',
  '"': '\\22',
  '&': '\\26',
  "'": '\\27',
  '/': '\\2f',
  ':': '\\3a',
  '<': '\\3c',
  '>': '\\3e',
  '@': '\\40',
  '\\': '\\5c',
};

// Codes are lower case, but a localpart is folded to lower case later: an upper-case one must not turn into a code.
const TO_ESCAPE = /[ "&'/:<>@]|\\(?=(?:5c)*(?:2[0267f]|3[ace]|40))/gi;
const ESCAPED = /\\((?:5c)*)(2[0267f]|3[ace]|40)/g;

/** Writes any text in the characters of a localpart (XEP-0106). */
export function escapeLocal(text: string): string {
  return text.replace(TO_ESCAPE, (char) => CODE[char] ?? char);
}

/** The text a localpart stands for: the inverse of `escapeLocal` for every localpart. */
export function unescapeLocal(local: string): string {
  return local.replace(ESCAPED, (_, fives: string, code: string) =>
    fives === '' ? (CHARACTER[code] ?? '') : `\\${fives.slice(2)}${code}`,
  );
}
