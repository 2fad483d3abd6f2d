import assert from 'node:assert/strict';
import test from 'node:test';
import { indexFederation } from '../../src/policy/index.ts';
import { Metrics, type MetricsSources } from '../../src/runtime/metrics.ts';
import type { StreamSnapshot } from '../../src/runtime/streams/stream-services.ts';
import { TrafficLedger } from '../../src/runtime/traffic.ts';
import type { Proof } from '../../src/runtime/xmpp/session.ts';
import { sampleFederation } from '../support/federations.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';

const index = indexFederation(sampleFederation());

function metrics(changes: Partial<MetricsSources> = {}) {
  const traffic = new TrafficLedger();
  const sources: MetricsSources = {
    traffic,
    partnerOf: (domain) => index.partnerOf(domain)?.partner.domain ?? '',
    streams: () => [],
    nextHops: () => [],
    certificates: () => [],
    configuration: () => ({ digest: 'sha256:0', environment: 'test', loadedAt: 1_500, refused: 0 }),
    underWay: () => 0,
    ...changes,
  };
  const made = new Metrics(sources);
  const ours = async (): Promise<readonly string[]> => {
    const { samples } = parsePrometheusText(await made.render());
    return samples.filter((sample) => sample.startsWith('xmpp_federation_')).map((sample) => sample.slice(16));
  };
  return { metrics: made, traffic, ours };
}

const stream = { streamId: 's', peerAddress: '192.0.2.9', localDomain: 'contoso.com' } as const;
const proof: Proof = {
  localDomain: 'contoso.com',
  remoteDomain: 'fabrikam.com',
  method: 'sasl-over-tls',
  certificateProves: true,
};

test('a gateway at rest', async () => {
  const { ours } = metrics();
  assert.deepEqual(await ours(), [
    'messages_under_way 0',
    'configuration_info{digest="sha256:0",environment="test"} 1',
    'configuration_loaded_timestamp_seconds 1.5',
    'configurations_refused_total 0',
  ]);
});

test('messages, failures and refusals by partner', async () => {
  const { traffic, ours } = metrics();
  const of = traffic.of(index.partnerOf('fabrikam.com'));
  of.messagesToSip = 3;
  of.messagesToXmpp = 4;
  of.sipFailures = 1;
  of.xmppFailures = 2;
  of.lostReplies = 5;
  of.countRefusal('rate-limited');
  of.countRefusal('rate-limited');
  traffic.strangers.countRefusal('partner-not-allowed');
  const expected = [
    'messages_total{partner="fabrikam.com",direction="to_sip"} 3',
    'messages_total{partner="fabrikam.com",direction="to_xmpp"} 4',
    'message_failures_total{partner="fabrikam.com",direction="to_sip"} 1',
    'message_failures_total{partner="fabrikam.com",direction="to_xmpp"} 2',
    'refused_stanzas_total{partner="fabrikam.com",reason="rate-limited"} 2',
    'refused_stanzas_total{partner="",reason="partner-not-allowed"} 1',
    'lost_replies_total{partner="fabrikam.com"} 5',
  ];
  assert.deepEqual((await ours()).slice(0, 7), expected);
  // Asking does not count anything twice.
  assert.deepEqual((await ours()).slice(0, 7), expected);
});

test('streams, connections and the SIP side', async () => {
  const snapshot = { ...stream, tls: 'none', openedAt: '' };
  const streams: StreamSnapshot[] = [
    { ...snapshot, direction: 'inbound', state: 'open', proofs: [proof] },
    { ...snapshot, direction: 'inbound', state: 'open', proofs: [proof] },
    { ...snapshot, direction: 'inbound', state: 'negotiating', proofs: [] },
  ];
  const { metrics: made, ours } = metrics({
    streams: () => streams,
    nextHops: () => [
      { nextHop: 'tls:pool1.contoso.com:5061', healthy: true },
      { nextHop: 'tls:pool2.contoso.com:5061', healthy: false },
    ],
    certificates: () => [{ name: 'default', notAfter: 1_800_000_000_000 }],
    underWay: () => 7,
  });
  made.onStream({ type: 'stream-admitted', direction: 'inbound', ...stream, proof, tls: '' });
  made.onStream({
    type: 'stream-ended',
    direction: 'inbound',
    ...stream,
    remoteDomain: 'fabrikam.com',
    wasAdmitted: true,
    ending: { why: 'peer-closed' },
  });
  made.onStream({ type: 'connection-refused', peerAddress: '192.0.2.1', reason: 'address-limit' });
  made.onBridge({ type: 'pool-message-refused', from: '', to: '', status: 403, reason: '' });
  for (let i = 0; i < 3; i++) made.onSip({ event: 'message-received', peer: 'p', transport: 'tls' });
  made.onSip({ event: 'peer-refused', peer: 'p', reason: 'r' });
  assert.deepEqual((await ours()).slice(0, 11), [
    'pool_messages_refused_total{status="403"} 1',
    'streams_admitted_total{partner="fabrikam.com",direction="inbound",method="sasl-over-tls"} 1',
    'streams_ended_total{direction="inbound",why="peer-closed"} 1',
    'connections_refused_total{reason="address-limit"} 1',
    'sip_events_total{event="message-received"} 3',
    'sip_events_total{event="peer-refused"} 1',
    'streams{partner="fabrikam.com",direction="inbound",state="open"} 2',
    'streams{partner="",direction="inbound",state="negotiating"} 1',
    'messages_under_way 7',
    'next_hop_up{next_hop="tls:pool1.contoso.com:5061"} 1',
    'next_hop_up{next_hop="tls:pool2.contoso.com:5061"} 0',
  ]);
  assert.ok((await ours()).includes('certificate_expiry_timestamp_seconds{certificate="default"} 1800000000'));
});

test('strangers add no series, whatever they call themselves', async () => {
  const { metrics: made, ours } = metrics();
  for (let i = 0; i < 1_000; i++) {
    const ending = { why: 'refused', reason: 'partner-not-allowed', path: 'p', detail: `d${i}` } as const;
    const event = {
      direction: 'inbound',
      streamId: `s${i}`,
      peerAddress: `192.0.2.${i % 250}`,
      localDomain: `x${i}.com`,
      remoteDomain: `evil${i}.example"} 1\n`,
    } as const;
    made.onStream({ type: 'stream-ended', ...event, wasAdmitted: false, ending });
    made.onStream({ type: 'pair-refused', ...event, ending });
    const byPeer = { why: 'peer-error', condition: `c${i}`, detail: '' } as const;
    made.onStream({ type: 'stream-ended', ...event, wasAdmitted: false, ending: byPeer });
    made.onSip({ event: 'peer-refused', peer: `p${i}`, reason: `r${i}` });
  }
  const text = await made.render();
  assert.doesNotMatch(text, /evil|192\.0\.2|x7\.com/);
  assert.deepEqual((await ours()).slice(0, 4), [
    'streams_ended_total{direction="inbound",why="refused"} 1000',
    'streams_ended_total{direction="inbound",why="peer-error"} 1000',
    'streams_refused_total{partner="",direction="inbound",reason="partner-not-allowed"} 2000',
    'sip_events_total{event="peer-refused"} 1000',
  ]);
});

test('every family has a type and a help text, and the process is measured too', async () => {
  const { families } = parsePrometheusText(await metrics().metrics.render());
  for (const [name, { type, help }] of families) {
    assert.match(type, /^(counter|gauge|histogram|summary)$/, name);
    assert.notEqual(help, '', name);
    if (name.startsWith('xmpp_federation_')) assert.equal(name.endsWith('_total'), type === 'counter', name);
  }
  assert.ok(families.has('process_resident_memory_bytes'));
});
