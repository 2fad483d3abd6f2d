/** What programs that are not ours think of the gateway's port: OpenSSL of its TLS, Prosody of its answers. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createAuthority } from '../support/certificates.ts';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { World } from '../support/peers/federation-world.ts';
import { EXTERNAL_ONLY, OUR_DOMAIN, startWorld } from '../support/peers/federation-world.ts';
import { runToEnd } from '../support/peers/process.ts';
import type { Prosody } from '../support/peers/prosody.ts';
import { DIRECT_TLS_PORT, STARTTLS_PORT } from '../support/peers/prosody.ts';
import type { Stanza, XmppUser } from '../support/peers/xmpp-user.ts';
import { child, errorCondition } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'openssl', 'dnsmasq', 'port-53');

const PARTNER = 'fabrikam.example';
const SECOND = 'second.contoso.example';

describe('outside judges', { skip }, () => {
  const scope = new CleanupStack();
  let world: World;
  let prosody: Prosody;
  let alice: XmppUser;

  before(async () => {
    world = await startWorld(scope, { partners: [[PARTNER]] });
    const domains = [{ domain: OUR_DOMAIN }, { domain: SECOND, certificate: 'second' }];
    const federation = world.federation([{ domain: PARTNER, ...EXTERNAL_ONLY }], { domains });
    await world.gateway(scope, federation, { second: await world.issue(SECOND) });
    prosody = await world.prosody(scope, PARTNER, 'external');
    alice = await world.logIn(scope, `alice@${PARTNER}`);
  });
  after(() => scope.close());

  /** @throws Error when OpenSSL does not accept the handshake, the chain or the name */
  function openssl(port: number, domain: string, authorities: string, ...more: readonly string[]): Promise<string> {
    return runToEnd({
      name: 'openssl',
      command: 'openssl',
      args: [
        ...['s_client', '-connect', `${world.gatewayAddress}:${port}`, '-CAfile', authorities],
        ...['-verify_return_error', '-verify_hostname', domain, '-servername', domain, ...more],
      ],
    });
  }

  for (const domain of [OUR_DOMAIN, SECOND]) {
    test(`OpenSSL accepts STARTTLS and direct TLS as ${domain}`, async () => {
      for (const version of ['-tls1_2', '-tls1_3']) {
        const starttls = ['-starttls', 'xmpp-server', '-xmpphost', domain, version];
        const secured = await openssl(STARTTLS_PORT, domain, world.authorities, ...starttls);
        assert.match(secured, /Verification: OK/);
        assert.match(secured, new RegExp(`Verified peername: ${domain.replaceAll('.', '\\.')}\n`));
        assert.match(secured, version === '-tls1_3' ? /New, TLSv1\.3, / : /New, TLSv1\.2, /);
        const direct = await openssl(DIRECT_TLS_PORT, domain, world.authorities, '-alpn', 'xmpp-server', version);
        assert.match(direct, /Verification: OK/);
        assert.match(direct, /ALPN protocol: xmpp-server/);
      }
    });
  }

  test('and it is no pushover: another authority, another name, old TLS, another protocol', async () => {
    const stranger = await world.write('stranger', await createAuthority('Stranger'));
    const starttls = ['-starttls', 'xmpp-server', '-xmpphost', OUR_DOMAIN];
    const untrusted = openssl(STARTTLS_PORT, OUR_DOMAIN, stranger.certificate, ...starttls);
    await assert.rejects(untrusted, /unable to get local issuer certificate/);
    const misnamed = openssl(STARTTLS_PORT, PARTNER, world.authorities, ...starttls);
    await assert.rejects(misnamed, /hostname mismatch/i);
    const old = openssl(
      STARTTLS_PORT,
      OUR_DOMAIN,
      world.authorities,
      ...starttls,
      '-tls1_1',
      '-cipher',
      'ALL@SECLEVEL=0',
    );
    await assert.rejects(old, /protocol version|unsupported protocol/);
    const http = openssl(DIRECT_TLS_PORT, OUR_DOMAIN, world.authorities, '-alpn', 'http/1.1');
    await assert.rejects(http, /no application protocol/);
  });

  test("Prosody's own ping of our domain is answered (XEP-0199)", async () => {
    assert.match(
      await prosody.shell(`xmpp:ping("${PARTNER}", "${OUR_DOMAIN}")`),
      /^Result: pong from contoso\.example /m,
    );
  });

  test('nobody who asks is left without an answer', async () => {
    assert.equal((await ask(alice, OUR_DOMAIN, PING)).attributes.type, 'result');
    const info = await ask(alice, OUR_DOMAIN, "<query xmlns='http://jabber.org/protocol/disco#info'/>");
    const identity = child(info.children[0] ?? info, 'identity');
    assert.deepEqual([identity?.attributes.category, identity?.attributes.type], ['gateway', 'sip']);
    const features = info.children[0]?.children.filter(({ name }) => name === 'feature');
    assert.ok(features?.some(({ attributes }) => attributes.var === 'urn:xmpp:ping'));

    for (const to of [`bob@${OUR_DOMAIN}`, `bob@${OUR_DOMAIN}/phone`, `nobody@${OUR_DOMAIN}`]) {
      assert.equal(errorCondition(await ask(alice, to, PING)), 'service-unavailable', to);
    }
    assert.equal(
      errorCondition(await ask(alice, OUR_DOMAIN, "<query xmlns='jabber:iq:version'/>")),
      'service-unavailable',
    );
    const id = alice.sendMessage({ to: OUR_DOMAIN, body: 'is this a person?' });
    assert.equal(errorCondition(await alice.nextError(id)), 'service-unavailable');
  });
});

const PING = "<ping xmlns='urn:xmpp:ping'/>";
let lastId = 0;

/** Sends an iq and returns its answer, whatever that is. */
function ask(user: XmppUser, to: string, payload: string): Promise<Stanza> {
  lastId += 1;
  const id = `ask${lastId}`;
  user.send(`<iq type='get' id='${id}' to='${to}'>${payload}</iq>`);
  return user.next(`an answer to ${payload}`, (it) => it.name === 'iq' && it.attributes.id === id);
}
