import assert from 'node:assert/strict';
import { before, describe, type TestContext, test } from 'node:test';
import type { XmppAllowedPartnerProps } from '../../../src/config/index.ts';
import { DnsResolver } from '../../../src/runtime/net/dns-resolver.ts';
import { DnsServer } from '../../../src/runtime/net/dns-server.ts';
import { connectToPartner } from '../../../src/runtime/net/partner-channel.ts';
import { createAuthority, issue, selfSigned, type ThrowawayCertificate } from '../../support/certificates.ts';
import { reasonOf } from '../../support/stream-sessions.ts';
import { Site, type SiteOptions } from '../../support/xmpp-site.ts';

// Two endpoints that federate over loopback: contoso.com is ours, fabrikam.com the partner.

type Terms = Omit<XmppAllowedPartnerProps, 'domain'>;

const EXTERNAL: Terms = { supportDialbackNegotiation: false };
const TLS_DIALBACK: Terms = { saslNegotiation: 'NotSupported' };
const EITHER_OVER_TLS: Terms = { saslNegotiation: 'Optional' };
const IN_CLEAR: Terms = { tlsNegotiation: 'NotSupported', saslNegotiation: 'NotSupported' };

let authority: ThrowawayCertificate;
const certificates = new Map<string, ThrowawayCertificate>();

before(async () => {
  authority = await createAuthority('Root');
  for (const domain of ['contoso.com', 'fabrikam.com', 'litware.com']) {
    certificates.set(domain, await issue(authority, { dnsNames: [domain, `chat.${domain}`] }));
  }
});

function site(
  context: TestContext,
  domain: string,
  partners: SiteOptions['partners'],
  more: Partial<SiteOptions> = {},
): Promise<Site> {
  const certificate = certificates.get(domain);
  assert.ok(certificate);
  return Site.start(context, { domains: [domain], partners, certificate, authority, ...more });
}

interface Pair {
  readonly ours: Site;
  readonly theirs: Site;
}

async function pair(
  context: TestContext,
  terms: Terms,
  more: {
    readonly ours?: Partial<SiteOptions>;
    readonly theirs?: Partial<SiteOptions>;
    readonly isDirectTls?: boolean;
  } = {},
): Promise<Pair> {
  const ours = await site(context, 'contoso.com', [{ domain: 'fabrikam.com', ...terms }], more.ours);
  const theirs = await site(context, 'fabrikam.com', [{ domain: 'contoso.com', ...terms }], more.theirs);
  const port = ({ port, directPort }: Site) => (more.isDirectTls === true ? directPort : port);
  ours.route('fabrikam.com', port(theirs), more.isDirectTls);
  theirs.route('contoso.com', port(ours), more.isDirectTls);
  return { ours, theirs };
}

function message(from: string, to: string, body = 'hi'): string {
  return `<message from='${from}' to='${to}'><body>${body}</body></message>`;
}

const toUs = (body?: string) => message('ann@fabrikam.com', 'bob@contoso.com', body);
const toThem = (body?: string) => message('bob@contoso.com', 'ann@fabrikam.com', body);

async function exchange({ ours, theirs }: Pair): Promise<void> {
  assert.equal(await ours.send('fabrikam.com', toThem()), undefined);
  assert.equal(await theirs.send('contoso.com', toUs()), undefined);
  await ours.until(({ stanzas }) => stanzas.length === 1, 'a stanza to us');
  await theirs.until(({ stanzas }) => stanzas.length === 1, 'a stanza to them');
}

describe('both ways between two endpoints', () => {
  const ways: readonly (readonly [name: string, terms: Terms, isDirectTls: boolean, method: string, tls: RegExp])[] = [
    ['TLS and EXTERNAL', EXTERNAL, false, 'sasl-over-tls', /^TLSv1\.3 /],
    ['TLS and dialback', TLS_DIALBACK, false, 'tls-dialback', /^TLSv1\.3 /],
    ['dialback over TCP', IN_CLEAR, false, 'tcp-dialback', /^none$/],
    ['direct TLS and EXTERNAL', EXTERNAL, true, 'sasl-over-tls', /^TLSv1\.3 /],
    ['direct TLS and dialback', TLS_DIALBACK, true, 'tls-dialback', /^TLSv1\.3 /],
  ];
  for (const [name, terms, isDirectTls, method, tls] of ways) {
    test(name, async (t) => {
      const both = await pair(t, terms, { isDirectTls });
      await exchange(both);
      for (const each of [both.ours, both.theirs]) {
        for (const direction of ['inbound', 'outbound'] as const) {
          const admitted = await each.admitted(direction);
          assert.equal(admitted.proof.method, method);
          assert.match(admitted.tls, tls);
        }
      }
      const [received] = both.ours.stanzas;
      assert.equal(received?.from.bare, 'ann@fabrikam.com');
      assert.equal(received?.streamId, (await both.theirs.admitted('outbound')).streamId, 'both ends know one id');
    });
  }

  test('a certificate that proves nothing: dialback on the same stream, where it is allowed', async (t) => {
    const certificate = await selfSigned({ dnsNames: ['fabrikam.com'] });
    const both = await pair(t, EITHER_OVER_TLS, { theirs: { certificate } });
    await exchange(both);
    assert.equal((await both.ours.admitted('inbound')).proof.method, 'tls-dialback');
    assert.equal((await both.ours.admitted('outbound')).proof.method, 'tls-dialback');
    assert.equal(both.theirs.dialled.filter((domain) => domain === 'contoso.com').length, 2, 'a stream and a question');
  });

  test('and where it is not, the stream is refused with the reason on both ends', async (t) => {
    const certificate = await selfSigned({ dnsNames: ['fabrikam.com'] });
    const { ours, theirs } = await pair(t, EXTERNAL, { theirs: { certificate } });
    assert.equal((await ours.send('fabrikam.com', toThem()))?.refusal, 'certificate-not-valid');
    assert.equal((await theirs.send('contoso.com', toUs()))?.condition, 'remote-server-timeout');
    assert.equal(reasonOf((await ours.ended('inbound')).ending), 'certificate-not-valid');
    assert.equal(reasonOf((await theirs.ended('outbound')).ending), 'not-authorized');
  });

  test('T7: a certificate for another domain', async (t) => {
    const certificate = certificates.get('litware.com');
    assert.ok(certificate);
    const { ours, theirs } = await pair(t, EXTERNAL, { theirs: { certificate } });
    assert.equal((await ours.send('fabrikam.com', toThem()))?.refusal, 'certificate-name-mismatch');
    await theirs.send('contoso.com', toUs());
    assert.equal(reasonOf((await ours.ended('inbound')).ending), 'certificate-name-mismatch');
  });

  test('found by DNS: direct TLS by its own SRV records (XEP-0368)', async (t) => {
    const { ours, theirs } = await pair(t, EXTERNAL);
    const dns = await DnsServer.start({
      origins: ['com'],
      records: [
        {
          name: '_xmpps-server._tcp.fabrikam.com',
          type: 'SRV',
          data: { target: 'x.fabrikam.com', port: theirs.directPort, priority: 1, weight: 1 },
        },
        {
          name: '_xmpp-server._tcp.fabrikam.com',
          type: 'SRV',
          data: { target: 'x.fabrikam.com', port: theirs.port, priority: 2, weight: 1 },
        },
        { name: 'x.fabrikam.com', type: 'A', data: '127.0.0.1' },
      ],
    });
    const resolver = new DnsResolver({ servers: [dns.address] });
    t.after(async () => {
      resolver.close();
      await dns.close();
    });
    ours.services.connect = (remoteDomain, partner, signal) =>
      connectToPartner(remoteDomain, partner, {
        resolver,
        allowPrivateAddresses: true,
        outboundAddress: '127.0.0.3',
        timeoutMs: 5_000,
        isOwn: () => false,
        signal,
      });
    assert.equal(await ours.send('fabrikam.com', toThem()), undefined);
    const admitted = await theirs.admitted('inbound');
    assert.equal(admitted.peerAddress, '127.0.0.3', 'from the address that was asked for');
    assert.ok(theirs.observed.every((event) => event.type === 'stream-admitted'));
    assert.equal(theirs.endpoint.snapshot()[0]?.proofs.length, 1);
  });
});

describe('one stream, several pairs', () => {
  test('a stream per pair goes out, and each is proved for itself', async (t) => {
    const both = await pair(t, EXTERNAL, {
      ours: { domains: ['contoso.com', 'chat.contoso.com'] },
      theirs: { partners: [{ domain: 'contoso.com', additionalDomains: ['chat.contoso.com'], ...EXTERNAL }] },
    });
    const { ours, theirs } = both;
    assert.equal(await ours.send('fabrikam.com', toThem()), undefined);
    const fromChat = message('bob@chat.contoso.com', 'ann@fabrikam.com');
    assert.equal(await ours.send('fabrikam.com', fromChat, 'chat.contoso.com'), undefined);
    await theirs.until(({ stanzas }) => stanzas.length === 2);
    assert.equal(ours.dialled.length, 2);
    assert.equal(theirs.services.ledger.total, 2);
  });

  test('A1: a stanza of a domain that the stream was not proved for ends it', async (t) => {
    const { ours, theirs } = await pair(t, EXTERNAL);
    assert.equal(await theirs.send('contoso.com', message('ceo@contoso.com', 'bob@contoso.com')), undefined);
    assert.equal(reasonOf((await ours.ended('inbound')).ending), 'invalid-from');
    assert.equal(reasonOf((await theirs.ended('outbound')).ending), 'invalid-from');
    assert.equal(ours.stanzas.length, 0);
  });
});

describe('reload', () => {
  test('removing a partner closes its streams, both ways, and keeps those of others', async (t) => {
    const both = await pair(t, EXTERNAL, {
      ours: {
        partners: [
          { domain: 'fabrikam.com', ...EXTERNAL },
          { domain: 'litware.com', ...EXTERNAL },
        ],
      },
    });
    const { ours, theirs } = both;
    const litware = await site(t, 'litware.com', [{ domain: 'contoso.com', ...EXTERNAL }]);
    litware.route('contoso.com', ours.port);
    ours.route('litware.com', litware.port);
    await exchange(both);
    assert.equal(await litware.send('contoso.com', message('x@litware.com', 'bob@contoso.com')), undefined);
    assert.equal(await ours.send('litware.com', message('bob@contoso.com', 'x@litware.com')), undefined);
    await ours.until(({ stanzas }) => stanzas.length === 2);

    ours.endpoint.apply(ours.indexOf([{ domain: 'litware.com', ...EXTERNAL }]));
    assert.equal((await ours.send('fabrikam.com', toThem()))?.condition, 'forbidden');
    await theirs.until(({ services }) => services.ledger.total === 0, 'the end of both streams');
    await ours.until(({ services }) => services.ledger.total === 2);
    assert.equal(reasonOf((await theirs.ended('outbound')).ending), 'policy-violation');
    await theirs.send('contoso.com', toUs('again'));
    assert.equal(ours.stanzas.length, 2, 'nothing of theirs is delivered any more');
    assert.equal(await litware.send('contoso.com', message('x@litware.com', 'bob@contoso.com')), undefined);
    await ours.until(({ stanzas }) => stanzas.length === 3);
  });

  test('a stricter method closes streams, and the next one follows it', async (t) => {
    const both = await pair(t, { ...IN_CLEAR });
    await exchange(both);
    for (const each of [both.ours, both.theirs]) {
      const partner = each === both.ours ? 'fabrikam.com' : 'contoso.com';
      each.observed.length = 0;
      each.endpoint.apply(each.indexOf([{ domain: partner, ...EXTERNAL }]));
    }
    await both.ours.until(({ services }) => services.ledger.total === 0);
    assert.equal(await both.ours.send('fabrikam.com', toThem()), undefined);
    assert.equal((await both.ours.admitted('outbound')).proof.method, 'sasl-over-tls');
  });
});

describe('keep-alive', () => {
  test('XEP-0199: an idle stream is pinged, and lives on when the answer comes on the other one', async (t) => {
    const { ours, theirs } = await pair(t, EXTERNAL);
    assert.equal(await ours.send('fabrikam.com', toThem()), undefined);
    await theirs.until(({ stanzas }) => stanzas.length === 1);
    ours.advance(300);
    const ping = await theirs.until(({ stanzas }) => stanzas[1]);
    assert.equal(ping.stanza.child('ping', 'urn:xmpp:ping')?.name, 'ping');
    const id = ping.stanza.attr('id');
    const pong = (which: string | undefined) =>
      `<iq type='result' id='${which}' from='fabrikam.com' to='contoso.com'/>`;
    assert.equal(await theirs.send('contoso.com', pong('keepalive-forged')), undefined);
    assert.equal(await theirs.send('contoso.com', pong(id)), undefined);
    await ours.until(({ stanzas }) => stanzas.length === 1, 'the answer that is not for a ping');
    await theirs.send('contoso.com', toUs());
    await ours.until(({ stanzas }) => stanzas.length === 2);
    assert.deepEqual(
      ours.stanzas.map(({ stanza }) => stanza.name),
      ['iq', 'message'],
      'the pong itself stays here',
    );
    ours.advance(200);
    assert.ok(ours.endpoint.snapshot().some(({ direction, state }) => direction === 'outbound' && state === 'open'));
  });
});

describe('limits', () => {
  test('a partner has as many streams as its connectionLimit says', async (t) => {
    const { ours, theirs } = await pair(t, EXTERNAL, {
      ours: {
        partners: [
          { domain: 'fabrikam.com', additionalDomains: ['chat.fabrikam.com'], connectionLimit: 1, ...EXTERNAL },
        ],
      },
      theirs: { domains: ['fabrikam.com', 'chat.fabrikam.com'] },
    });
    assert.equal(await theirs.send('contoso.com', toUs()), undefined);
    const second = message('ann@chat.fabrikam.com', 'bob@contoso.com');
    assert.equal((await theirs.send('contoso.com', second, 'chat.fabrikam.com'))?.condition, 'remote-server-timeout');
    assert.equal(reasonOf((await ours.ended('inbound')).ending), 'partner-connection-limit');
    assert.equal(await ours.send('fabrikam.com', toThem()), undefined, 'our own streams are not counted in it');
  });

  test('all together as many as the configuration says', async (t) => {
    const { ours, theirs } = await pair(t, EXTERNAL, { ours: { gateway: { connectionLimit: 1 } } });
    assert.equal(await theirs.send('contoso.com', toUs()), undefined);
    assert.equal((await ours.send('fabrikam.com', toThem()))?.refusal, 'connection-limit');
  });
});

describe('shutdown', () => {
  test('first what comes in ends, then what goes out, and every stanza is told', async (t) => {
    const both = await pair(t, EXTERNAL);
    const { ours, theirs } = both;
    await exchange(both);
    ours.endpoint.shutdownInbound();
    await theirs.send('contoso.com', toUs('on its way'));
    await ours.until(({ stanzas }) => stanzas.length === 2, 'a stanza sent before the partner noticed');
    assert.equal(reasonOf((await theirs.ended('outbound')).ending), 'peer-closed');
    assert.deepEqual((await ours.ended('inbound')).ending, { why: 'shutdown' });
    await theirs.send('contoso.com', toUs());
    assert.ok(ours.observed.some((event) => event.type === 'connection-refused' && event.reason === 'shutting-down'));
    assert.equal(await ours.send('fabrikam.com', toThem('a late answer')), undefined);
    await theirs.until(({ stanzas }) => stanzas.length === 2);

    ours.endpoint.shutdownOutbound();
    assert.equal((await ours.send('fabrikam.com', toThem('too late')))?.condition, 'remote-server-timeout');
    await theirs.until(({ services }) => services.ledger.total === 0);
    await ours.until(({ services }) => services.ledger.total === 0);
    assert.equal(ours.dialled.length, 1, 'nothing is opened again');
    assert.equal(theirs.stanzas.length, 2);
  });

  test('what was written before leaves before the end', async (t) => {
    const { ours, theirs } = await pair(t, EXTERNAL);
    await ours.send('fabrikam.com', toThem());
    for (let i = 0; i < 1_000; i++) void ours.send('fabrikam.com', toThem(`${i} ${'x'.repeat(500)}`));
    ours.endpoint.shutdownOutbound();
    await theirs.until(({ stanzas }) => stanzas.length === 1_001, 'all stanzas');
    assert.deepEqual((await theirs.ended('inbound')).ending, { why: 'peer-closed' });
  });

  test('routes are forgotten when nothing hangs on them', async (t) => {
    const { ours, theirs } = await pair(t, EXTERNAL);
    await ours.send('fabrikam.com', toThem());
    await theirs.until(({ stanzas }) => stanzas.length === 1);
    assert.equal(ours.endpoint.snapshot().length, 1);
    ours.advance(600);
    await ours.until(({ services }) => services.ledger.total === 0);
    ours.advance(1);
    assert.deepEqual(ours.endpoint.snapshot(), []);
    assert.equal(await ours.send('fabrikam.com', toThem()), undefined);
    assert.equal(ours.dialled.length, 2);
  });
});
