import { NS } from './namespaces.ts';

export type XmlNode = XmlElement | string;

/** One XML element with its namespace resolved; prefixes and namespace declarations are gone. */
export class XmlElement {
  /** Local name. */
  readonly name: string;
  /** Namespace name, `''` for none. */
  readonly ns: string;
  /**
   * Flat list: name, value, name, value. An attribute of the XML namespace is `xml:lang`, one of another namespace is
   * `{uri}local`; namespace declarations are left out.
   */
  readonly attributes: readonly string[];
  /** Child elements and character data in document order; adjacent text and CDATA are one string. */
  readonly children: readonly XmlNode[];

  constructor(name: string, ns: string, attributes: readonly string[], children: readonly XmlNode[]) {
    this.name = name;
    this.ns = ns;
    this.attributes = attributes;
    this.children = children;
  }

  /** The value of an attribute, or undefined. */
  attr(name: string): string | undefined {
    const { attributes } = this;
    for (let i = 0; i < attributes.length; i += 2) {
      if (attributes[i] === name) return attributes[i + 1];
    }
    return undefined;
  }

  /** The first child element of this name, in `ns` when given, else in this element's own namespace. */
  child(name: string, ns: string = this.ns): XmlElement | undefined {
    const { children } = this;
    for (let i = 0; i < children.length; i++) {
      const node = children[i];
      if (typeof node === 'object' && node.name === name && node.ns === ns) return node;
    }
    return undefined;
  }

  /** Child elements without the text between them. */
  elements(): readonly XmlElement[] {
    return this.children.filter((node) => typeof node === 'object');
  }

  /** Character data directly inside this element, joined. */
  text(): string {
    const { children } = this;
    const first = children[0];
    if (first === undefined) return '';
    if (children.length === 1) return typeof first === 'string' ? first : '';
    let text = '';
    for (let i = 0; i < children.length; i++) {
      const node = children[i];
      if (typeof node === 'string') text += node;
    }
    return text;
  }
}

// C0 controls without tab and line feed, U+FFFE, U+FFFF and lone surrogates are not characters of XML 1.0. A carriage
// return is one, but a literal one would come back as a line feed.
const TEXT_SPECIAL = /[&<>\0-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]/;
const TEXT_SPECIALS = /[&<>\0-\x08\x0b-\x1f\ufffe\uffff]|\p{Surrogate}/gu;
const ATTRIBUTE_SPECIAL = /[&<>'"\0-\x1f\ufffe\uffff\ud800-\udfff]/;
const ATTRIBUTE_SPECIALS = /[&<>'"\0-\x1f\ufffe\uffff]|\p{Surrogate}/gu;

function escapeCharacter(char: string): string {
  switch (char) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case "'":
      return '&apos;';
    case '"':
      return '&quot;';
    case '\t':
      return '&#9;';
    case '\n':
      return '&#10;';
    case '\r':
      return '&#13;';
    default:
      return '\ufffd';
  }
}

/** Escapes character data; what XML 1.0 cannot carry becomes U+FFFD. */
export function escapeText(text: string): string {
  return TEXT_SPECIAL.test(text) ? text.replace(TEXT_SPECIALS, escapeCharacter) : text;
}

/** Escapes an attribute value for either kind of quote; what XML 1.0 cannot carry becomes U+FFFD. */
export function escapeAttribute(text: string): string {
  return ATTRIBUTE_SPECIAL.test(text) ? text.replace(ATTRIBUTE_SPECIALS, escapeCharacter) : text;
}

/**
 * Writes an element from its tree. `parentNs` is the default namespace where the text will stand: the declaration is
 * written when the element's own differs. Names must be XML names: they come from the parser or from our own code.
 */
export function formatElement(element: XmlElement, parentNs: string): string {
  const { name, ns, attributes, children } = element;
  let tag = name;
  let defaultNs = ns;
  let xml: string;
  if (ns === parentNs) {
    xml = `<${name}`;
  } else if (ns === NS.xml) {
    // The XML namespace has one prefix and may not become the default.
    tag = `xml:${name}`;
    defaultNs = parentNs;
    xml = `<${tag}`;
  } else {
    xml = `<${name} xmlns='${escapeAttribute(ns)}'`;
  }
  for (let i = 0; i + 1 < attributes.length; i += 2) {
    const attribute = attributes[i] ?? '';
    const value = escapeAttribute(attributes[i + 1] ?? '');
    xml += attribute.charCodeAt(0) === 0x7b ? foreignAttribute(attribute, value, i) : ` ${attribute}='${value}'`;
  }
  if (children.length === 0) return `${xml}/>`;
  xml += '>';
  for (let i = 0; i < children.length; i++) {
    const node = children[i] ?? '';
    xml += typeof node === 'string' ? escapeText(node) : formatElement(node, defaultNs);
  }
  return `${xml}</${tag}>`;
}

/** An attribute of a foreign namespace gets a prefix of its own, declared beside it. */
function foreignAttribute(attribute: string, value: string, index: number): string {
  const brace = attribute.lastIndexOf('}');
  const prefix = `a${index}`;
  return ` xmlns:${prefix}='${escapeAttribute(attribute.slice(1, brace))}' ${prefix}:${attribute.slice(brace + 1)}='${value}'`;
}
