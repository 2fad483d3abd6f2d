import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';
import {
  formatDialbackAnswer,
  formatDialbackRequest,
  formatExternalAuth,
  formatFeatures,
  formatSaslFailure,
  formatStreamError,
  formatStreamHeader,
  formatVerifyRequest,
  hasFeatures,
  PROCEED,
  SASL_SUCCESS,
  STARTTLS,
  TLS_FAILURE,
} from '../../../src/runtime/xmpp/stream-text.ts';
import { brokenWith, elementsOf, readStream } from '../../support/xml-stream.ts';

const HEADER = formatStreamHeader({ from: 'contoso.com', to: 'fabrikam.com', id: 'x1' });

/** What a strict parser reads from a text behind our own header. */
function read(xml: string): readonly string[] {
  const events = readStream([Buffer.from(HEADER + xml)]);
  assert.equal(brokenWith(events), undefined, xml);
  return elementsOf(events).map(({ ns, name }) => `${name} ${ns}`);
}

function only(xml: string): ReturnType<typeof elementsOf>[number] {
  const [element, ...others] = elementsOf(readStream([Buffer.from(HEADER + xml)]));
  assert.ok(element !== undefined && others.length === 0, xml);
  return element;
}

test('a stream header says what a parser reads', () => {
  const [event] = readStream([Buffer.from(HEADER)]);
  assert.ok(event !== undefined && 'header' in event);
  const { from, to, id, version, lang, defaultNs, namespaces } = event.header;
  assert.deepEqual([from, to, id, version, lang], ['contoso.com', 'fabrikam.com', 'x1', '1.0', 'en']);
  assert.equal(defaultNs, NS.server);
  assert.equal(namespaces.db, NS.dialback);
});

test('a stream header leaves out what there is not', () => {
  const header = formatStreamHeader({ from: '', to: '', hasVersion: false });
  assert.doesNotMatch(header.slice("<?xml version='1.0'?>".length), / (from|to|id|version)=/);
});

test('nothing that a peer chose ends an attribute', () => {
  const evil = `x' to='victim'><!--"&`;
  const [event] = readStream([Buffer.from(formatStreamHeader({ from: evil, to: 'b', id: evil }))]);
  assert.ok(event !== undefined && 'header' in event);
  assert.deepEqual([event.header.from, event.header.to, event.header.id], [evil, 'b', evil]);
  const answer = only(formatDialbackAnswer({ from: evil, to: evil }, 'valid', evil));
  assert.deepEqual(answer.attributes, ['from', evil, 'to', evil, 'id', evil, 'type', 'valid']);
  assert.deepEqual(only(formatVerifyRequest({ from: 'a', to: 'b' }, evil, evil)).children, [evil]);
});

test('versions that know features', () => {
  for (const version of ['1.0', '1.1', '2.0', '01.0', '10.0']) assert.ok(hasFeatures(version), version);
  for (const version of [undefined, '', '0.9', '0', 'x1', ' ', '-1']) assert.ok(!hasFeatures(version), version);
});

test('features by offer', () => {
  const limits = { maxBytes: 65_536, idleSeconds: 600 };
  const names = (offer: Parameters<typeof formatFeatures>[0]): string[] => {
    const { name, ns, children } = only(formatFeatures(offer, limits));
    assert.deepEqual([name, ns], ['features', NS.streams]);
    return children.map((child) => (typeof child === 'string' ? child : child.ns));
  };
  assert.deepEqual(names({ starttls: 'none', saslExternal: false, dialback: false }), [NS.streamLimits]);
  const all = { saslExternal: true, dialback: true } as const;
  assert.deepEqual(names({ starttls: 'none', ...all }), [NS.sasl, NS.dialbackFeature, NS.streamLimits]);
  assert.deepEqual(names({ starttls: 'optional', ...all })[0], NS.tls);
  assert.match(formatFeatures({ starttls: 'required', ...all }, limits), /<required\/>/);
});

test('the fixed texts are what they say', () => {
  assert.deepEqual(read(STARTTLS + PROCEED + TLS_FAILURE), [
    `starttls ${NS.tls}`,
    `proceed ${NS.tls}`,
    `failure ${NS.tls}`,
  ]);
  assert.deepEqual(read(SASL_SUCCESS + formatSaslFailure('not-authorized')), [
    `success ${NS.sasl}`,
    `failure ${NS.sasl}`,
  ]);
});

test('EXTERNAL carries the domain as authorization identity', () => {
  const auth = only(formatExternalAuth('contoso.com'));
  assert.deepEqual(auth.attributes, ['mechanism', 'EXTERNAL']);
  assert.deepEqual(auth.children, [Buffer.from('contoso.com').toString('base64')]);
});

test('a stream error ends the stream', () => {
  const events = readStream([Buffer.from(HEADER + formatStreamError('policy-violation', 'a < b'))]);
  assert.deepEqual(events.at(-1), { end: true });
  const [error] = elementsOf(events);
  assert.deepEqual(
    error?.children.map((child) => (typeof child === 'string' ? child : child.name)),
    ['policy-violation', 'text'],
  );
  assert.doesNotMatch(formatStreamError('reset', ''), /<text/);
});

test('dialback requests and answers', () => {
  const addresses = { from: 'contoso.com', to: 'fabrikam.com' };
  const request = only(formatDialbackRequest(addresses, 'abc'));
  assert.deepEqual([request.name, request.ns, request.children], ['result', NS.dialback, ['abc']]);
  assert.equal(only(formatDialbackAnswer(addresses, 'invalid')).name, 'result');
  const error = only(formatDialbackAnswer(addresses, { condition: 'item-not-found' }, 'x1'));
  assert.equal(error.name, 'verify');
  const [child] = error.children;
  assert.ok(typeof child === 'object');
  assert.deepEqual([child.name, child.ns], ['error', NS.server]);
});
