import assert from 'node:assert/strict';
import { once } from 'node:events';
import { before, describe, type TestContext, test } from 'node:test';
import { type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { tlsContext } from '../../../src/runtime/net/tls-secure.ts';
import { NS } from '../../../src/runtime/xmpp/namespaces.ts';
import { createAuthority, issue, type ThrowawayCertificate } from '../../support/certificates.ts';
import { opening, RawPeer, RawServer, STREAM_HEADER } from '../../support/raw-peer.ts';
import { reasonOf, streamErrorIn } from '../../support/stream-sessions.ts';
import { Site, type SiteOptions } from '../../support/xmpp-site.ts';

const OPEN = opening('fabrikam.com', 'contoso.com');
const STARTTLS = `<starttls xmlns='${NS.tls}'/>`;
const EXTERNAL = `<auth xmlns='${NS.sasl}' mechanism='EXTERNAL'>=</auth>`;
const message = (body = 'hi') => `<message from='ann@fabrikam.com' to='bob@contoso.com'><body>${body}</body></message>`;

let authority: ThrowawayCertificate;
let certificate: ThrowawayCertificate;
/** What fabrikam.com shows. */
let theirs: SecureContext;

before(async () => {
  authority = await createAuthority('Root');
  certificate = await issue(authority, { dnsNames: ['contoso.com'] });
  const partner = await issue(authority, { dnsNames: ['fabrikam.com'] });
  theirs = tlsContext({ chainPem: partner.chainPem, keyPem: partner.privateKeyPem });
});

const EXTERNAL_ONLY = { domain: 'fabrikam.com', supportDialbackNegotiation: false } as const;
const IN_CLEAR = {
  domain: 'fabrikam.com',
  tlsNegotiation: 'NotSupported',
  saslNegotiation: 'NotSupported',
  supportDialbackNegotiation: true,
} as const;

function contoso(context: TestContext, options: Partial<SiteOptions> = {}): Promise<Site> {
  return Site.start(context, {
    domains: ['contoso.com'],
    partners: [EXTERNAL_ONLY],
    certificate,
    authority,
    ...options,
  });
}

/** A stream proved by EXTERNAL after STARTTLS. */
async function proved(context: TestContext, site: Site): Promise<RawPeer> {
  const peer = await RawPeer.connect(context, site.port);
  peer.write(OPEN);
  await peer.heard('</stream:features>');
  peer.write(STARTTLS);
  await peer.heard('<proceed');
  await peer.startTls(theirs, 'contoso.com');
  return authenticate(peer);
}

async function authenticate(peer: RawPeer): Promise<RawPeer> {
  peer.write(OPEN);
  await peer.heard('EXTERNAL');
  peer.write(EXTERNAL);
  await peer.heard('<success');
  peer.text = '';
  peer.write(OPEN);
  await peer.heard('</stream:features>');
  return peer;
}

/** A stream in clear, proved by dialback: the authoritative server says yes to everything. */
async function provedInClear(context: TestContext, site: Site): Promise<RawPeer> {
  const server = await RawServer.start(context, (authoritative) => {
    authoritative.write(`${STREAM_HEADER} from='fabrikam.com' id='a' version='1.0'><stream:features/>`);
    authoritative.socket.on('data', () => {
      const question = /<db:verify from='([^']*)' to='([^']*)' id='([^']*)'/.exec(authoritative.text);
      if (question === null) return;
      const [, from, to, id] = question;
      authoritative.write(`<db:verify from='${to}' to='${from}' id='${id}' type='valid'/>`);
    });
  });
  site.route('fabrikam.com', server.port);
  const peer = await RawPeer.connect(context, site.port);
  peer.write(OPEN);
  await peer.heard('</stream:features>');
  peer.write("<db:result from='fabrikam.com' to='contoso.com'>key</db:result>");
  await peer.heard("type='valid'");
  return peer;
}

async function isEmpty(site: Site): Promise<void> {
  await site.until(({ services: { ledger } }) => ledger.total === 0 && ledger.unproved === 0, 'an empty ledger');
  assert.deepEqual(site.endpoint.snapshot(), []);
}

describe('T3: what stands behind the STARTTLS request', () => {
  for (const [name, surplus] of [
    ['a stanza', message()],
    ['a header and SASL', OPEN + EXTERNAL],
    ['dialback', "<db:result from='fabrikam.com' to='contoso.com'>key</db:result>"],
    ['half an element', '<message from='],
  ] as const) {
    test(`T3: ${name} in the same segment is thrown away`, async (t) => {
      const site = await contoso(t);
      const peer = await RawPeer.connect(t, site.port);
      peer.write(OPEN);
      await peer.heard('</stream:features>');
      peer.write(STARTTLS + surplus);
      const before = await peer.heard('<proceed');
      assert.doesNotMatch(before, /error/);
      await peer.startTls(theirs, 'contoso.com');
      await authenticate(peer);
      peer.write(message('after'));
      await site.until(({ stanzas }) => stanzas.length === 1);
      assert.equal(site.stanzas[0]?.stanza.child('body')?.text(), 'after');
      assert.equal((await site.admitted('inbound')).proof.method, 'sasl-over-tls');
    });
  }

  test('T3: the first thing under TLS must be a new stream header', async (t) => {
    const site = await contoso(t);
    const peer = await RawPeer.connect(t, site.port);
    peer.write(OPEN);
    await peer.heard('</stream:features>');
    peer.write(STARTTLS);
    await peer.heard('<proceed');
    await peer.startTls(theirs, 'contoso.com');
    peer.write(EXTERNAL + message());
    assert.equal(streamErrorIn(await peer.closed()), 'invalid-namespace');
    assert.equal(site.stanzas.length, 0);
  });

  test('T3: clear text where the handshake should be ends the connection', async (t) => {
    const site = await contoso(t);
    const peer = await RawPeer.connect(t, site.port);
    peer.write(OPEN);
    await peer.heard('</stream:features>');
    peer.write(STARTTLS);
    await peer.heard('<proceed');
    peer.write(OPEN + EXTERNAL + message());
    const text = await peer.closed();
    assert.doesNotMatch(text.slice(text.indexOf('<proceed')), /stream/, 'not one word in clear');
    const { ending, wasAdmitted } = await site.ended('inbound');
    assert.equal(ending.why, 'disconnected');
    assert.ok(!wasAdmitted);
    await isEmpty(site);
  });
});

describe('T8, T10: TLS', () => {
  test('T8: no session is resumed', async (t) => {
    const site = await contoso(t);
    const handshake = async (session?: Buffer): Promise<TLSSocket> => {
      const options = {
        host: '127.0.0.1',
        port: site.directPort,
        servername: 'contoso.com',
        rejectUnauthorized: false,
      };
      const socket = tlsConnect({ ...options, secureContext: theirs, ...(session === undefined ? {} : { session }) });
      socket.on('error', () => undefined);
      t.after(() => socket.destroy());
      await once(socket, 'secureConnect');
      socket.write(OPEN);
      await once(socket, 'data');
      return socket;
    };
    const first = await handshake();
    const session = first.getSession();
    first.destroy();
    const second = await handshake(session);
    assert.equal(second.isSessionReused(), false);
  });

  test('T10: a connection that ends in the middle of a handshake proves nothing and leaves nothing', async (t) => {
    const site = await contoso(t);
    const half = await RawPeer.connect(t, site.directPort);
    half.write(Buffer.from('16030100c8010000c40303', 'hex'));
    half.socket.end();
    const reset = await RawPeer.connect(t, site.port);
    reset.write(OPEN);
    await reset.heard('</stream:features>');
    reset.write(STARTTLS);
    await reset.heard('<proceed');
    reset.socket.resetAndDestroy();
    await site.until(({ observed }) => observed.length === 2);
    for (const event of site.observed) {
      assert.ok(event.type === 'stream-ended' && event.ending.why === 'disconnected' && !event.wasAdmitted);
    }
    await isEmpty(site);
  });

  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    test(`T10: nor does one that asks for STARTTLS and leaves at once (${leave})`, async (t) => {
      const site = await contoso(t);
      const peer = await RawPeer.connect(t, site.port);
      peer.write(OPEN);
      await peer.heard('</stream:features>');
      peer.write(STARTTLS);
      peer.socket[leave]();
      const { ending, wasAdmitted } = await site.ended('inbound');
      assert.equal(ending.why, 'disconnected');
      assert.ok(!wasAdmitted);
      await isEmpty(site);
    });
  }

  test('T10: nor does one that ends right after it', async (t) => {
    const site = await contoso(t);
    const peer = await RawPeer.connect(t, site.directPort);
    await peer.startTls(theirs, 'contoso.com');
    peer.write(OPEN);
    await peer.heard('EXTERNAL');
    peer.write(EXTERNAL + OPEN + message());
    peer.socket.destroy();
    await isEmpty(site);
    assert.equal(site.stanzas.length, 0);
    assert.ok(site.observed.every(({ type }) => type !== 'stream-admitted'));
  });

  test('junk instead of a handshake', async (t) => {
    const site = await contoso(t);
    const peer = await RawPeer.connect(t, site.directPort);
    peer.write(OPEN);
    await peer.closed();
    const { ending } = await site.ended('inbound');
    assert.ok(ending.why === 'disconnected' && ending.detail.startsWith('TLS: '), JSON.stringify(ending));
    await isEmpty(site);
  });
});

describe('before authentication', () => {
  const floods: readonly (readonly [name: string, text: () => string | Buffer, streamError: string])[] = [
    ['a header of 100 KB', () => `${OPEN.slice(0, -1)} x='${'x'.repeat(100_000)}'>`, 'policy-violation'],
    ['X4: 200 000 children', () => `${OPEN}<x xmlns='urn:x'>${'<a/>'.repeat(200_000)}</x>`, 'policy-violation'],
    ['an attribute of 20 MB', () => `${OPEN}<x xmlns='urn:x' y='${'y'.repeat(20_000_000)}'/>`, 'policy-violation'],
    ['text of 20 MB', () => `${OPEN}<x xmlns='urn:x'>${'y'.repeat(20_000_000)}</x>`, 'policy-violation'],
    ['X6: 20 000 nested elements', () => OPEN + "<a xmlns='urn:x'>".repeat(20_000), 'policy-violation'],
    [
      'X6: 20 000 attributes',
      () => `${OPEN}<x ${Array.from({ length: 20_000 }, (_, i) => `a${i}=''`).join(' ')}/>`,
      'policy-violation',
    ],
    ['X1: a DOCTYPE', () => '<!DOCTYPE x [<!ENTITY a "b">', 'restricted-xml'],
    ['X2: a comment', () => `${OPEN}<!-- -->`, 'restricted-xml'],
    [
      'X3: invalid UTF-8',
      () => Buffer.concat([Buffer.from(`${OPEN}<x>`), Buffer.from([0xeb, 0x3c, 0x2f])]),
      'unsupported-encoding',
    ],
    ['X7: a NUL', () => `${OPEN}<x>\u0000`, 'not-well-formed'],
  ];
  for (const [name, text, streamError] of floods) {
    test(`${name}: ${streamError}`, async (t) => {
      const site = await contoso(t);
      const peer = await RawPeer.connect(t, site.port);
      peer.write(text());
      assert.equal(streamErrorIn(await peer.heard('</stream:stream>')), streamError);
      assert.equal(reasonOf((await site.ended('inbound')).ending), streamError);
      peer.socket.destroy();
      await isEmpty(site);
    });
  }

  test('10 000 bytes are one element, 10 001 are not; afterwards the configuration decides', async (t) => {
    const site = await contoso(t, { gateway: { maximumStanzaSize: 20_000 } });
    const padded = (size: number) => {
      const [start, end] = [`<auth xmlns='${NS.sasl}' mechanism='PLAIN'>`, '</auth>'];
      return start + 'A'.repeat(size - start.length - end.length) + end;
    };
    const peer = await RawPeer.connect(t, site.directPort);
    await peer.startTls(theirs, 'contoso.com');
    peer.write(OPEN);
    await peer.heard('EXTERNAL');
    peer.write(padded(10_000));
    await peer.heard('<invalid-mechanism/>');
    peer.write(padded(10_001));
    assert.equal(streamErrorIn(await peer.heard('</stream:stream>')), 'policy-violation');

    const other = await proved(t, site);
    const stanza = (size: number) => message('x'.repeat(size - message('').length));
    other.write(stanza(20_000));
    await site.until(({ stanzas }) => stanzas.length === 1);
    other.write(stanza(20_001));
    assert.equal(streamErrorIn(await other.heard('</stream:stream>')), 'policy-violation');
  });

  test('X5: half-open TLS, a slow header and a silent peer have the establishment timeout', async (t) => {
    const site = await contoso(t);
    const silent = await RawPeer.connect(t, site.port);
    const halfOpen = await RawPeer.connect(t, site.directPort);
    const slow = await RawPeer.connect(t, site.port);
    const idle = await RawPeer.connect(t, site.port);
    idle.write(OPEN);
    await idle.heard('</stream:features>');
    for (const char of OPEN.slice(0, 59)) {
      slow.write(char);
      site.advance(1);
    }
    assert.equal(site.services.ledger.unproved, 4);
    site.advance(1);
    for (const peer of [silent, slow, idle]) {
      assert.equal(streamErrorIn(await peer.heard('</stream:stream>')), 'connection-timeout');
      peer.socket.destroy();
    }
    assert.equal(await halfOpen.closed(), '');
    assert.ok(site.observed.every((event) => event.type === 'stream-ended' && event.ending.why === 'timeout'));
    await isEmpty(site);
  });

  test('X5: 20 connections of one address; others still come in', async (t) => {
    const site = await contoso(t);
    const connect = (address?: string) => RawPeer.connect(t, site.port, address);
    await Promise.all(Array.from({ length: 20 }, () => connect()));
    await site.until(({ services }) => services.ledger.unproved === 20);
    const refused = await connect();
    assert.equal(await refused.closed(), '', 'without a word of XML');
    assert.deepEqual(site.observed, [
      { type: 'connection-refused', peerAddress: '127.0.0.1', reason: 'address-limit' },
    ]);
    const other = await connect('127.0.0.2');
    other.write(OPEN);
    await other.heard('</stream:features>');
  });

  test('X5: 500 connections that come and go leave nothing behind', async (t) => {
    const site = await contoso(t);
    for (let round = 0; round < 25; round++) {
      const peers = await Promise.all(Array.from({ length: 20 }, () => RawPeer.connect(t, site.port)));
      for (const [i, peer] of peers.entries()) {
        if (i % 2 === 0) peer.write(OPEN);
        if (i % 3 === 0) peer.socket.resetAndDestroy();
        else peer.socket.destroy();
      }
      await isEmpty(site);
    }
  });
});

test('X5: memory returns after connections that come and go', async (t) => {
  setFlagsFromString('--expose-gc');
  const collect: () => void = runInNewContext('gc');
  const site = await contoso(t);
  const churn = async (rounds: number): Promise<number> => {
    for (let round = 0; round < rounds; round++) {
      const peers = await Promise.all(
        Array.from({ length: 20 }, () => RawPeer.connect({ after: () => undefined }, site.port)),
      );
      for (const peer of peers) peer.write(`${OPEN}<x xmlns='urn:x'>${'y'.repeat(5_000)}`);
      await site.until(({ services }) => services.ledger.unproved === 20);
      for (const peer of peers) peer.socket.destroy();
      await isEmpty(site);
      site.observed.length = 0;
    }
    collect();
    return process.memoryUsage().heapUsed;
  };
  const before = await churn(5);
  const after = await churn(20);
  assert.ok(after - before < 2_000_000, `400 connections left ${after - before} bytes`);
});

describe('a proved stream', () => {
  test('carries stanzas as they come, cut anywhere', async (t) => {
    const site = await contoso(t);
    const peer = await proved(t, site);
    for (const byte of Buffer.from(message('ä€😀'))) peer.write(Buffer.from([byte]));
    await site.until(({ stanzas }) => stanzas.length === 1);
    const [received] = site.stanzas;
    assert.equal(received?.stanza.child('body')?.text(), 'ä€😀');
    assert.equal(received?.streamId, (await site.admitted('inbound')).streamId, 'the id of the stream it came on');
  });

  test('is not read while the gateway cannot keep up', async (t) => {
    const site = await contoso(t);
    const peer = await proved(t, site);
    site.endpoint.pause();
    peer.write(message('1'));
    const late = await RawPeer.connect(t, site.directPort);
    await late.startTls(theirs, 'contoso.com');
    late.write(OPEN);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(site.stanzas.length, 0);
    assert.equal(late.text, '', 'a new one is not either, once TLS is up');
    site.endpoint.resume();
    await site.until(({ stanzas }) => stanzas.length === 1);
    await late.heard('EXTERNAL');
  });

  test('a megabyte comes in turns, complete and in order', async (t) => {
    const site = await contoso(t);
    const peer = await proved(t, site);
    const count = 8_000;
    peer.write(Array.from({ length: count }, (_, i) => message(`${i} ${'x'.repeat(100)}`)).join(''));
    await site.until(({ stanzas }) => stanzas.length === count);
    const numbers = site.stanzas.map(({ stanza }) => Number.parseInt(stanza.child('body')?.text() ?? '', 10));
    assert.deepEqual(
      numbers,
      Array.from({ length: count }, (_, i) => i),
    );
  });

  test('gets white space when both sides are silent, and ends when the partner stays silent', async (t) => {
    const site = await contoso(t);
    const peer = await proved(t, site);
    peer.text = '';
    site.advance(300);
    assert.equal(await peer.heard(' '), ' ');
    for (let i = 0; i < 30; i++) site.advance(20);
    assert.equal(streamErrorIn(await peer.heard('</stream:stream>')), 'connection-timeout');
    assert.match(peer.text, /^ {1,3}<stream:error>/);
    assert.deepEqual((await site.ended('inbound')).ending, { why: 'timeout', what: 'inactivity' });
  });

  test('without keep-alive gets none', async (t) => {
    const site = await contoso(t, { partners: [{ ...EXTERNAL_ONLY, enableKeepAlive: false }] });
    const peer = await proved(t, site);
    peer.text = '';
    site.advance(400);
    site.advance(200);
    assert.match(await peer.heard('</stream:stream>'), /^<stream:error>/);
  });

  test('a peer that asks and does not read the answers is cut', async (t) => {
    const site = await contoso(t, { partners: [IN_CLEAR] });
    const peer = await provedInClear(t, site);
    peer.socket.pause();
    const question = `<db:verify from='fabrikam.com' to='contoso.com' id='${'i'.repeat(60_000)}'>k</db:verify>`;
    for (let i = 0; i < 1_000 && site.services.ledger.total > 1; i++) {
      peer.write(question);
      if (i % 20 === 0) await new Promise(setImmediate);
    }
    const { ending } = await site.ended('inbound');
    assert.deepEqual(ending, { why: 'disconnected', detail: 'the peer does not read what it asked for' });
  });

  test('limits follow the configuration', async (t) => {
    const site = await contoso(t, { gateway: { maximumStanzaSize: 10_000 } });
    const peer = await proved(t, site);
    site.endpoint.apply(site.indexOf([EXTERNAL_ONLY], { maximumStanzaSize: 30_000 }));
    peer.write(message('x'.repeat(25_000)));
    await site.until(({ stanzas }) => stanzas.length === 1);
  });
});

describe('audit', () => {
  test('a refused stranger is named, with stream id and reason', async (t) => {
    const site = await contoso(t);
    const peer = await RawPeer.connect(t, site.port);
    peer.write(opening('Litware.COM.', 'contoso.com'));
    await peer.heard('</stream:stream>');
    assert.deepEqual(await site.ended('inbound'), {
      type: 'stream-ended',
      direction: 'inbound',
      streamId: 'contoso.com-1',
      peerAddress: '127.0.0.1',
      localDomain: 'contoso.com',
      remoteDomain: 'litware.com',
      wasAdmitted: false,
      ending: { why: 'refused', reason: 'partner-not-allowed', path: 'xmppAllowedPartners', detail: 'litware.com' },
    });
  });

  test('a fault of ours costs one stream', async (t) => {
    const site = await contoso(t);
    const [one, other] = [await proved(t, site), await proved(t, site)];
    const { onStanza } = site.services;
    site.services.onStanza = (received) => {
      if (received.stanza.child('body')?.text() === 'bad') throw new Error('fault');
      onStanza(received);
    };
    one.write(message('bad') + message('never'));
    await one.closed();
    const { ending } = await site.ended('inbound');
    assert.equal(ending.why, 'fault');
    other.write(message('good'));
    await site.until(({ stanzas }) => stanzas.length === 1);
  });
});
