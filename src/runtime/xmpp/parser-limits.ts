/** What one XML stream or document may cost. Every limit is inclusive and checked before anything is built. */
export interface ParserLimits {
  /** Bytes of one top-level element, from its `<` to its last `>`; whitespace between elements is free. */
  readonly maxElementBytes: number;
  /** Bytes from the start of the stream to the `>` of the stream header, XML declaration included. */
  readonly maxHeaderBytes: number;
  /** Nesting below the stream root: a stanza has depth 1. */
  readonly maxDepth: number;
  /** Attributes of one element, and also prefixes in scope anywhere; namespace declarations count. */
  readonly maxAttributes: number;
  /** Elements, text runs and CDATA sections in one top-level element, itself included. */
  readonly maxChildren: number;
  /** Bytes of one element or attribute name, prefix included. */
  readonly maxNameBytes: number;
}
