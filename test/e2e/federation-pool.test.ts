/** Kamailio as the SIP pool, over each transport, and those who are not the pool. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import type { ThrowawayCertificate } from '../support/certificates.ts';
import { selfSigned } from '../support/certificates.ts';
import { nextAddress } from '../support/peers/addresses.ts';
import { CleanupStack } from '../support/peers/cleanup.ts';
import type { World } from '../support/peers/federation-world.ts';
import { EXTERNAL_ONLY, OUR_DOMAIN, POOL_FQDN, startWorld } from '../support/peers/federation-world.ts';
import type { GatewayProcess } from '../support/peers/gateway.ts';
import { SIP_PORT, SIPS_PORT } from '../support/peers/kamailio.ts';
import { readSip } from '../support/peers/sip-user.ts';
import type { XmppUser } from '../support/peers/xmpp-user.ts';
import { bodyOf } from '../support/peers/xmpp-user.ts';
import { missing } from '../support/requirements.ts';

const skip = missing('prosody', 'lua-unbound', 'kamailio', 'kamailio-tls', 'dnsmasq', 'port-53');

const PARTNER = 'fabrikam.example';
const ALICE = `alice@${PARTNER}`;
const POOLS = {
  udp: { fqdn: 'udp.pool.contoso.example', address: nextAddress() },
  tcp: { fqdn: 'tcp.pool.contoso.example', address: nextAddress() },
} as const;

describe('the SIP pool', { skip }, () => {
  const scope = new CleanupStack();
  let world: World;
  let gateway: GatewayProcess;
  let alice: XmppUser;

  before(async () => {
    const records = Object.values(POOLS).map(({ fqdn, address }) => ({ type: 'A', name: fqdn, address }) as const);
    world = await startWorld(scope, { partners: [[PARTNER]], records });
    gateway = await world.gateway(scope, world.federation([{ domain: PARTNER, ...EXTERNAL_ONLY }]));
    await world.prosody(scope, PARTNER, 'external');
    alice = await world.logIn(scope, ALICE);
  });
  after(() => scope.close());

  for (const transport of ['udp', 'tcp', 'tls'] as const) {
    const name = transport === 'tls' ? 'mutual TLS' : transport.toUpperCase();
    test(`${name}: messages both ways`, async (t) => {
      const { fqdn, address } =
        transport === 'tls' ? { fqdn: POOL_FQDN, address: world.poolAddress } : POOLS[transport];
      const pool = await world.pool(t, transport, address);
      const trusted = transport === 'tls' ? { trustedTlsNames: [POOL_FQDN] } : { trustedAddresses: [address] };
      await gateway.reconfigure(
        world.federation([{ domain: PARTNER, ...EXTERNAL_ONLY }], {
          sip: { nextHops: [{ fqdn, transport }], ...trusted },
        }),
      );
      await gateway.statusWith('the pool up', ({ nextHops }) => nextHops.some(({ healthy }) => healthy));
      const bob = await world.sipUser(t, 'bob', pool);

      alice.sendMessage({ to: `bob@${OUR_DOMAIN}`, body: `by ${name} 🙂` });
      assert.equal((await bob.nextMessage()).body, `by ${name} 🙂`);
      assert.equal((await bob.sendMessage(`sip:${ALICE}`, `back by ${name} 🙂`)).status, 200);
      assert.equal(bodyOf(await alice.nextMessage()), `back by ${name} 🙂`);

      const log = pool.process.log();
      assert.match(log, new RegExp(`${transport} [\\d.]+:\\d+ MESSAGE sip:bob@`));
      assert.match(log, new RegExp(`${transport} ${world.gatewayAddress}:\\d+ answers 200 to MESSAGE`));
    });
  }

  test('a stranger by UDP gets no answer', async (t) => {
    const [address, since] = [nextAddress(), gateway.lines().length];
    const socket = createSocket('udp4');
    t.after(() => socket.close());
    socket.on('message', (bytes) => assert.fail(`an answer: ${bytes}`));
    socket.bind(SIP_PORT, address);
    await once(socket, 'listening');
    socket.send(message('UDP', address), SIP_PORT, world.gatewayAddress);
    const line = await gateway.line({ event: 'sip-peer-refused' }, since);
    assert.equal(line.audit, true);
    assert.match(String(line.peer), new RegExp(`${address}:${SIP_PORT}`));
  });

  test('a stranger by TCP is refused', async (t) => {
    const [address, since] = [nextAddress(), gateway.lines().length];
    const socket = connect({ host: world.gatewayAddress, port: SIP_PORT, localAddress: address });
    assert.match(await answerOn(t, socket, message('TCP', address)), /^SIP\/2\.0 403 /);
    const line = await gateway.line({ event: 'sip-peer-refused' }, since);
    assert.match(String(line.peer), new RegExp(address));
  });

  test('by TLS only the name in the configuration counts, from an authority we trust', async (t) => {
    const dial = (identity?: ThrowawayCertificate): Socket =>
      connectTls({
        host: world.gatewayAddress,
        port: SIPS_PORT,
        ca: world.authority.certificatePem,
        servername: `edge.${OUR_DOMAIN}`,
        ...(identity === undefined ? {} : { cert: identity.chainPem, key: identity.privateKeyPem }),
      });
    const strangers = [
      await world.issue('stranger.example'),
      await world.issue('stranger.example', { commonName: POOL_FQDN }),
      await selfSigned({ dnsNames: [POOL_FQDN] }),
      undefined,
    ];
    for (const identity of strangers) {
      const since = gateway.lines().length;
      assert.match(await answerOn(t, dial(identity), message('TLS', 'stranger.example')), /^SIP\/2\.0 403 /);
      await gateway.line({ event: 'sip-peer-refused', audit: true }, since);
    }
    const pool = dial(await world.issue(POOL_FQDN));
    assert.match(await answerOn(t, pool, message('TLS', POOL_FQDN)), /^SIP\/2\.0 200 /);
    assert.equal(bodyOf(await alice.nextMessage()), 'from whom?');
  });
});

/** Status line of the first answer. */
async function answerOn(t: TestContext, socket: Socket, request: string): Promise<string> {
  t.after(() => socket.destroy());
  socket.write(request);
  const [bytes]: Buffer[] = await once(socket, 'data');
  return readSip(bytes ?? Buffer.alloc(0)).startLine;
}

function message(transport: string, address: string): string {
  const body = 'from whom?';
  return [
    `MESSAGE sip:${ALICE} SIP/2.0`,
    `Via: SIP/2.0/${transport} ${address};branch=z9hG4bK-${address}`,
    'Max-Forwards: 70',
    `From: <sip:bob@${OUR_DOMAIN}>;tag=1`,
    `To: <sip:${ALICE}>`,
    `Call-ID: by-${transport}-${address}`,
    'CSeq: 1 MESSAGE',
    'Content-Type: text/plain',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
}
