import assert from 'node:assert/strict';
import test from 'node:test';
import { sipConfiguration } from '../../src/config/index.ts';
import { messageToSip } from '../../src/runtime/interwork/xmpp-to-sip.ts';
import { DEFAULT_SETTINGS, type HostSettings, parseSipListenAddress } from '../../src/runtime/settings.ts';
import { formatPageMessage } from '../../src/runtime/sip/format.ts';
import { effectiveSip, largestRequest, sipHost, sipListeners } from '../../src/runtime/sip-settings.ts';
import { parseJid } from '../../src/runtime/xmpp/jid.ts';
import { served } from './interwork/served.ts';
import { parseElement } from './interwork/wire.ts';

const sip = sipConfiguration.parse({ nextHops: [{ fqdn: 'pool.contoso.com' }], trustedTlsNames: ['pool.contoso.com'] });

function settings(changes: Partial<HostSettings> = {}): HostSettings {
  return { ...DEFAULT_SETTINGS, configFile: 'federation.json', ...changes };
}

test('next hops of the host take the place of those of the configuration, in their order', () => {
  assert.equal(effectiveSip(sip, settings()), sip);
  const sipNextHops = [
    { transport: 'udp', fqdn: '192.0.2.7', port: 5060 },
    { transport: 'tls', fqdn: 'pool2.contoso.com', port: 5061 },
  ] as const;
  const effective = effectiveSip(sip, settings({ sipNextHops }));
  assert.deepEqual(
    effective.nextHops.map(({ fqdn, priority, useSrv }) => [fqdn, priority, useSrv]),
    [
      ['192.0.2.7', 10, false],
      ['pool2.contoso.com', 20, false],
    ],
  );
  assert.deepEqual(effective.trustedTlsNames, ['pool.contoso.com']);
});

test('every address means both families where the host has both', () => {
  const sipListen = ['tls:5061', 'tcp:5060', 'udp:5060', 'udp:[2001:db8::1]:5060'].map(parseSipListenAddress);
  const addresses = (hasIpv6: boolean) => sipListeners(settings({ sipListen }), hasIpv6).map(({ address }) => address);
  assert.deepEqual(addresses(true), ['::', '::', '0.0.0.0', '2001:db8::1']);
  assert.deepEqual(addresses(false), ['0.0.0.0', '0.0.0.0', '0.0.0.0', '2001:db8::1']);
});

test('headers never name an address that is every address', () => {
  const host = (listen: readonly string[], name = 'edge1.contoso.com', set?: string) =>
    sipHost(settings({ sipListen: listen.map(parseSipListenAddress), sipHost: set }), 'contoso.com', name);
  assert.equal(host(['tls:192.0.2.1:5061']), undefined);
  assert.equal(host(['tls:192.0.2.1:5061', 'udp:5060']), 'edge1.contoso.com');
  assert.equal(host(['tcp:0.0.0.0:5060']), 'edge1.contoso.com');
  assert.equal(host(['tcp:[::]:5060'], 'no_name'), 'contoso.com');
  assert.equal(host(['udp:5060'], 'edge1', 'sip.contoso.com'), 'sip.contoso.com');
});

test('over UDP a request that is let through fits, whatever this host is called', () => {
  assert.equal(largestRequest(sip), undefined);
  const overUdp = effectiveSip(sip, settings({ sipNextHops: [{ transport: 'udp', fqdn: '192.0.2.7', port: 5060 }] }));
  const [from, to] = [parseJid('jü@fabrikam.com/x'), parseJid('ann@example.net')];
  assert(from !== undefined && to !== undefined);
  for (const length of [10, 64, 100, 253]) {
    const host = 'h'.repeat(length);
    const maxRequestBytes = largestRequest(overUdp, host);
    assert(maxRequestBytes !== undefined);
    for (const more of ['', `<subject>${'ü'.repeat(50)}</subject>`, `<thread>${'t'.repeat(250)}</thread>`]) {
      for (let size = 300; size < 1_000; size += 7) {
        const xml = `<message xmlns='jabber:server' from='${from.full}' to='${to.full}' xml:lang='en'>${more}<body>${'x'.repeat(size)}</body></message>`;
        const translation = messageToSip(parseElement(xml), from, to, { served, maxRequestBytes });
        if (translation.ok !== true) continue;
        const { message } = translation;
        const lines = { viaStart: `SIP/2.0/UDP ${host}:65535;branch=`, viaEnd: ';rport' };
        const token = '0123456789abcdef';
        const number = 9_999_999_999;
        const callId = message.callId ?? `${token}.${number}`;
        const text = formatPageMessage(
          message,
          lines,
          `z9hG4bK${token}.${number}`,
          `${token}${number}`,
          callId,
          number,
        );
        assert.ok(Buffer.byteLength(text) <= 1_300, `${length} ${more} ${size}`);
      }
    }
  }
});
