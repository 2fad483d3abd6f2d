/** Prosody as partner, by each way of proving a domain: messages both ways between its user and one of the SIP pool. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { AuthMethod } from '../../src/policy/index.ts';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { World } from '../support/peers/federation-world.ts';
import {
  EXTERNAL_ONLY,
  OUR_DOMAIN,
  startWorld,
  TCP_DIALBACK_ONLY,
  TLS_DIALBACK_ONLY,
} from '../support/peers/federation-world.ts';
import type { GatewayProcess } from '../support/peers/gateway.ts';
import type { StreamMode } from '../support/peers/prosody.ts';
import { DIRECT_TLS_PORT } from '../support/peers/prosody.ts';
import type { SipUser } from '../support/peers/sip-user.ts';
import { header } from '../support/peers/sip-user.ts';
import { bodyOf, child } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53');

const BODY = 'grüße <&> "日本" 👩‍👩‍👧 e\u0301';
const SUBJECT = 'Ärger & Freude 🙂';

interface Case {
  readonly mode: StreamMode;
  readonly domain: string;
  readonly method: AuthMethod;
  readonly isProvedByCertificate: boolean;
}

const CASES: readonly Case[] = [
  { mode: 'external', domain: 'external.example', method: 'sasl-over-tls', isProvedByCertificate: true },
  { mode: 'tls-dialback', domain: 'dialback.example', method: 'tls-dialback', isProvedByCertificate: true },
  { mode: 'plain-dialback', domain: 'plain.example', method: 'tcp-dialback', isProvedByCertificate: false },
  { mode: 'direct-tls', domain: 'direct.example', method: 'sasl-over-tls', isProvedByCertificate: true },
];

describe('Prosody as partner', { skip }, () => {
  const scope = new CleanupStack();
  let world: World;
  let gateway: GatewayProcess;
  let bob: SipUser;

  before(async () => {
    world = await startWorld(scope, {
      partners: CASES.map(({ domain }) => [domain]),
      directTlsPartners: ['direct.example'],
    });
    const federation = world.federation([
      { domain: 'external.example', ...EXTERNAL_ONLY },
      { domain: 'dialback.example', ...TLS_DIALBACK_ONLY },
      { domain: 'plain.example', ...TCP_DIALBACK_ONLY },
      { domain: 'direct.example', ...EXTERNAL_ONLY },
    ]);
    await world.pool(scope);
    gateway = await world.gateway(scope, federation);
    bob = await world.sipUser(scope, 'bob');
  });
  after(() => scope.close());

  for (const { mode, domain, method, isProvedByCertificate } of CASES) {
    test(`${mode}: messages both ways, and the audit says ${method}`, async (t) => {
      if (mode === 'direct-tls') await publishDirectTlsOnly(world);
      await world.prosody(t, domain, mode);
      const alice = await world.logIn(t, `alice@${domain}`);

      alice.sendMessage({
        to: `bob@${OUR_DOMAIN}`,
        body: BODY,
        subject: SUBJECT,
        thread: `thread of ${mode}`,
        language: 'de-CH',
      });
      const request = await bob.nextMessage();
      assert.equal(request.body, BODY);
      assert.equal(request.to, bob.uri);
      assert.match(request.from, new RegExp(`^sip:alice@${domain};gr=test$`));
      assert.equal(header(request, 'subject'), SUBJECT);
      assert.equal(header(request, 'content-language'), 'de-CH');

      // The answer of a SIP client is in the same conversation: the same Call-ID.
      const replied = await bob.sendMessage(`sip:alice@${domain}`, `back: ${BODY}`, [
        `Call-ID: ${header(request, 'call-id')}`,
        `Subject: ${SUBJECT}`,
        'Content-Language: fr',
      ]);
      assert.equal(replied.status, 200);
      const stanza = await alice.nextMessage();
      assert.equal(bodyOf(stanza), `back: ${BODY}`);
      assert.deepEqual(
        [stanza.attributes.from, stanza.attributes.to, stanza.attributes['xml:lang'], stanza.attributes.type],
        [`bob@${OUR_DOMAIN}`, `alice@${domain}`, 'fr', undefined],
      );
      assert.equal(child(stanza, 'subject')?.text, SUBJECT);
      assert.equal(child(stanza, 'thread')?.text, `thread of ${mode}`);

      for (const direction of ['inbound', 'outbound']) {
        const line = await gateway.line({ event: 'stream-admitted', direction, remoteDomain: domain });
        assert.deepEqual(
          [line.audit, line.localDomain, line.method, line.certificateProves],
          [true, OUR_DOMAIN, method, isProvedByCertificate],
        );
        assert.match(String(line.tls), mode === 'plain-dialback' ? /^none$/ : /^TLSv1\.3 /);
        if (direction === 'outbound') assert.equal(line.peerAddress, world.addressOf(domain));
      }
    });
  }
});

/** From now on there is only one way to our domain. */
async function publishDirectTlsOnly({ dns, records }: World): Promise<void> {
  const ours = `_xmpp-server._tcp.${OUR_DOMAIN}`;
  const name = `_xmpps-server._tcp.${OUR_DOMAIN}`;
  await dns.serve([
    ...records.filter((record) => record.name !== ours),
    { type: 'SRV', name, target: `xmpp.${OUR_DOMAIN}`, port: DIRECT_TLS_PORT },
  ]);
}
