import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import type { SipTransportName } from '../../../src/runtime/sip/flow.ts';
import { parseDatagram, type SipRequest } from '../../../src/runtime/sip/message.ts';
import { parseNameAddress } from '../../../src/runtime/sip/name-address.ts';
import { parseSipUri, uriParameter } from '../../../src/runtime/sip/uri.ts';
import { SipEndpoint, type SipEvent, type SipReceivedMessage } from '../../../src/runtime/sip-endpoint.ts';
import { MemoryNetwork } from '../../support/sip-memory.ts';

// The torture messages of RFC 4475, read from a package that ships them, against the whole endpoint. Where the RFC
// leaves a choice ours is the strict one: 400 for badaspec, baddn, ltgtruri, lwsstart, lwsruri, trws, mismatch02 and
// badbranch. INVITE, REGISTER and unknown methods are answered 405 before anything else is looked at (RFC 3261 section
// 8.2.1), so invut and sdp01 get that instead of 415 and 406, and inv2543 is refused for want of Max-Forwards.

/** What comes back: statuses in order, and whether the connection is closed. `waits`: nothing until more bytes come. */
type Outcome = readonly (number | 'closed' | 'waits')[];

const NOTHING: Outcome = [];

const ROWS: readonly [name: string, datagram: Outcome, stream?: Outcome][] = [
  // 3.1.1 valid
  ['wsinv', [405]],
  ['intmeth', [405]],
  ['esc01', [405]],
  ['escnull', [405]],
  ['esc02', [405]],
  ['lwsdisp', [200]],
  ['longreq', [405]],
  // Its second message is five bytes longer than it says; on a stream they are no third one.
  ['dblreq', [405], [405, 405, 'closed']],
  ['semiuri', [200]],
  ['transports', [200]],
  ['mpart01', [415]],
  ['unreason', NOTHING],
  ['noreason', NOTHING],
  // 3.1.2 invalid
  ['badinv01', [400]],
  ['clerr', [400], ['waits']],
  ['ncl', [400], [400, 'closed']],
  ['scalar02', [400]],
  ['scalarlg', NOTHING],
  ['quotbal', [400]],
  ['ltgtruri', [400]],
  ['lwsruri', [400]],
  ['lwsstart', [400]],
  ['trws', [400]],
  ['escruri', [400]],
  ['baddate', [405]],
  ['regbadct', [400]],
  ['badaspec', [400]],
  ['baddn', [400]],
  ['badvers', [505]],
  ['mismatch01', [400]],
  ['mismatch02', [400]],
  ['bigcode', NOTHING],
  // 3.2 transaction layer
  ['badbranch', [400]],
  // 3.3 application layer
  ['insuf', [400]],
  ['unkscm', [416]],
  ['novelsc', [416]],
  ['unksm2', [405]],
  ['bext01', [420]],
  ['invut', [405]],
  ['regaut01', [405]],
  ['multi01', [400]],
  ['mcl01', [400], [400, 'closed']],
  ['bcast', NOTHING],
  ['zeromf', [200]],
  ['cparam01', [405]],
  ['cparam02', [405]],
  ['regescrt', [405]],
  ['sdp01', [405]],
  // 3.4 backward compatibility
  ['inv2543', [400], [400, 'closed']],
];

function torture(name: string): Buffer {
  const path = `../../../node_modules/sip/test/messages/${name}.dat`;
  const bytes = readFileSync(fileURLToPath(new URL(path, import.meta.url)));
  // The package has the empty line of this one in a file of its own.
  return name === 'baddn' ? Buffer.concat([bytes, Buffer.from('\r\n')]) : bytes;
}

function request(name: string): SipRequest {
  const parsed = parseDatagram(torture(name));
  assert.equal(parsed.kind, 'request', `${name}: ${parsed.kind === 'failure' ? parsed.message : ''}`);
  return parsed as SipRequest;
}

async function play(name: string, transport: SipTransportName, cut: (bytes: Buffer) => Iterable<Buffer>) {
  const network = new MemoryNetwork();
  const gateway = network.transport('gateway');
  const peer = network.transport('192.0.2.1');
  const events: SipEvent[] = [];
  const messages: SipReceivedMessage[] = [];
  const endpoint = new SipEndpoint({
    sip: { nextHops: [], trustedAddresses: [], trustedTlsNames: [], dialect: 'rfc7572' },
    listen: [],
    transport: gateway,
    now: () => 0,
    token: 'token',
    drainTimeout: 0,
    observe: (event) => events.push(event),
    onMessage: (message, _peer, answer) => {
      messages.push({ ...message, body: Buffer.from(message.body) });
      answer(415);
    },
  });
  await endpoint.start();
  const flow = peer.connect({ fqdn: 'gateway', host: 'gateway', port: 5060, transport, priority: 0, weight: 0 });
  network.deliver();
  for (const piece of cut(torture(name))) {
    flow.sendBytes(piece);
    network.deliver();
  }
  const outcome: (number | 'closed' | 'waits')[] = gateway.sent.map((text) => Number(text.slice(8, 11)));
  if (flow.state === 'closed') outcome.push('closed');
  else if (transport !== 'udp' && outcome.length === 0 && !events.some(({ event }) => event !== 'connection-opened')) {
    outcome.push('waits');
  }
  await endpoint.stop();
  return { outcome, answers: gateway.sent, messages };
}

function* whole(bytes: Buffer) {
  yield bytes;
}

function* byteByByte(bytes: Buffer) {
  for (let i = 0; i < bytes.length; i++) yield bytes.subarray(i, i + 1);
}

test('the table has all 49', () => {
  assert.equal(new Set(ROWS.map(([name]) => name)).size, 49);
});

for (const [name, datagram, stream = datagram] of ROWS) {
  test(`${name}: ${JSON.stringify(datagram)} over UDP, ${JSON.stringify(stream)} over TCP`, async () => {
    assert.deepEqual((await play(name, 'udp', whole)).outcome, datagram);
    assert.deepEqual((await play(name, 'tcp', whole)).outcome, stream);
    assert.deepEqual((await play(name, 'tcp', byteByByte)).outcome, stream);
  });
}

test('answers name what was wrong', async () => {
  const [unsupported] = (await play('bext01', 'udp', whole)).answers;
  assert.match(unsupported ?? '', /\r\nUnsupported: nothingSupportsThis, nothingSupportsThisEither\r\n/);
  const [notAllowed] = (await play('regaut01', 'udp', whole)).answers;
  assert.match(notAllowed ?? '', /\r\nAllow: MESSAGE, OPTIONS\r\n/);
  const [mediaType] = (await play('mpart01', 'udp', whole)).answers;
  assert.match(mediaType ?? '', /\r\nAccept: text\/plain, text\/html\r\n/);
});

test('wsinv: white space, compact forms and case', () => {
  const { headers, from, to, cseq, maxForwards, via, callId, body } = request('wsinv');
  assert.deepEqual([to.uri, to.tag], ['sip:vivekg@chair-dnrc.example.com', '1918181833n']);
  assert.deepEqual([from.uri, from.tag], ['sip:jdrosen@example.com', '98asjd8']);
  assert.deepEqual([cseq, maxForwards, callId], [9, 68, 'wsinv.ndaksdj@192.0.2.1']);
  assert.deepEqual([via.host, via.branch], ['192.0.2.2', '390skdjuw']);
  assert.equal(headers.all('via').length, 2);
  assert.equal(headers.first('newfangledheader'), 'newfangled value continued newfangled value');
  assert.equal(headers.first('unknownheaderwithunusualvalue'), ';;,,;;,;');
  assert.equal(headers.first('subject'), '');
  assert.equal(body.length, 150);
});

test('intmeth: every character that is allowed', () => {
  const { method, callId, headers, from } = request('intmeth');
  assert.equal(method, "!interesting-Method0123456789_*+`.%indeed'~");
  assert.equal(callId, 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{');
  assert.equal(from.tag, "_token~1'+`*%!-.");
  assert.equal(headers.first("extensionheader-!.%*+_`'~"), '\ufeff\u5927\u505c\u96fb');
});

test('esc02: a percent sign in a token is only a percent sign', () => {
  const { headers, method } = request('esc02');
  assert.equal(method, 'RE%47IST%45R');
  assert.equal(headers.all('contact').length, 2);
});

test('mpart01: the body is bytes, NUL included', async () => {
  const { messages } = await play('mpart01', 'tcp', byteByByte);
  assert.equal(messages[0]?.body.length, 553);
  assert.equal(messages[0]?.body.includes(0), true);
});

test('unreason and noreason: any reason phrase', () => {
  const reason = (name: string) => {
    const parsed = parseDatagram(torture(name));
    assert.equal(parsed.kind, 'response');
    return parsed.kind === 'response' ? parsed.reason : undefined;
  };
  assert.match(reason('unreason') ?? '', /^= 2\*\*3 \* 5\*\*2 \u043d\u043e/);
  assert.equal(reason('noreason'), '');
});

test('cparam01, cparam02, regescrt: a URI parameter is not a header parameter', () => {
  const contact = (name: string) => parseNameAddress(request(name).headers.first('contact') ?? '')?.uri ?? '';
  assert.equal(contact('cparam01'), 'sip:+19725552222@gw1.example.net');
  const uri = parseSipUri(contact('cparam02'));
  assert.ok(uri);
  assert.equal(uriParameter(uri, 'unknownparam'), '');
  assert.equal(parseSipUri(contact('regescrt'))?.headers, 'Route=%3Csip:sip.example.com%3E');
});

test('dblreq: over UDP what follows is ignored, on a stream it is the next message', async () => {
  const { answers } = await play('dblreq', 'tcp', whole);
  assert.deepEqual(
    answers.map((answer) => /\r\nCSeq: 8 ([A-Z]+)\r\n/.exec(answer)?.[1]),
    ['REGISTER', 'INVITE'],
  );
});
