import { indexFederation } from '../../src/policy/index.ts';
import { Metrics } from '../../src/runtime/metrics.ts';
import { TrafficLedger } from '../../src/runtime/traffic.ts';
import { sampleFederation } from './federations.ts';

/** Metrics after one of everything, so that each has a sample. */
export function everyMetric(): Metrics {
  const index = indexFederation(sampleFederation());
  const traffic = new TrafficLedger();
  traffic.of(index.partnerOf('fabrikam.com')).countRefusal('rate-limited');
  const stream = { direction: 'inbound', streamId: 's', peerAddress: '192.0.2.9' } as const;
  const pair = { localDomain: 'contoso.com', remoteDomain: 'fabrikam.com' } as const;
  const proof = { ...pair, method: 'sasl-over-tls', certificateProves: true } as const;
  const ending = { why: 'refused', reason: 'partner-not-allowed', path: '', detail: '' } as const;
  const metrics = new Metrics({
    traffic,
    partnerOf: (domain) => index.partnerOf(domain)?.partner.domain ?? '',
    streams: () => [{ ...stream, state: 'open', proofs: [proof], tls: '', openedAt: '' }],
    nextHops: () => [{ nextHop: 'tls:pool.contoso.com:5061', healthy: true }],
    certificates: () => [{ name: 'default', notAfter: 0 }],
    configuration: () => ({ digest: index.digest, environment: 'test', loadedAt: 0, refused: 0 }),
    underWay: () => 0,
  });
  metrics.onStream({ type: 'stream-admitted', ...stream, proof, tls: '' });
  metrics.onStream({ type: 'stream-ended', ...stream, ...pair, wasAdmitted: false, ending });
  metrics.onStream({ type: 'connection-refused', peerAddress: '192.0.2.9', reason: 'address-limit' });
  metrics.onBridge({ type: 'pool-message-refused', from: '', to: '', status: 403, reason: '' });
  metrics.onSip({ event: 'next-hop-up', nextHop: '' });
  return metrics;
}
