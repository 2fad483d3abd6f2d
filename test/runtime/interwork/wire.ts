import assert from 'node:assert/strict';
import type { SipRefusal } from '../../../src/runtime/interwork/sip-to-xmpp.ts';
import { formatPageMessage } from '../../../src/runtime/sip/format.ts';
import { DEFAULT_SIP_LIMITS, parseDatagram, type SipRequest } from '../../../src/runtime/sip/message.ts';
import type { SipPageMessage } from '../../../src/runtime/sip/page-message.ts';
import type { XmlElement } from '../../../src/runtime/xmpp/element.ts';
import type { ParserLimits } from '../../../src/runtime/xmpp/parser-limits.ts';
import { parseDocument } from '../../../src/runtime/xmpp/stream-parser.ts';

const LIMITS: ParserLimits = {
  maxElementBytes: 1_048_576,
  maxHeaderBytes: 10_000,
  maxDepth: 64,
  maxAttributes: 64,
  maxChildren: 10_000,
  maxNameBytes: 256,
};

/** Parses one element with the parser of XMPP streams. */
export function parseElement(xml: string | Buffer): XmlElement {
  const element = parseDocument(Buffer.from(xml), LIMITS);
  assert(element !== undefined, `not well-formed: ${String(xml).slice(0, 500)}`);
  return element;
}

function formatMessage(message: SipPageMessage): string {
  const lines = { viaStart: 'SIP/2.0/TLS gateway.example.net;branch=', viaEnd: '' };
  return formatPageMessage(message, lines, 'z9hG4bK1', 'tag1', message.callId ?? 'made-by-the-endpoint', 1);
}

/** The request on the wire; lines of the head end in a line feed only. */
export function renderMessage(message: SipPageMessage): string {
  const wire = formatMessage(message);
  const headEnd = wire.indexOf('\r\n\r\n');
  return `${wire.slice(0, headEnd).replaceAll('\r\n', '\n')}\n\n${wire.slice(headEnd + 4)}`;
}

export function renderRefusal(refusal: SipRefusal): string {
  const accept = refusal.accept === undefined ? '' : `Accept: ${refusal.accept}\n`;
  return `SIP/2.0 ${refusal.status} ${refusal.reason}\n${accept}`;
}

/** Reads a message back as its receiver would; fails unless it is a request with nothing in it that we did not put. */
export function parseMessage(message: SipPageMessage): SipRequest {
  const parsed = parseDatagram(Buffer.from(formatMessage(message)), { ...DEFAULT_SIP_LIMITS, maxBodyBytes: 1_048_576 });
  assert(parsed.kind === 'request', parsed.kind === 'failure' ? `${parsed.message}: ${formatMessage(message)}` : '');
  assert.equal(parsed.uri, message.requestUri);
  assert.equal(parsed.from.uri, message.from);
  assert.equal(parsed.to.uri, message.to);
  assert.equal(parsed.headers.first('subject'), message.subject);
  assert.equal(parsed.headers.first('content-language'), message.contentLanguage);
  assert.equal(parsed.headers.first('content-type'), message.contentType);
  if (message.callId !== undefined) assert.equal(parsed.callId, message.callId);
  assert.equal(parsed.body.toString(), message.body);
  for (const name of ['route', 'contact', 'x-evil', 'accept']) assert.equal(parsed.headers.first(name), undefined);
  return parsed;
}

/** Reads a request file: lines end in a line feed, the body follows the first empty line, Content-Length is added. */
export function readRequest(file: Buffer): ReturnType<typeof parseDatagram> {
  const headEnd = file.indexOf('\n\n');
  const head = file.subarray(0, headEnd).toString('utf8').replaceAll('\n', '\r\n');
  const body = file.subarray(headEnd + 2);
  return parseDatagram(Buffer.concat([Buffer.from(`${head}\r\nContent-Length: ${body.length}\r\n\r\n`), body]));
}
