import type { XmlElement } from './element.ts';
import { NS } from './namespaces.ts';
import type { ParserLimits } from './parser-limits.ts';
import type { StreamErrorCondition } from './stream-error.ts';
import { problem } from './tree-builder.ts';
import { type TokenizerEvents, XmlTokenizer } from './xml-tokenizer.ts';

export type { ParserLimits } from './parser-limits.ts';

/** The stream header of a peer (RFC 6120 section 4.7), unchecked beyond its XML and its namespace. */
export interface StreamHeader {
  readonly from?: string;
  readonly to?: string;
  readonly id?: string;
  readonly version?: string;
  readonly lang?: string;
  /** The default namespace that stanzas inherit, `''` for none. */
  readonly defaultNs: string;
  /** Prefixes the header declares, with their namespaces. */
  readonly namespaces: ReadonlyMap<string, string>;
}

export interface StreamHandler {
  onHeader(header: StreamHeader): void;
  /** A child of the stream root, complete. */
  onElement(element: XmlElement): void;
  /** The peer closed the stream. Nothing follows. */
  onEnd(): void;
  /** The stream error to answer with and a sentence about it that quotes no input. Nothing follows. */
  onBroken(condition: StreamErrorCondition, text: string): void;
}

const WRONG_ROOT_NAMESPACE = problem('invalid-namespace', `stream root must be in the namespace ${NS.streams}`);
const WRONG_ROOT = problem('bad-format', 'root element must be stream');

/**
 * Reads one XML stream: bytes in, header and stanzas out. Never throws on any input; an exception of a handler goes
 * through to the caller of `write` and stops the parser. White space between stanzas is accepted and free.
 */
export class StreamParser {
  readonly #handler: StreamHandler;
  readonly #tokenizer: XmlTokenizer;

  constructor(handler: StreamHandler, limits: ParserLimits) {
    this.#handler = handler;
    const events: TokenizerEvents = {
      onRoot: (root) => this.#root(root),
      onElement: (element) => handler.onElement(element),
      onEnd: () => handler.onEnd(),
      onBroken: (condition, text) => handler.onBroken(condition, text),
    };
    this.#tokenizer = new XmlTokenizer(events, limits, 'stream');
  }

  /**
   * Takes the next bytes of the stream, cut anywhere. The buffer may be reused afterwards. Bytes written from inside a
   * handler are read after the rest of the current chunk.
   */
  write(chunk: Buffer): void {
    this.#tokenizer.write(chunk);
  }

  /** Limits from now on, also for an element that has begun. */
  setLimits(limits: ParserLimits): void {
    this.#tokenizer.setLimits(limits);
  }

  /** Discards everything from here on, also the rest of a chunk whose handler calls this. */
  stop(): void {
    this.#tokenizer.stop();
  }

  #root(root: XmlElement): void {
    if (root.ns !== NS.streams || root.name !== 'stream') {
      this.#tokenizer.fail(root.ns === NS.streams ? WRONG_ROOT : WRONG_ROOT_NAMESPACE);
      return;
    }
    const from = root.attr('from');
    const to = root.attr('to');
    const id = root.attr('id');
    const version = root.attr('version');
    const lang = root.attr('xml:lang');
    this.#handler.onHeader({
      ...(from !== undefined && { from }),
      ...(to !== undefined && { to }),
      ...(id !== undefined && { id }),
      ...(version !== undefined && { version }),
      ...(lang !== undefined && { lang }),
      defaultNs: this.#tokenizer.builder.defaultNs(),
      namespaces: this.#tokenizer.builder.namespaces(),
    });
  }
}

/**
 * The root element of a whole document in UTF-8, such as a PIDF body, or undefined when it is not well-formed, uses
 * what streams may not use (comments, processing instructions, DOCTYPE) or exceeds a limit. `maxElementBytes` counts
 * the document; `maxHeaderBytes` has no meaning here. A UTF-8 byte order mark is skipped.
 */
export function parseDocument(bytes: Buffer, limits: ParserLimits): XmlElement | undefined {
  let root: XmlElement | undefined;
  const events: TokenizerEvents = {
    onRoot: () => undefined,
    onElement: (element) => {
      root = element;
    },
    onEnd: () => undefined,
    onBroken: () => {
      root = undefined;
    },
  };
  const marked = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  new XmlTokenizer(events, limits, 'document').write(marked ? bytes.subarray(3) : bytes);
  return root;
}
