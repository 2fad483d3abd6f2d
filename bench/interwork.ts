/**
 * What translating one message costs: message stanza to SIP MESSAGE and back, for a 250-byte chat message.
 *
 *   node --import tsx bench/interwork.ts [messages]
 *
 * Only the translation: no XML or SIP parsing, no policy, no sockets. Times are CPU time of this process, best of five
 * rounds. "200 users" spreads the messages over that many senders and recipients, so that addresses come from the
 * caches as in a running gateway; "new users" has an address never seen before in every message. The HTML line is a
 * body of the same length with a few tags. Results are measured in bytes, so that strings are put together in full.
 */
import { messageToStanza, type ReceivedPageMessage } from '../src/runtime/interwork/sip-to-xmpp.ts';
import { messageToSip } from '../src/runtime/interwork/xmpp-to-sip.ts';
import { XmlElement } from '../src/runtime/xmpp/element.ts';
import { type Jid, parseJid } from '../src/runtime/xmpp/jid.ts';

const messages = Number(process.argv[2] ?? 200_000);
const USERS = 200;
const NS = 'jabber:server';
const BODY = 'Art thou not Romeo, and a Montague? '.repeat(7).slice(0, 250);
const HOME = { domain: 'contoso.example', sipDomain: 'contoso.example' };
const served = {
  servedDomain: (domain: string) => HOMES.get(domain),
  servedSipDomain: (domain: string) => HOMES.get(domain),
};
const HOMES = new Map([[HOME.domain, HOME]]);

function main(): void {
  const stanza = new XmlElement(
    'message',
    NS,
    ['from', '', 'to', '', 'id', 'ab12', 'type', 'chat', 'xml:lang', 'en'],
    [
      new XmlElement('body', NS, [], [BODY]),
      new XmlElement('active', 'http://jabber.org/protocol/chatstates', [], []),
      new XmlElement('thread', NS, [], ['e0ffe42b28561960c6b12b944a092794b9683a38']),
    ],
  );
  const contacts = Array.from({ length: USERS }, (_, i) => jid(`contact${i}@fabrikam.example/desk.${i}`));
  const users = Array.from({ length: USERS }, (_, i) => jid(`user${i}@contoso.example`));
  let bytes = 0;
  report('message stanza to MESSAGE, 200 users', (i) => {
    const outcome = messageToSip(stanza, at(contacts, i), at(users, i * 7), { served });
    if (outcome.ok === true) bytes += Buffer.byteLength(outcome.message.from) + Buffer.byteLength(outcome.message.body);
  });

  const received = (i: number, body: Buffer, contentType: string): ReceivedPageMessage => ({
    requestUri: `sip:contact${i}@fabrikam.example`,
    from: `sip:user${i}@contoso.example`,
    to: `sip:contact${i}@fabrikam.example`,
    callId: '9E97FB43-85F4-4A00-8751-1124FD4C7B2E',
    contentType,
    body,
  });
  const translate = (message: ReceivedPageMessage, i: number) => {
    const outcome = messageToStanza(message, { id: `m${i}`, served });
    if (outcome.ok === true) bytes += Buffer.byteLength(outcome.xml);
  };
  const text = Buffer.from(BODY);
  const plain = Array.from({ length: USERS }, (_, i) => received(i, text, 'text/plain;charset=UTF-8'));
  report('MESSAGE to message stanza, 200 users', (i) => translate(at(plain, i), i));
  let fresh = 0;
  report('MESSAGE to message stanza, new users', (i) => translate(received(fresh++, text, 'text/plain'), i));
  const html = Buffer.from(`<p>Art <b>thou</b> not <a href="https://example.org/">Romeo</a>?</p>${BODY.slice(0, 180)}`);
  const rich = Array.from({ length: USERS }, (_, i) => received(i, html, 'text/html'));
  report('MESSAGE with HTML to message stanza', (i) => translate(at(rich, i), i));
  if (bytes === 0) throw new Error('nothing was translated');
}

function report(label: string, step: (i: number) => void): void {
  for (let i = 0; i < 20_000; i++) step(i);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < messages; i++) step(i);
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, user + system);
  }
  const micros = best / messages;
  console.log(`${label.padEnd(40)} ${micros.toFixed(2)} us  ${Math.round(1e6 / micros)} messages/CPU s`);
}

function at<T>(items: readonly T[], i: number): T {
  const item = items[i % items.length];
  if (item === undefined) throw new Error('empty list');
  return item;
}

function jid(text: string): Jid {
  const parsed = parseJid(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
}

main();
