/**
 * Messages through the whole gateway in both directions, and Prosody and ejabberd relaying the same messages, in one
 * run, in turns. See bench/README.md for what the figures mean.
 *
 *   node --import tsx bench/gateway.ts [--gateway 'node dist/xmpp-federation.mjs'] [--messages N] [--bytes N] [--rounds N]
 *     [--idle STREAMS] [--starts N]
 *   node --import tsx bench/gateway.ts --peers-only
 */
import { parseArgs } from 'node:util';
import { CleanupStack } from '../test/support/peers/cleanup.ts';
import type { PeerProcess } from '../test/support/peers/process.ts';
import { missing } from '../test/support/requirements.ts';
import { startCeiling } from './support/ceiling.ts';
import type { Spread } from './support/figures.ts';
import { spreadOf, tableLines } from './support/figures.ts';
import { startGateway, startGatewayProcess } from './support/gateway-under-test.ts';
import type { Measured, RunFigures } from './support/measured.ts';
import { measure } from './support/measured.ts';
import { residentBytes } from './support/process-cost.ts';
import { startRelay, startRelayServer } from './support/relay.ts';
import type { World } from './support/world.ts';
import { createWorld } from './support/world.ts';

export interface BenchOptions {
  /** Command line of `xmpp-federation`; without one only the peers are measured. */
  readonly gateway?: string;
  /** Messages per run. */
  readonly messages: number;
  /** Runs per server and direction. */
  readonly rounds: number;
  readonly stanzaBytes: number;
  /** Idle streams for the memory figure. */
  readonly idle: number;
  /** Starts for the start figure. */
  readonly starts: number;
}

interface Subject {
  readonly name: string;
  readonly directions: Readonly<Record<'inbound' | 'outbound', string>>;
  /** With load processes. */
  readonly start: (scope: CleanupStack, world: World) => Promise<Measured>;
  /** Alone; resolves when it listens. */
  readonly launch: (scope: CleanupStack, world: World) => Promise<PeerProcess>;
}

const WARM_STREAMS = 100;
const SETTLE_SECONDS = 3;

function subjects({ gateway, stanzaBytes }: BenchOptions): Subject[] {
  const relays = (['prosody', 'ejabberd'] as const).map((name) => ({
    name,
    directions: { inbound: `${name}, partner to component`, outbound: `${name}, component to partner` },
    start: (scope: CleanupStack, world: World) => startRelay(scope, world, name, stanzaBytes),
    launch: async (scope: CleanupStack, world: World) => (await startRelayServer(scope, world, name)).process,
  }));
  if (gateway === undefined) return relays;
  const subject: Subject = {
    name: 'gateway',
    directions: { inbound: 'gateway, partner to SIP', outbound: 'gateway, SIP to partner' },
    start: (scope, world) => startGateway(scope, world, gateway, stanzaBytes),
    launch: (scope, world) => startGatewayProcess(scope, world, gateway),
  };
  return [subject, ...relays];
}

async function inScope<T>(work: (scope: CleanupStack) => Promise<T>): Promise<T> {
  const scope = new CleanupStack();
  try {
    return await work(scope);
  } finally {
    await scope.close();
  }
}

/** What the load processes can do at most: a server near this is held back by them. */
async function ceiling(world: World, { messages, stanzaBytes }: BenchOptions): Promise<void> {
  await inScope(async (scope) => {
    const loads = await startCeiling(scope, world, stanzaBytes);
    const rows = [['load processes against each other', 'messages per second']];
    for (const [kind, label] of [
      ['xmpp', 'server-to-server stream'],
      ['sip', 'SIP with answers'],
    ] as const) {
      await loads[kind]({ first: 1, count: Math.ceil(messages / 4) });
      const rate = await loads[kind]({ first: messages, count: messages });
      rows.push([label, Math.round(rate).toLocaleString('en')]);
    }
    print('ceiling', rows);
  });
}

/** Messages per CPU second: all servers run, one is loaded at a time. */
async function throughput(world: World, all: readonly Subject[], options: BenchOptions): Promise<void> {
  await inScope(async (scope) => {
    const runs: { readonly label: string; readonly run: () => Promise<RunFigures>; readonly figures: RunFigures[] }[] =
      [];
    for (const { start, directions } of all) {
      const server = await start(scope, world);
      for (const direction of ['inbound', 'outbound'] as const) {
        await measure(server, direction, Math.ceil(options.messages / 4)); // streams, caches, compilers: not counted
        const run = (): Promise<RunFigures> => measure(server, direction, options.messages);
        runs.push({ label: directions[direction], run, figures: [] });
      }
    }
    for (let round = 0; round < options.rounds; round += 1) {
      for (const { run, figures } of runs) figures.push(await run());
    }
    const spreads = runs.map(({ figures }) => spreadOf(figures.map((figure) => figure.messagesPerCpuSecond)));
    // Subjects end with the two relays, two directions each.
    const [prosodyIn, prosodyOut, ejabberdIn, ejabberdOut] = spreads.slice(-4);
    const rows = runs.map(({ label, figures }, index) => {
      const spread = spreads[index] ?? spreadOf([]);
      const busy = spreadOf(figures.map((figure) => figure.busy)).median;
      const isInbound = index % 2 === 0;
      return [
        label,
        ...[spread.min, spread.median, spread.max].map((value) => Math.round(value).toLocaleString('en')),
        (1e6 / spread.median).toFixed(1),
        `${Math.round(busy * 100)} %`,
        ratio(spread, isInbound ? prosodyIn : prosodyOut),
        ratio(spread, isInbound ? ejabberdIn : ejabberdOut),
      ];
    });
    const title = `${options.messages} messages of ${options.stanzaBytes} bytes, ${options.rounds} rounds`;
    const heads = ['messages per CPU second', 'min', 'median', 'max', 'us each', 'busy', 'x prosody', 'x ejabberd'];
    print(title, [heads, ...rows]);
  });
}

function ratio(spread: Spread, base: Spread | undefined): string {
  return base === undefined ? '-' : (spread.median / base.median).toFixed(2);
}

/** Memory of streams that are open and proved and say nothing: on a fresh process, after the first hundred. */
async function memory(world: World, all: readonly Subject[], count: number): Promise<void> {
  const rows: string[][] = [];
  for (const { name, start } of all) {
    await inScope(async (scope) => {
      const server = await start(scope, world);
      const warm = await server.idle(WARM_STREAMS);
      await settle();
      const before = residentBytes(server.process.pid);
      const open = (await server.idle(warm + count)) - warm;
      await settle();
      const grown = residentBytes(server.process.pid) - before;
      rows.push([name, String(open), (before / 1e6).toFixed(1), open > 0 ? (grown / open / 1024).toFixed(1) : '-']);
    });
  }
  print('memory', [['idle TLS streams', 'opened', 'MB before', 'KiB each'], ...rows]);
}

function settle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE_SECONDS * 1000));
}

async function startUp(world: World, all: readonly Subject[], starts: number): Promise<void> {
  const milliseconds = all.map((): number[] => []);
  for (let round = 0; round < starts; round += 1) {
    for (const [index, { launch }] of all.entries()) {
      await inScope(async (scope) => {
        const process = await launch(scope, world);
        milliseconds[index]?.push((process.secondsToListening ?? Number.NaN) * 1000);
      });
    }
  }
  const rows = all.map(({ name }, index) => {
    const { min, median, max } = spreadOf(milliseconds[index] ?? []);
    return [name, ...[min, median, max].map((value) => value.toFixed(0))];
  });
  print('start', [['ms from spawn to listening', 'min', 'median', 'max'], ...rows]);
}

function print(title: string, rows: readonly (readonly string[])[]): void {
  process.stdout.write(`\n${title}\n${tableLines(rows).join('\n')}\n`);
}

/** Runs everything and prints the tables. @throws Error when a message is lost, doubled or damaged on the way */
export async function benchGateway(options: BenchOptions): Promise<void> {
  await inScope(async (scope) => {
    const world = await createWorld(scope);
    const all = subjects(options);
    if (options.starts > 0) await startUp(world, all, options.starts);
    if (options.idle > 0) await memory(world, all, options.idle);
    if (options.rounds > 0) {
      await ceiling(world, options);
      await throughput(world, all, options);
    }
  });
}

const { values } = parseArgs({
  options: {
    gateway: { type: 'string', default: 'node dist/xmpp-federation.mjs' },
    'peers-only': { type: 'boolean', default: false },
    messages: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    bytes: { type: 'string', default: '250' },
    idle: { type: 'string', default: '800' },
    starts: { type: 'string', default: '5' },
  },
});
const absent = missing('prosody', 'lua-unbound', 'ejabberdctl', 'dnsmasq', 'port-53', 'private-mounts');
if (absent !== false) throw new Error(`this bench ${absent}`);
await benchGateway({
  ...(values['peers-only'] ? {} : { gateway: values.gateway }),
  messages: Number(values.messages),
  rounds: Number(values.rounds),
  stanzaBytes: Number(values.bytes),
  idle: Number(values.idle),
  starts: Number(values.starts),
});
