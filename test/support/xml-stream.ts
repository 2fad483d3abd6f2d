import { XmlElement, type XmlNode } from '../../src/runtime/xmpp/element.ts';
import type { StreamErrorCondition } from '../../src/runtime/xmpp/stream-error.ts';
import { type ParserLimits, type StreamHeader, StreamParser } from '../../src/runtime/xmpp/stream-parser.ts';

/** Limits of a gateway, small enough to reach in a test. */
export const LIMITS: ParserLimits = {
  maxElementBytes: 262_144,
  maxHeaderBytes: 4096,
  maxDepth: 64,
  maxAttributes: 64,
  maxChildren: 10_000,
  maxNameBytes: 256,
};

export const HEADER =
  "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' " +
  "xmlns:db='jabber:server:dialback' from='partner.example' to='corp.example' version='1.0'>";

/** An element as plain data, for comparison and for golden files. */
export interface PlainElement {
  readonly name: string;
  readonly ns: string;
  readonly attributes: readonly string[];
  readonly children: readonly (PlainElement | string)[];
}

export type StreamEvent =
  | { readonly header: Omit<StreamHeader, 'namespaces'> & { readonly namespaces: Readonly<Record<string, string>> } }
  | { readonly element: PlainElement }
  | { readonly end: true }
  | { readonly broken: StreamErrorCondition };

export function plain(element: XmlElement): PlainElement {
  const { name, ns, attributes, children } = element;
  return { name, ns, attributes, children: children.map((node) => (typeof node === 'string' ? node : plain(node))) };
}

export function fromPlain(element: PlainElement): XmlElement {
  const { name, ns, attributes, children } = element;
  const nodes: XmlNode[] = children.map((node) => (typeof node === 'string' ? node : fromPlain(node)));
  return new XmlElement(name, ns, attributes, nodes);
}

/** Everything the parser reports for these chunks. */
export function readStream(chunks: Iterable<Buffer>, limits: ParserLimits = LIMITS): StreamEvent[] {
  const events: StreamEvent[] = [];
  const parser = new StreamParser(
    {
      onHeader: (header) => {
        events.push({ header: { ...header, namespaces: Object.fromEntries(header.namespaces) } });
      },
      onElement: (element) => {
        events.push({ element: plain(element) });
      },
      onEnd: () => {
        events.push({ end: true });
      },
      onBroken: (condition) => {
        events.push({ broken: condition });
      },
    },
    limits,
  );
  for (const chunk of chunks) parser.write(chunk);
  return events;
}

export function* inPieces(bytes: Buffer, size: number): Generator<Buffer> {
  for (let start = 0; start < bytes.length; start += size) {
    // A copy, since a parser may not rely on what lies around a chunk; overwritten, since the buffer may be reused.
    const piece = Buffer.from(bytes.subarray(start, start + size));
    yield piece;
    piece.fill(0x21);
  }
}

/** The condition a stream ends with, or undefined while it is intact. */
export function brokenWith(events: readonly StreamEvent[]): StreamErrorCondition | undefined {
  const last = events[events.length - 1];
  return last !== undefined && 'broken' in last ? last.broken : undefined;
}

export function elementsOf(events: readonly StreamEvent[]): PlainElement[] {
  return events.flatMap((event) => ('element' in event ? [event.element] : []));
}
