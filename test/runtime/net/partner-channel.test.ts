import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { indexFederation } from '../../../src/policy/index.ts';
import type { DnsAnswer, Resolver } from '../../../src/runtime/net/dns-resolver.ts';
import { GatewayError } from '../../../src/runtime/net/gateway-error.ts';
import {
  connectToPartner,
  judgePartner,
  secureFromPartner,
  secureToPartner,
  type TrustInForce,
} from '../../../src/runtime/net/partner-channel.ts';
import { TlsGeneration } from '../../../src/runtime/net/tls-generation.ts';
import { handshake, sentChain, tlsContext } from '../../../src/runtime/net/tls-secure.ts';
import { readCertificate } from '../../../src/runtime/pki/certificate.ts';
import {
  sentChain as chainOf,
  createAuthority,
  issue,
  selfSigned,
  type ThrowawayCertificate,
  x509,
} from '../../support/certificates.ts';
import { sampleFederation } from '../../support/federations.ts';

let root: ThrowawayCertificate;
let privateRoot: ThrowawayCertificate;
let trust: TrustInForce;

before(async () => {
  root = await createAuthority('Root');
  privateRoot = await createAuthority('Private root');
  const identity = async (domain: string) => {
    const certificate = await issue(root, { dnsNames: [domain] });
    const pem = { chainPem: certificate.chainPem, keyPem: certificate.privateKeyPem };
    const leaf = readCertificate(x509(certificate).raw);
    assert.ok(leaf);
    return { certificate: leaf, context: tlsContext(pem), pem };
  };
  const identities = new Map([
    ['default', await identity('contoso.com')],
    ['corp', await identity('corp.example')],
  ]);
  const anchors = new Map([['private', [x509(privateRoot).raw]]]);
  trust = {
    index: indexFederation(
      sampleFederation({
        domains: [{ domain: 'contoso.com' }, { domain: 'corp.example', certificate: 'corp' }],
        grants: [],
        xmppAllowedPartners: [
          { domain: 'fabrikam.com', supportDialbackNegotiation: false },
          { domain: 'private.example', supportDialbackNegotiation: false, trustAnchors: [{ certificate: 'private' }] },
        ],
      }),
    ),
    tls: new TlsGeneration([], identities, anchors, () => [x509(root).raw]),
  };
});

async function socketPair(t: TestContext): Promise<readonly [accepted: Socket, dialled: Socket]> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const dialled = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  t.after(() => {
    accepted.destroy();
    dialled.destroy();
  });
  return [accepted, dialled];
}

async function shown(t: TestContext, localDomain: string | undefined, serverName: string): Promise<string> {
  const [accepted, dialled] = await socketPair(t);
  const server = secureFromPartner(accepted, localDomain, trust);
  const client = secureToPartner(dialled, 'contoso.com', serverName, localDomain === undefined, trust);
  const ends: readonly TLSSocket[] = [server, client];
  for (const end of ends) end.on('error', () => undefined);
  await Promise.all(ends.map((end) => handshake(end)));
  if (localDomain === undefined) assert.equal(client.alpnProtocol, 'xmpp-server');
  assert.equal(x509Name(sentChain(server)), 'dNSName:contoso.com', 'a client shows the certificate of its own domain');
  return x509Name(sentChain(client));
}

function x509Name([leaf]: readonly Buffer[]): string {
  const certificate = leaf === undefined ? undefined : readCertificate(leaf);
  return `dNSName:${certificate?.names.dnsNames.join()}`;
}

describe('which certificate we show', () => {
  test('after STARTTLS: that of the domain in the stream header, whatever the server name', async (t) => {
    assert.equal(await shown(t, 'corp.example', 'contoso.com'), 'dNSName:corp.example');
    assert.equal(await shown(t, 'contoso.com', 'corp.example'), 'dNSName:contoso.com');
  });

  test('with direct TLS: that of the server name, else that of the first domain', async (t) => {
    assert.equal(await shown(t, undefined, 'corp.example'), 'dNSName:corp.example');
    assert.equal(await shown(t, undefined, 'litware.com'), 'dNSName:contoso.com');
  });
});

describe('verdicts', () => {
  const judge = (certificate: ThrowawayCertificate | undefined, domain: string) =>
    judgePartner(certificate === undefined ? [] : chainOf(certificate), domain, trust, Date.now());

  test('by the trust of the partner that has the domain', async () => {
    const fabrikam = await issue(root, { dnsNames: ['fabrikam.com'] });
    assert.deepEqual(judge(fabrikam, 'fabrikam.com'), { proves: true, detail: '', refusal: 'certificate-not-valid' });
    const privately = await issue(privateRoot, { dnsNames: ['private.example', 'fabrikam.com'] });
    assert.ok(judge(privately, 'private.example').proves);
    assert.ok(!judge(privately, 'fabrikam.com').proves, "one partner's anchors do not vouch for another");
    const publicly = await issue(root, { dnsNames: ['private.example'] });
    assert.ok(!judge(publicly, 'private.example').proves, 'with anchors of its own a partner has no others');
  });

  test('tell the operator what is wrong', async () => {
    const other = judge(await issue(root, { dnsNames: ['litware.com'] }), 'fabrikam.com');
    assert.equal(other.refusal, 'certificate-name-mismatch');
    assert.equal(other.detail, 'certificate is for dNSName:litware.com, not for fabrikam.com');
    const unnamed = judge(await issue(root, { commonName: 'fabrikam.com' }), 'fabrikam.com');
    assert.equal(unnamed.detail, 'certificate is for no name that counts, not for fabrikam.com');
    const own = judge(await selfSigned({ dnsNames: ['fabrikam.com'] }), 'fabrikam.com');
    assert.deepEqual(own, { proves: false, detail: 'certificate: self-signed', refusal: 'certificate-not-valid' });
    assert.deepEqual(judge(undefined, 'fabrikam.com').refusal, 'certificate-not-valid');
  });
});

describe('connecting', () => {
  const nothing: DnsAnswer<never> = { outcome: 'nodata', ttl: 0, authenticated: false };
  const options = {
    allowPrivateAddresses: true,
    outboundAddress: undefined,
    timeoutMs: 5_000,
    isOwn: () => false,
    signal: new AbortController().signal,
  };

  test('the next hop of a partner is used instead of DNS, from the address that was asked for', async (t) => {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as AddressInfo;
    const asked: string[] = [];
    const resolver: Resolver = {
      resolve: (name) => {
        asked.push(name);
        return Promise.resolve(nothing);
      },
    };
    const entry = trust.index.partnerOf('fabrikam.com');
    assert.ok(entry);
    const partner = { ...entry.partner, proxyFqdn: '127.0.0.1', proxyPort: port, proxyDirectTls: true };
    const dialled = connectToPartner(
      'fabrikam.com',
      { ...entry, partner },
      { ...options, resolver, outboundAddress: '127.0.0.5' },
    );
    const [accepted] = (await once(server, 'connection')) as [Socket];
    const { socket, isDirectTls } = await dialled;
    assert.equal(accepted.remoteAddress, '127.0.0.5');
    assert.equal(isDirectTls, true);
    assert.deepEqual(asked, []);
    accepted.destroy();
    socket.destroy();
  });

  test('direct TLS is not looked for where TLS is not supported', async () => {
    const asked: string[] = [];
    const resolver: Resolver = {
      resolve: (name, type) => {
        asked.push(`${type} ${name}`);
        return Promise.resolve(nothing);
      },
    };
    const entry = trust.index.partnerOf('fabrikam.com');
    assert.ok(entry);
    const partner = { ...entry.partner, tlsNegotiation: 'NotSupported' as const };
    await assert.rejects(
      connectToPartner('fabrikam.com', { ...entry, partner }, { ...options, resolver }),
      GatewayError,
    );
    assert.ok(asked.includes('SRV _xmpp-server._tcp.fabrikam.com'));
    assert.ok(!asked.some((question) => question.includes('xmpps')));
  });
});
