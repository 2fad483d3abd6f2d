/** Certificates of partners: what they prove to the gateway, and what follows when they prove nothing. */
import assert from 'node:assert/strict';
import { createHash, createPublicKey } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import type { AuthMethod, RefusalReason } from '../../src/policy/index.ts';
import type { ThrowawayCertificate } from '../support/certificates.ts';
import { createAuthority, issue, selfSigned } from '../support/certificates.ts';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { PartnerProps, World } from '../support/peers/federation-world.ts';
import { EXTERNAL_ONLY, OUR_DOMAIN, startWorld } from '../support/peers/federation-world.ts';
import type { GatewayProcess } from '../support/peers/gateway.ts';
import type { VirtualHost } from '../support/peers/prosody.ts';
import type { SipUser } from '../support/peers/sip-user.ts';
import { bodyOf, errorText } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53');

const BOB = `bob@${OUR_DOMAIN}`;
const VALID = 'valid.example';

/** Partners whose certificates prove nothing: why, and how the audit says it. */
const REFUSED: readonly { readonly domain: string; readonly reason: RefusalReason; readonly detail: RegExp }[] = [
  { domain: 'expired.example', reason: 'certificate-not-valid', detail: /: expired$/ },
  {
    domain: 'wrong-name.example',
    reason: 'certificate-name-mismatch',
    detail: /other\.example, not for wrong-name/,
  },
  { domain: 'self-signed.example', reason: 'certificate-not-valid', detail: /: self-signed$/ },
  { domain: 'unknown-ca.example', reason: 'certificate-not-valid', detail: /: unknown-issuer$/ },
  { domain: 'cn-only.example', reason: 'certificate-name-mismatch', detail: /no name that counts/ },
];

describe('certificates of partners', { skip }, () => {
  const scope = new CleanupStack();
  const certificates = new Map<string, ThrowawayCertificate>();
  let world: World;
  let gateway: GatewayProcess;
  let bob: SipUser;
  let privateAuthority: ThrowawayCertificate;

  const domains = [VALID, 'narrow.example', ...REFUSED.map(({ domain }) => domain)];
  const federation = (row: Partial<PartnerProps>, changes: Readonly<Record<string, Partial<PartnerProps>>> = {}) =>
    world.federation(domains.map((domain) => ({ domain, ...row, ...changes[domain] })));

  before(async () => {
    world = await startWorld(scope, { partners: [domains] });
    privateAuthority = await createAuthority('Private authority');
    const day = 86_400_000;
    const past = { notBefore: new Date(Date.now() - 30 * day), notAfter: new Date(Date.now() - day) };
    const made: Readonly<Record<string, Promise<ThrowawayCertificate>>> = {
      [VALID]: world.issue(VALID),
      'narrow.example': world.issue('narrow.example', { eku: ['serverAuth'] }),
      'expired.example': world.issue('expired.example', past),
      'wrong-name.example': world.issue('other.example', { commonName: 'wrong-name.example' }),
      'self-signed.example': selfSigned({ dnsNames: ['self-signed.example'] }),
      'unknown-ca.example': issue(privateAuthority, { dnsNames: ['unknown-ca.example'] }),
      'cn-only.example': issue(world.authority, { commonName: 'cn-only.example' }),
    };
    for (const domain of domains) certificates.set(domain, await (made[domain] ?? assert.fail(domain)));
    await world.pool(scope);
    gateway = await world.gateway(scope, federation(EXTERNAL_ONLY), { 'private-ca': privateAuthority });
    const virtualHosts: VirtualHost[] = [];
    for (const [domain, certificate] of certificates) {
      if (domain !== VALID) virtualHosts.push({ domain, certificate: await world.write(domain, certificate) });
    }
    await world.prosody(scope, VALID, 'external-or-dialback', { virtualHosts });
    bob = await world.sipUser(scope, 'bob');
  });
  after(() => scope.close());

  async function assertPasses(domain: string, method: AuthMethod, since: number): Promise<void> {
    const alice = await world.logIn(scope, `alice@${domain}`);
    alice.sendMessage({ to: BOB, body: `from ${domain}` });
    assert.equal((await bob.nextMessage()).body, `from ${domain}`);
    assert.equal((await bob.sendMessage(`sip:${alice.jid}`, `to ${domain}`)).status, 200);
    assert.equal(bodyOf(await alice.nextMessage()), `to ${domain}`);
    for (const direction of ['inbound', 'outbound']) {
      const line = await gateway.line({ event: 'stream-admitted', direction, remoteDomain: domain }, since);
      assert.equal(line.method, method, direction);
    }
    alice.close();
  }

  async function assertRefused(domain: string, reason: RefusalReason, detail: RegExp, since: number): Promise<void> {
    const alice = await world.logIn(scope, `alice@${domain}`);
    const id = alice.sendMessage({ to: BOB, body: 'let me in' });
    assert.match(errorText(await alice.nextError(id)), /not-authorized/);
    assert.equal((await bob.sendMessage(`sip:${alice.jid}`, 'and out?')).status, 403);
    for (const direction of ['inbound', 'outbound']) {
      const line = await gateway.line({ event: 'stream-refused', direction, remoteDomain: domain }, since);
      assert.deepEqual([line.audit, line.reason], [true, reason], direction);
      assert.match(String(line.detail), detail, direction);
    }
    assert.deepEqual([alice.pending(), bob.pending()], [[], []]);
    alice.close();
  }

  describe('TLS Required, SASL Required, no dialback', () => {
    test('a valid certificate proves its domain', () => assertPasses(VALID, 'sasl-over-tls', 0));
    test('so does one for servers alone, which public authorities give out', () =>
      assertPasses('narrow.example', 'sasl-over-tls', 0));
    for (const { domain, reason, detail } of REFUSED) {
      test(`refused in both directions: ${domain}`, () => assertRefused(domain, reason, detail, 0));
    }
  });

  describe('TLS Required, SASL Optional, dialback', () => {
    let since = 0;
    before(async () => {
      await gateway.reconfigure(federation({ saslNegotiation: 'Optional', supportDialbackNegotiation: true }));
      since = gateway.lines().length;
    });
    for (const { domain } of REFUSED) {
      test(`dialback over TLS instead: ${domain}`, () => assertPasses(domain, 'tls-dialback', since));
    }
  });

  describe('trust anchors of a partner', () => {
    let since = 0;
    before(async () => {
      const { certificatePem = '' } = certificates.get('self-signed.example') ?? {};
      const spki = createPublicKey(certificatePem).export({ type: 'spki', format: 'der' });
      const publicKeySha256 = createHash('sha256').update(spki).digest('base64');
      await gateway.reconfigure(
        federation(EXTERNAL_ONLY, {
          'unknown-ca.example': { trustAnchors: [{ certificate: 'private-ca' }] },
          'self-signed.example': { trustAnchors: [{ publicKeySha256 }] },
          'wrong-name.example': { trustAnchors: [{ publicKeySha256 }] },
          [VALID]: { trustAnchors: [{ certificate: 'private-ca' }] },
        }),
      );
      since = gateway.lines().length;
    });
    test('a private authority', () => assertPasses('unknown-ca.example', 'sasl-over-tls', since));
    test('a pinned public key of a self-signed certificate', () =>
      assertPasses('self-signed.example', 'sasl-over-tls', since));
    test('a pin of another key', () =>
      assertRefused('wrong-name.example', 'certificate-not-valid', /: unknown-issuer$/, since));
    test('with anchors of its own, the usual authorities do not count for a partner', () =>
      assertRefused(VALID, 'certificate-not-valid', /: unknown-issuer$/, since));
  });
});
