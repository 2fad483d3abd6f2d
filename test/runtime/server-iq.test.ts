import assert from 'node:assert/strict';
import test from 'node:test';
import { answerServerIq } from '../../src/runtime/server-iq.ts';
import { parseElement } from './interwork/wire.ts';

function ask(type: string | undefined, payload: string, id = " id='q1'"): string | undefined {
  const attributes = `${type === undefined ? '' : ` type='${type}'`}${id}`;
  return answerServerIq(
    parseElement(`<iq xmlns='jabber:server' from='fabrikam.com' to='contoso.com'${attributes}>${payload}</iq>`),
  );
}

const PING = "<ping xmlns='urn:xmpp:ping'/>";
const disco = (kind: string, more = ''): string => `<query xmlns='http://jabber.org/protocol/disco#${kind}'${more}/>`;

test('a ping is answered', () => {
  assert.equal(ask('get', PING), "<iq type='result' from='contoso.com' to='fabrikam.com' id='q1'></iq>");
});

test('disco says what this is and what it can', () => {
  const info = ask('get', disco('info')) ?? '';
  const [, query = ''] =
    /^<iq type='result' from='contoso\.com' to='fabrikam\.com' id='q1'>(.*)<\/iq>$/.exec(info) ?? [];
  const element = parseElement(query);
  const features = element.elements().flatMap((child) => (child.name === 'feature' ? [child.attr('var')] : []));
  assert.deepEqual(features, [
    'http://jabber.org/protocol/disco#info',
    'http://jabber.org/protocol/disco#items',
    'urn:xmpp:ping',
  ]);
  assert.deepEqual(
    element
      .elements()
      .flatMap((child) => (child.name === 'identity' ? [child.attr('category'), child.attr('type')] : [])),
    ['gateway', 'sip'],
  );
  assert.match(ask('get', disco('items')) ?? '', /type='result'.*disco#items'\/>/);
  for (const kind of ['info', 'items']) assert.match(ask('get', disco(kind, " node='x'")) ?? '', /<item-not-found /);
});

test('everything else is an error, and an answer is not answered', () => {
  const condition = (type: string | undefined, payload: string, id?: string): string | undefined =>
    /<error type='\w+'><([a-z-]+)/.exec(ask(type, payload, id) ?? '')?.[1];
  assert.equal(condition('set', PING), 'service-unavailable');
  assert.equal(condition('set', disco('info')), 'service-unavailable');
  assert.equal(condition('get', "<query xmlns='jabber:iq:version'/>"), 'service-unavailable');
  assert.equal(condition('get', "<pong xmlns='urn:xmpp:ping'/>"), 'service-unavailable');
  assert.equal(condition('get', "<info xmlns='http://jabber.org/protocol/disco#info'/>"), 'service-unavailable');
  assert.equal(condition('get', ''), 'bad-request');
  assert.equal(condition('get', PING + PING), 'bad-request');
  assert.equal(condition('get', PING, ''), 'bad-request');
  assert.equal(condition('nonsense', PING), 'bad-request');
  assert.equal(condition(undefined, PING), 'bad-request');
  assert.equal(ask('result', ''), undefined);
  assert.equal(ask('error', PING), undefined);
});

test('what is repeated is escaped', () => {
  const answer = ask('get', PING, ` id='&apos;/>&lt;x&amp;'`);
  assert.equal(answer, "<iq type='result' from='contoso.com' to='fabrikam.com' id='&apos;/&gt;&lt;x&amp;'></iq>");
});
