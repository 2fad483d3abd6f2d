import type { PeerProcess } from '../../test/support/peers/process.ts';
import type { Arrivals } from './arrivals.ts';
import { cpuSeconds } from './process-cost.ts';
import type { Batch } from './xmpp-load.ts';

/** A running server with load processes around it. `inbound`: from the partner; `outbound`: to the partner. */
export interface Measured {
  readonly name: string;
  readonly process: PeerProcess;
  /** Sends messages through the server and resolves when they have arrived. @throws Error when they did not */
  readonly inbound: (batch: Batch) => Promise<void>;
  readonly outbound: (batch: Batch) => Promise<void>;
  /** Opens up to `count` idle streams in all to the server; returns how many are open. */
  readonly idle: (count: number) => Promise<number>;
}

export interface RunFigures {
  readonly messagesPerCpuSecond: number;
  /** CPU seconds of the measured process per second of wall time. */
  readonly busy: number;
}

let nextNumber = 1;

/** One run. Numbers never repeat within a program, so a late message of one run cannot pass for one of the next. */
export async function measure(server: Measured, direction: 'inbound' | 'outbound', count: number): Promise<RunFigures> {
  const first = nextNumber;
  nextNumber += count;
  const cpuBefore = cpuSeconds(server.process.pid);
  const startedAt = performance.now();
  try {
    await server[direction]({ first, count });
  } catch (error) {
    const log = server.process.log().slice(-2000);
    throw new Error(`${server.name}, ${direction}: ${error instanceof Error ? error.message : error}\n${log}`);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = cpuSeconds(server.process.pid) - cpuBefore;
  return { messagesPerCpuSecond: count / cpu, busy: cpu / seconds };
}

/** @throws Error unless every message came once and undamaged, and nothing else came */
export function requireAll(arrivals: Arrivals): void {
  const { expected, missing, firstMissing, duplicates, damaged, strays, sample } = arrivals;
  if (missing + duplicates + damaged + strays === 0) return;
  throw new Error(
    `of ${expected} messages ${missing} did not arrive (the first of them was number ${firstMissing}), ${duplicates} came twice, ${damaged} came damaged; ` +
      `${strays} other things came; the first that was wrong: ${sample}`,
  );
}
