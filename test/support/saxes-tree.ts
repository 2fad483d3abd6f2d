import { type SaxesAttributeNS, SaxesParser } from 'saxes';
import { XmlElement, type XmlNode } from '../../src/runtime/xmpp/element.ts';

interface OpenElement {
  readonly name: string;
  readonly ns: string;
  readonly attributes: readonly string[];
  readonly children: XmlNode[];
}

function attributesOf(attributes: Readonly<Record<string, SaxesAttributeNS>>): string[] {
  const flat: string[] = [];
  for (const name in attributes) {
    const attribute = attributes[name];
    if (attribute === undefined || name === 'xmlns' || attribute.prefix === 'xmlns') continue;
    const { prefix, uri, local, value } = attribute;
    flat.push(prefix === 'xml' ? name : prefix === '' ? local : `{${uri}}${local}`, value);
  }
  return flat;
}

/**
 * Reads a stream with saxes into the same elements as our parser: each child of the root goes to `onElement`. The
 * writer throws on the first thing saxes refuses.
 */
export function saxesStream(onElement: (element: XmlElement) => void): { write(text: string): void; close(): void } {
  const open: OpenElement[] = [];
  const parser = new SaxesParser({ xmlns: true, position: false });
  const onText = (text: string): void => {
    const children = open.length > 1 ? open[open.length - 1]?.children : undefined;
    if (children === undefined || text === '') return;
    const last = children[children.length - 1];
    if (typeof last === 'string') children[children.length - 1] = last + text;
    else children.push(text);
  };
  parser.on('opentag', (tag) => {
    open.push({ name: tag.local, ns: tag.uri, attributes: attributesOf(tag.attributes), children: [] });
  });
  parser.on('text', onText);
  parser.on('cdata', onText);
  parser.on('closetag', () => {
    const row = open.pop();
    if (row === undefined) return;
    const element = new XmlElement(row.name, row.ns, row.attributes, row.children);
    if (open.length > 1) open[open.length - 1]?.children.push(element);
    else if (open.length === 1) onElement(element);
  });
  parser.on('error', (error) => {
    throw error;
  });
  return {
    write: (text) => {
      parser.write(text);
    },
    close: () => {
      parser.close();
    },
  };
}
