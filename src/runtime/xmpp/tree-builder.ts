import { XmlElement, type XmlNode } from './element.ts';
import { NS } from './namespaces.ts';
import type { ParserLimits } from './parser-limits.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import { NAME_PREFIXED, NAME_XMLNS, type XmlName } from './xml-name.ts';
import { declarationFault, NamespaceScope } from './xml-namespace.ts';

/** Why the input is refused; the text is ours and never quotes the input. */
export interface XmlProblem {
  readonly condition: StreamErrorCondition;
  readonly text: string;
}

export function problem(condition: StreamErrorCondition, text: string): XmlProblem {
  return { condition, text };
}

const NO_STRINGS: readonly string[] = [];
const NO_NODES: readonly XmlNode[] = [];
/** Scratch space above this many slots is given back after the element that needed it. */
const KEPT_SLOTS = 1024;

const TOO_DEEP = problem('policy-violation', 'too many nested elements');
const TOO_MANY_NODES = problem('policy-violation', 'too many elements and text runs in one stanza');
const TOO_MANY_ATTRIBUTES = problem('policy-violation', 'too many attributes');
const TOO_MANY_PREFIXES = problem('policy-violation', 'too many namespace prefixes in scope');
const EXPANDED_TOO_LONG = problem('policy-violation', 'too many attributes of long namespaces');
const DUPLICATE = problem('not-well-formed', 'duplicate attribute');
const UNBOUND = problem('bad-namespace-prefix', 'namespace prefix not declared');
const NESTED_STREAM = problem('bad-format', 'stream element inside the stream');
const XMLNS_ELEMENT = problem('not-well-formed', 'element with the prefix xmlns');

/**
 * Turns tags into elements: scope of namespaces, uniqueness of attributes, limits of depth and number. Open elements
 * are rows of parallel arrays and an element object is made once, complete, when its end tag arrives.
 */
export class TreeBuilder {
  #limits: ParserLimits;
  /** Depth of the elements handed out: 1 below a stream root, 0 for a document. */
  readonly #top: number;
  readonly #scope = new NamespaceScope();

  // Attributes of the tag being read.
  readonly #attributes: string[] = [];
  readonly #attributeNames: XmlName[] = [];
  /** Namespaces of the prefixed ones among them, once the tag is complete. */
  readonly #attributeNs: string[] = [];
  #attributeCount = 0;
  #declarationCount = 0;
  #hasForeignAttribute = false;
  #scopeBefore = 0;
  #defaultNs: string | undefined;

  // Open elements.
  readonly #names: string[] = [];
  readonly #namespaces: string[] = [];
  readonly #defaults: string[] = [];
  readonly #attributeLists: (readonly string[])[] = [];
  readonly #scopeSizes: number[] = [];
  readonly #firstNodes: number[] = [];
  #depth = 0;

  // Finished children of all open elements, outermost first.
  #nodes: XmlNode[] = [];
  #nodeCount = 0;
  // Spent by the current top-level element: nodes, and characters of expanded attribute names.
  #seen = 0;
  #expanded = 0;

  constructor(limits: ParserLimits, top: 0 | 1) {
    this.#limits = limits;
    this.#top = top;
  }

  setLimits(limits: ParserLimits): void {
    this.#limits = limits;
  }

  /** The outermost open element as far as it is known: without children. */
  root(): XmlElement {
    return new XmlElement(
      this.#names[0] ?? '',
      this.#namespaces[0] ?? '',
      this.#attributeLists[0] ?? NO_STRINGS,
      NO_NODES,
    );
  }

  /** Prefixes in scope where the input now stands. */
  namespaces(): ReadonlyMap<string, string> {
    return this.#scope.entries();
  }

  /** The default namespace where the input now stands. */
  defaultNs(): string {
    return this.#depth === 0 ? '' : (this.#defaults[this.#depth - 1] ?? '');
  }

  /** One attribute of the tag being read, declarations excepted. */
  attribute(name: XmlName, value: string): XmlProblem | undefined {
    const refused = this.#admitAttribute(name);
    if (refused !== undefined) return refused;
    const at = (this.#attributeCount - this.#declarationCount - 1) * 2;
    this.#attributes[at] = name.text;
    this.#attributes[at + 1] = value;
    if (name.kind === NAME_PREFIXED) this.#hasForeignAttribute = true;
    return undefined;
  }

  /** One namespace declaration of the tag being read; `uri` is a namespace name or `''`. */
  declaration(name: XmlName, uri: string): XmlProblem | undefined {
    const refused = this.#admitAttribute(name);
    if (refused !== undefined) return refused;
    const fault = declarationFault(name, uri);
    if (fault !== undefined) return problem('not-well-formed', fault);
    this.#declarationCount += 1;
    if (name.prefix === '') {
      this.#defaultNs = uri;
    } else {
      if (this.#scope.size >= this.#limits.maxAttributes) return TOO_MANY_PREFIXES;
      this.#scope.declare(name.local, uri);
    }
    return undefined;
  }

  #admitAttribute(name: XmlName): XmlProblem | undefined {
    const names = this.#attributeNames;
    const count = this.#attributeCount;
    if (count >= this.#limits.maxAttributes) return TOO_MANY_ATTRIBUTES;
    for (let i = 0; i < count; i++) {
      if (names[i] === name || names[i]?.text === name.text) return DUPLICATE;
    }
    names[count] = name;
    this.#attributeCount = count + 1;
    return undefined;
  }

  /** The start tag is complete. */
  open(name: XmlName): XmlProblem | undefined {
    const depth = this.#depth;
    if (depth >= this.#top) {
      if (depth - this.#top >= this.#limits.maxDepth) return TOO_DEEP;
      if (++this.#seen > this.#limits.maxChildren) return TOO_MANY_NODES;
    }
    const defaultNs = this.#defaultNs ?? (depth === 0 ? '' : (this.#defaults[depth - 1] as string));
    const ns = name.prefix === '' ? defaultNs : this.#scope.resolve(name.prefix);
    if (ns === undefined) return name.prefix === 'xmlns' ? XMLNS_ELEMENT : UNBOUND;
    if (ns === NS.streams && name.local === 'stream' && depth > 0) return NESTED_STREAM;

    let attributes = NO_STRINGS;
    if (this.#attributeCount > this.#declarationCount) {
      if (this.#hasForeignAttribute) {
        const refused = this.#resolveAttributes();
        if (refused !== undefined) return refused;
      }
      attributes = this.#attributes.slice(0, (this.#attributeCount - this.#declarationCount) * 2);
    }
    this.#names[depth] = name.local;
    this.#namespaces[depth] = ns;
    this.#defaults[depth] = defaultNs;
    this.#attributeLists[depth] = attributes;
    this.#scopeSizes[depth] = this.#scopeBefore;
    this.#firstNodes[depth] = this.#nodeCount;
    this.#depth = depth + 1;

    this.#scopeBefore = this.#scope.size;
    this.#attributeCount = 0;
    this.#declarationCount = 0;
    this.#hasForeignAttribute = false;
    this.#defaultNs = undefined;
    return undefined;
  }

  /** Names attributes of other namespaces `{uri}local` and finds those that two prefixes made equal. */
  #resolveAttributes(): XmlProblem | undefined {
    const names = this.#attributeNames;
    let at = 0;
    for (let i = 0; i < this.#attributeCount; i++) {
      const name = names[i] as XmlName;
      if (name.kind >= NAME_XMLNS) continue;
      if (name.kind === NAME_PREFIXED) {
        const ns = this.#scope.resolve(name.prefix);
        if (ns === undefined) return UNBOUND;
        for (let j = 0; j < i; j++) {
          const other = names[j] as XmlName;
          if (other.kind === NAME_PREFIXED && other.local === name.local && this.#attributeNs[j] === ns)
            return DUPLICATE;
        }
        this.#attributeNs[i] = ns;
        this.#expanded += ns.length + name.local.length + 2;
        if (this.#expanded > this.#limits.maxElementBytes) return EXPANDED_TOO_LONG;
        this.#attributes[at] = `{${ns}}${name.local}`;
      }
      at += 2;
    }
    return undefined;
  }

  /** One run of character data, or one CDATA section, inside the innermost open element. */
  text(text: string): XmlProblem | undefined {
    if (++this.#seen > this.#limits.maxChildren) return TOO_MANY_NODES;
    if (text === '') return undefined;
    const last = this.#nodeCount - 1;
    if (last >= (this.#firstNodes[this.#depth - 1] as number)) {
      const previous = this.#nodes[last];
      if (typeof previous === 'string') {
        this.#nodes[last] = previous + text;
        return undefined;
      }
    }
    this.#nodes[this.#nodeCount++] = text;
    return undefined;
  }

  /** The innermost element is complete; it is returned, and belongs to its parent unless it is a top-level one. */
  close(): XmlElement {
    const depth = --this.#depth;
    const first = this.#firstNodes[depth] as number;
    const count = this.#nodeCount - first;
    const nodes = this.#nodes;
    let children = NO_NODES;
    if (count === 1) {
      children = [nodes[first] as XmlNode];
    } else if (count > 1) {
      children = nodes.slice(first, first + count);
      for (let i = 1; i < count; i++) nodes[first + i] = '';
    }
    const element = new XmlElement(
      this.#names[depth] as string,
      this.#namespaces[depth] as string,
      this.#attributeLists[depth] as readonly string[],
      children,
    );
    this.#attributeLists[depth] = NO_STRINGS;
    this.#scopeBefore = this.#scopeSizes[depth] as number;
    this.#scope.leave(this.#scopeBefore);
    if (depth > this.#top) {
      nodes[first] = element;
      this.#nodeCount = first + 1;
    } else {
      if (count > 0) nodes[first] = '';
      this.#nodeCount = first;
      this.#seen = 0;
      this.#expanded = 0;
      if (nodes.length > KEPT_SLOTS) this.#nodes = [];
    }
    return element;
  }
}
