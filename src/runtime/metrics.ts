import type { SipEvent } from './sip-event.ts';
import type { StreamObservation, StreamSnapshot } from './streams/stream-services.ts';
import type { TrafficLedger } from './traffic.ts';

/** What the metrics show of the present. */
export interface MetricsSources {
  readonly traffic: TrafficLedger;
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

/**
 * Counts in plain numbers as things happen; the Prometheus text is made when it is asked for, and its library loaded
 * then. Labels come from configured partners, refusal reasons and fixed words only: no stranger can add a series.
 */
export class Metrics {
  readonly #sources: MetricsSources;
  readonly #admitted = new Counts();
  readonly #ended = new Counts();
  readonly #streamRefusals = new Counts();
  readonly #connectionRefusals = new Counts();
  readonly #sip = new Counts();
  #render: Promise<() => Promise<string>> | undefined;

  constructor(sources: MetricsSources) {
    this.#sources = sources;
  }

  onStream(event: StreamObservation): void {
    switch (event.type) {
      case 'stream-admitted':
        this.#admitted.add(event.direction, event.proof.method);
        return;
      case 'stream-ended':
        this.#ended.add(event.direction, event.ending.why);
        if (event.ending.why === 'refused') this.#streamRefusals.add(event.direction, event.ending.reason);
        return;
      case 'pair-refused':
        this.#streamRefusals.add(event.direction, event.ending.reason);
        return;
      case 'connection-refused':
        this.#connectionRefusals.add(event.reason, '');
        return;
    }
  }

  onSip(event: SipEvent): void {
    this.#sip.add(event.event, '');
  }

  /** Prometheus text exposition format 0.0.4. */
  async render(): Promise<string> {
    this.#render ??= this.#load();
    return (await this.#render)();
  }

  async #load(): Promise<() => Promise<string>> {
    const { Counter, Gauge, Registry, collectDefaultMetrics } = await import('prom-client');
    const registry = new Registry();
    collectDefaultMetrics({ register: registry });
    const registers = [registry];
    const prefix = 'xmpp_federation_';

    const counter = <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      read: () => Iterable<readonly [Record<L, string>, number]>,
    ): void => {
      new Counter({
        name: prefix + name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const [labels, value] of read()) this.inc(labels, value);
        },
      });
    };
    const gauge = <L extends string>(
      name: string,
      help: string,
      labelNames: readonly L[],
      read: () => Iterable<readonly [Record<L, string>, number]>,
    ): void => {
      new Gauge({
        name: prefix + name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const [labels, value] of read()) this.set(labels, value);
        },
      });
    };

    const sources = this.#sources;
    counter('messages_total', 'Messages accepted and passed on.', ['partner', 'direction'], function* () {
      for (const { partner, messagesToSip, messagesToXmpp } of sources.traffic.all()) {
        yield [{ partner, direction: 'to_sip' }, messagesToSip];
        yield [{ partner, direction: 'to_xmpp' }, messagesToXmpp];
      }
    });
    counter(
      'message_failures_total',
      'Messages whose sender was told of a failure.',
      ['partner', 'direction'],
      function* () {
        for (const { partner, sipFailures, xmppFailures } of sources.traffic.all()) {
          yield [{ partner, direction: 'to_sip' }, sipFailures];
          yield [{ partner, direction: 'to_xmpp' }, xmppFailures];
        }
      },
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
    counter('streams_admitted_total', 'Pairs of domains proved on streams.', ['direction', 'method'], () =>
      this.#admitted.entries('direction', 'method'),
    );
    counter('streams_ended_total', 'Streams that ended, by why.', ['direction', 'why'], () =>
      this.#ended.entries('direction', 'why'),
    );
    counter('streams_refused_total', 'Streams and pairs of domains refused by policy.', ['direction', 'reason'], () =>
      this.#streamRefusals.entries('direction', 'reason'),
    );
    counter('connections_refused_total', 'Connections closed before any XML.', ['reason'], () =>
      this.#connectionRefusals.entries('reason', ''),
    );
    counter('sip_events_total', 'Events of the SIP side.', ['event'], () => this.#sip.entries('event', ''));
    gauge('streams', 'Streams open now.', ['direction', 'state'], function* () {
      const counts = new Counts();
      for (const { direction, state } of sources.streams()) counts.add(direction, state);
      yield* counts.entries('direction', 'state');
    });
    gauge('messages_under_way', 'Messages whose fate is not known yet.', [], () => [[{}, sources.underWay()]]);
    gauge('next_hop_up', 'Whether a SIP next hop answers.', ['next_hop'], function* () {
      for (const { nextHop, healthy } of sources.nextHops()) yield [{ next_hop: nextHop }, healthy ? 1 : 0];
    });
    gauge(
      'certificate_expiry_timestamp_seconds',
      'End of validity of our certificates.',
      ['certificate'],
      function* () {
        for (const { name, notAfter } of sources.certificates()) yield [{ certificate: name }, notAfter / 1_000];
      },
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

/** Counts by two words. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(one: string, other: string): void {
    const key = `${one} ${other}`;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  *entries<A extends string, B extends string>(
    one: A,
    other: B,
  ): Iterable<readonly [Record<Exclude<A | B, ''>, string>, number]> {
    for (const [key, count] of this.#counts) {
      const [a = '', b = ''] = key.split(' ');
      const labels: Record<string, string> = other === '' ? { [one]: a } : { [one]: a, [other]: b };
      yield [labels as Record<Exclude<A | B, ''>, string>, count];
    }
  }
}
