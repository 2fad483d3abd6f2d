import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** What a helper needs to register its clean-up: a test's context (`t`) or a `CleanupStack`. */
export interface Scope {
  after(release: () => Promise<void> | void): void;
}

/** Releases in reverse order, every one of them, also when one fails. For programs and for suites without a `t`. */
export class CleanupStack implements Scope {
  readonly #releases: (() => Promise<void> | void)[] = [];

  after(release: () => Promise<void> | void): void {
    this.#releases.push(release);
  }

  async close(): Promise<void> {
    const failures: unknown[] = [];
    for (let release = this.#releases.pop(); release !== undefined; release = this.#releases.pop()) {
      try {
        await release();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} clean-up steps failed`);
  }
}

const stacks = new WeakMap<Scope, CleanupStack>();

/** The one stack of a scope. `t.after` runs hooks first to last; what was started last must stop first. */
export function stackOf(scope: Scope): CleanupStack {
  if (scope instanceof CleanupStack) return scope;
  const known = stacks.get(scope);
  if (known !== undefined) return known;
  const stack = new CleanupStack();
  stacks.set(scope, stack);
  scope.after(() => stack.close());
  return stack;
}

const emergencies = new Set<() => void>();

/**
 * Runs `release` synchronously when this process ends before the ordinary clean-up: uncaught exception,
 * `process.exit`, or a signal. Returns the function that withdraws it.
 */
export function onEmergency(release: () => void): () => void {
  if (emergencies.size === 0) watchForEnd();
  emergencies.add(release);
  return () => {
    emergencies.delete(release);
  };
}

let isWatching = false;

function watchForEnd(): void {
  if (isWatching) return;
  isWatching = true;
  process.once('exit', releaseAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      releaseAll();
      process.kill(process.pid, signal);
    });
  }
}

function releaseAll(): void {
  for (const release of emergencies) {
    try {
      release();
    } catch {
      // the process is ending: the others still have to run
    }
  }
  emergencies.clear();
}

/** A private directory, removed after everything that was started later in the same scope has stopped. */
export async function scratchDirectory(scope: Scope): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'xmpp-federation-peer-'));
  const withdraw = onEmergency(() => rmSync(directory, { recursive: true, force: true }));
  stackOf(scope).after(async () => {
    await rm(directory, { recursive: true, force: true, maxRetries: 3 });
    withdraw();
  });
  return directory;
}
