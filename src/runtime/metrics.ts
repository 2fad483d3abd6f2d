import type { BridgeObservation } from './bridge-services.ts';
import type { SipEvent } from './sip-event.ts';
import type { StreamObservation, StreamSnapshot } from './streams/stream-services.ts';
import type { PartnerTraffic, TrafficLedger } from './traffic.ts';

/** What the metrics show of the present. */
export interface MetricsSources {
  readonly traffic: TrafficLedger;
  /** Primary domain of the partner that has a domain; '' for a stranger's. */
  partnerOf(domain: string): string;
  streams(): readonly StreamSnapshot[];
  nextHops(): readonly { readonly nextHop: string; readonly healthy: boolean }[];
  certificates(): readonly { readonly name: string; readonly notAfter: number }[];
  configuration(): {
    readonly digest: string;
    readonly environment: string;
    readonly loadedAt: number;
    readonly refused: number;
  };
  underWay(): number;
}

type Samples<L extends string> = Iterable<readonly [labels: Record<L, string>, value: number]>;

const PREFIX = 'xmpp_federation_';

/**
 * Counts in plain numbers as things happen; the Prometheus text is made when it is asked for, and its library loaded
 * then. Labels come from configured partners, refusal reasons and fixed words only: no stranger can add a series.
 */
export class Metrics {
  readonly #sources: MetricsSources;
  readonly #admitted = new Counts(['partner', 'direction', 'method']);
  readonly #ended = new Counts(['direction', 'why']);
  readonly #streamRefusals = new Counts(['partner', 'direction', 'reason']);
  readonly #connectionRefusals = new Counts(['reason']);
  readonly #poolRefusals = new Counts(['status']);
  readonly #sip = new Counts(['event']);
  #render: Promise<() => Promise<string>> | undefined;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
  }

  onStream(event: StreamObservation): void {
    switch (event.type) {
      case 'stream-admitted':
        this.#admitted.add(this.#sources.partnerOf(event.proof.remoteDomain), event.direction, event.proof.method);
        break;
      case 'pair-refused':
      case 'stream-ended': {
        const { type, direction, remoteDomain, ending } = event;
        if (type === 'stream-ended') this.#ended.add(direction, ending.why);
        if (ending.why !== 'refused') break;
        this.#streamRefusals.add(this.#sources.partnerOf(remoteDomain), direction, ending.reason);
        break;
      }
      case 'connection-refused':
        this.#connectionRefusals.add(event.reason);
        break;
    }
  }

  /** What belongs to a partner is counted in its {@link PartnerTraffic}. */
  onBridge(event: BridgeObservation): void {
    if (event.type === 'pool-message-refused') this.#poolRefusals.add(String(event.status));
  }

  onSip(event: SipEvent): void {
    this.#sip.add(event.event);
  }

  /** Prometheus text exposition format 0.0.4. */
  async render(): Promise<string> {
    this.#render ??= this.#load();
    return (await this.#render)();
  }

  async #load(): Promise<() => Promise<string>> {
    const { Counter, Gauge, Registry, collectDefaultMetrics } = await import('prom-client');
    const registry = new Registry();
    const registers = [registry];
    collectDefaultMetrics({ register: registry });

    const counter = <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      samples: () => Samples<L>,
    ) => {
      const collect = function (this: InstanceType<typeof Counter<L>>): void {
        this.reset();
        for (const [labels, value] of samples()) this.inc(labels, value);
      };
      new Counter({ name: PREFIX + name, help, labelNames, registers, collect });
    };
    const gauge = <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      samples: () => Samples<L>,
    ) => {
      const collect = function (this: InstanceType<typeof Gauge<L>>): void {
        this.reset();
        for (const [labels, value] of samples()) this.set(labels, value);
      };
      new Gauge({ name: PREFIX + name, help, labelNames, registers, collect });
    };
    const counted = (name: string, help: string, counts: Counts<string>): void =>
      counter(name, help, counts.labelNames, () => counts.samples());

    const sources = this.#sources;
    const byDirection = (toSip: (of: PartnerTraffic) => number, toXmpp: (of: PartnerTraffic) => number) =>
      function* (): Samples<'partner' | 'direction'> {
        for (const traffic of sources.traffic.all()) {
          yield [{ partner: traffic.partner, direction: 'to_sip' }, toSip(traffic)];
          yield [{ partner: traffic.partner, direction: 'to_xmpp' }, toXmpp(traffic)];
        }
      };
    counter(
      'messages_total',
      'Messages translated and passed on.',
      ['partner', 'direction'],
      byDirection(
        ({ messagesToSip }) => messagesToSip,
        ({ messagesToXmpp }) => messagesToXmpp,
      ),
    );
    counter(
      'message_failures_total',
      'Messages that policy let pass and that did not arrive.',
      ['partner', 'direction'],
      byDirection(
        ({ sipFailures }) => sipFailures,
        ({ xmppFailures }) => xmppFailures,
      ),
    );
    counter(
      'refused_stanzas_total',
      'Stanzas and messages refused by policy; partner is empty for strangers.',
      ['partner', 'reason'],
      function* () {
        for (const { partner, refusals } of [...sources.traffic.all(), sources.traffic.strangers]) {
          for (const [reason, count] of refusals) yield [{ partner, reason }, count];
        }
      },
    );
    counter('lost_replies_total', 'Errors and answers that could not be sent.', ['partner'], function* () {
      for (const { partner, lostReplies } of sources.traffic.all()) yield [{ partner }, lostReplies];
    });
    counted('pool_messages_refused_total', 'Messages of the pool with addresses of no use.', this.#poolRefusals);
    counted('streams_admitted_total', 'Pairs of domains proved on streams.', this.#admitted);
    counted('streams_ended_total', 'Streams that ended, by why.', this.#ended);
    counted('streams_refused_total', 'Streams and pairs of domains refused by policy.', this.#streamRefusals);
    counted('connections_refused_total', 'Connections closed before any XML.', this.#connectionRefusals);
    counted('sip_events_total', 'Events of the SIP side.', this.#sip);
    gauge(
      'streams',
      'Streams open now; partner is empty until one is proved.',
      ['partner', 'direction', 'state'],
      () => {
        const counts = new Counts(['partner', 'direction', 'state']);
        for (const { direction, state, proofs } of sources.streams()) {
          const [first] = proofs;
          counts.add(first === undefined ? '' : sources.partnerOf(first.remoteDomain), direction, state);
        }
        return counts.samples();
      },
    );
    gauge('messages_under_way', 'Messages whose fate is not known yet.', [], () => [[{}, sources.underWay()]]);
    gauge('next_hop_up', 'Whether a SIP next hop answers.', ['next_hop'], () =>
      sources.nextHops().map(({ nextHop, healthy }) => [{ next_hop: nextHop }, healthy ? 1 : 0] as const),
    );
    gauge('certificate_expiry_timestamp_seconds', 'End of validity of our certificates.', ['certificate'], () =>
      sources.certificates().map(({ name, notAfter }) => [{ certificate: name }, notAfter / 1_000] as const),
    );
    gauge('configuration_info', 'The configuration in force; always 1.', ['digest', 'environment'], () => {
      const { digest, environment } = sources.configuration();
      return [[{ digest, environment }, 1]];
    });
    gauge('configuration_loaded_timestamp_seconds', 'When the configuration in force was loaded.', [], () => [
      [{}, sources.configuration().loadedAt / 1_000],
    ]);
    counter('configurations_refused_total', 'Configurations refused while the old one stayed.', [], () => [
      [{}, sources.configuration().refused],
    ]);
    return () => registry.metrics();
  }
}

/** Counts by a few words each. */
class Counts<L extends string> {
  readonly labelNames: readonly L[];
  readonly #counts = new Map<string, { readonly words: readonly string[]; count: number }>();

  constructor(labelNames: readonly L[]) {
    this.labelNames = labelNames;
  }

  add(first: string, ...others: readonly string[]): void {
    const key = others.length === 0 ? first : `${first} ${others.join(' ')}`;
    const known = this.#counts.get(key);
    if (known === undefined) this.#counts.set(key, { words: [first, ...others], count: 1 });
    else known.count += 1;
  }

  *samples(): Samples<L> {
    for (const { words, count } of this.#counts.values()) {
      const labels = {} as Record<L, string>;
      this.labelNames.forEach((name, i) => {
        labels[name] = words[i] ?? '';
      });
      yield [labels, count];
    }
  }
}
