/**
 * The two PRECIS profiles an XMPP address needs (RFC 8264, RFC 8265), by the Unicode data of the running Node.
 * Zero-width joiners, which RFC 5892 allows between certain letters, are refused everywhere: they are invisible.
 */

const ASCII_IDENTIFIER = /^[\x21-\x7e]+$/;
const ASCII_FREEFORM = /^[\x20-\x7e]+$/;

// RFC 8264 section 8: categories of each class. What is valid only in some context is here too: see inContext().
const IDENTIFIER_CHARACTERS =
  /^[\x21-\x7e\p{Ll}\p{Lu}\p{Lo}\p{Nd}\p{Lm}\p{Mn}\p{Mc}\u06fd\u06fe\u0f0b\u3007\u00b7\u0375\u05f3\u05f4\u30fb]+$/u;
const FREEFORM_CHARACTERS = /^[\p{L}\p{M}\p{N}\p{S}\p{P}\p{Zs}]+$/u;
// RFC 8264 section 9.6 (exceptions), 9.9 (ignorable), 9.11 (old Hangul jamo).
const NEVER =
  /[\u0640\u07fa\u302e\u302f\u3031-\u3035\u303b\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}\u1100-\u11ff\ua960-\ua97c\ud7b0-\ud7c6\ud7cb-\ud7fb]/u;

const WIDE_OR_NARROW = /[\u3000\uff01-\uffee]/gu;
const OTHER_SPACES = /\p{Zs}/gu;

/** Enforces UsernameCaseMapped (RFC 8265 section 3.3); undefined when the text is not such a string. */
export function usernameCaseMapped(text: string): string | undefined {
  if (ASCII_IDENTIFIER.test(text)) return text.toLowerCase();
  const narrow = text.replace(WIDE_OR_NARROW, (char) => char.normalize('NFKD'));
  if (!isIdentifier(narrow) || hasCompatibilityForm(narrow)) return undefined;
  // One code point at a time: a capital sigma is small sigma, also at the end of a word (RFC 7622 section 3.5).
  let lower = '';
  for (const char of narrow) lower += char.toLowerCase();
  const name = lower.normalize('NFC');
  return isIdentifier(name) && inContext(name) && obeysBidiRule(name) ? name : undefined;
}

/** Enforces OpaqueString (RFC 8265 section 4.2); undefined when the text is not such a string. */
export function opaqueString(text: string): string | undefined {
  if (ASCII_FREEFORM.test(text)) return text;
  if (!FREEFORM_CHARACTERS.test(text) || NEVER.test(text)) return undefined;
  const opaque = text.replace(OTHER_SPACES, ' ').normalize('NFC');
  return inContext(opaque) ? opaque : undefined;
}

function isIdentifier(text: string): boolean {
  return IDENTIFIER_CHARACTERS.test(text) && !NEVER.test(text);
}

/** RFC 8264 section 9.17: the Kelvin sign, ligatures and the like. */
function hasCompatibilityForm(text: string): boolean {
  for (const char of text) {
    if (char.normalize('NFKC') !== char) return true;
  }
  return false;
}

const MIDDLE_DOT_ALONE = /(?<!l)\u00b7|\u00b7(?!l)/u;
const KERAIA_ALONE = /\u0375(?!\p{Script=Greek})/u;
const GERESH_ALONE = /(?<!\p{Script=Hebrew})[\u05f3\u05f4]/u;
const JAPANESE = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Han}]/u;
const ARABIC_DIGIT = /[\u0660-\u0669]/u;
const EXTENDED_ARABIC_DIGIT = /[\u06f0-\u06f9]/u;

/** The contextual rules of RFC 5892 appendix A, joiners excepted. */
function inContext(text: string): boolean {
  if (MIDDLE_DOT_ALONE.test(text) || KERAIA_ALONE.test(text) || GERESH_ALONE.test(text)) return false;
  if (text.includes('\u30fb') && !JAPANESE.test(text)) return false;
  return !(ARABIC_DIGIT.test(text) && EXTENDED_ARABIC_DIGIT.test(text));
}

// JavaScript has no class for the direction of a character. Letters of these scripts run from right to left; of the
// other characters of an identifier, letters, spacing marks and digits run from left to right unless listed.
const RTL = String.raw`\p{Script=Adlam}\p{Script=Arabic}\p{Script=Avestan}\p{Script=Chorasmian}\p{Script=Cypriot}\p{Script=Elymaic}\p{Script=Hanifi_Rohingya}\p{Script=Hatran}\p{Script=Hebrew}\p{Script=Imperial_Aramaic}\p{Script=Inscriptional_Pahlavi}\p{Script=Inscriptional_Parthian}\p{Script=Kharoshthi}\p{Script=Lydian}\p{Script=Mandaic}\p{Script=Manichaean}\p{Script=Mende_Kikakui}\p{Script=Meroitic_Cursive}\p{Script=Meroitic_Hieroglyphs}\p{Script=Nabataean}\p{Script=Nko}\p{Script=Old_Hungarian}\p{Script=Old_North_Arabian}\p{Script=Old_Sogdian}\p{Script=Old_South_Arabian}\p{Script=Old_Turkic}\p{Script=Old_Uyghur}\p{Script=Palmyrene}\p{Script=Phoenician}\p{Script=Psalter_Pahlavi}\p{Script=Samaritan}\p{Script=Sogdian}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Yezidi}`;
const ANY_RTL = new RegExp(String.raw`[${RTL}\u0660-\u0669]`, 'u');
const STARTS_RTL = new RegExp(String.raw`^(?=[${RTL}])\p{L}`, 'u');
const RTL_LETTER_OR_DIGIT = new RegExp(
  String.raw`^(?:(?=[${RTL}])[\p{L}\p{Nd}]|[0-9\u0660-\u0669\u06f0-\u06f9])$`,
  'u',
);
const MARK = /^\p{Mn}$/u;
const STRONG_OR_DIGIT = /^[\p{L}\p{Mc}\p{Nd}]$/u;
const EUROPEAN_DIGIT = /[0-9\u06f0-\u06f9]/u;

/** The Bidi Rule (RFC 5893 section 2) for a string with a character that runs from right to left; true for others. */
function obeysBidiRule(text: string): boolean {
  if (!ANY_RTL.test(text)) return true;
  if (!STARTS_RTL.test(text)) return false;
  if (ARABIC_DIGIT.test(text) && EUROPEAN_DIGIT.test(text)) return false;
  let endsWell = false;
  for (const char of text) {
    if (MARK.test(char)) continue;
    endsWell = RTL_LETTER_OR_DIGIT.test(char);
    if (!endsWell && STRONG_OR_DIGIT.test(char)) return false;
  }
  return endsWell;
}
