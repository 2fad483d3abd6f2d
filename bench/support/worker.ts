import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Scope } from '../../test/support/peers/cleanup.ts';
import { stackOf } from '../../test/support/peers/cleanup.ts';

/**
 * A load process and the calls it answers. It has a process of its own so that what it costs is not counted as the
 * measured one's, nor the other way round.
 */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>;

type Argument<F> = F extends (argument: infer A) => unknown ? A : never;
type Answer<F> = F extends (argument: never) => infer R ? Awaited<R> : never;

interface Request {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}

type Reply = { readonly id: number; readonly answer: unknown } | { readonly id: number; readonly failure: string };

export class Worker<C extends Calls> {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, { resolve: (answer: unknown) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  constructor(child: ChildProcess, name: string) {
    this.#child = child;
    child.on('message', (message) => this.#settle(message as Reply));
    child.once('exit', (code, signal) => {
      for (const { reject } of this.#pending.values()) reject(new Error(`${name} ended: ${signal ?? `code ${code}`}`));
      this.#pending.clear();
    });
  }

  call<N extends keyof C & string>(name: N, argument: Argument<C[N]>): Promise<Answer<C[N]>> {
    this.#lastId += 1;
    const request: Request = { id: this.#lastId, name, argument };
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve: (answer) => resolve(answer as Answer<C[N]>), reject });
      this.#child.send(request);
    });
  }

  #settle(reply: Reply): void {
    const waiting = this.#pending.get(reply.id);
    this.#pending.delete(reply.id);
    if ('failure' in reply) waiting?.reject(new Error(reply.failure));
    else waiting?.resolve(reply.answer);
  }
}

/** Starts a file of this folder that calls `serve`; it ends with the scope, or when this process is gone. */
export function startWorker<C extends Calls>(scope: Scope, file: string): Worker<C> {
  const child = fork(fileURLToPath(new URL(file, import.meta.url)), { execArgv: ['--import', 'tsx'] });
  stackOf(scope).after(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  });
  return new Worker<C>(child, file);
}

/** The other side: answers calls until the parent is gone. */
export function serve(calls: Calls): void {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => {
    const { id, name, argument } = message as Request;
    const reply = (value: Reply): void => {
      process.send?.(value);
    };
    Promise.resolve()
      .then(() => calls[name]?.(argument as never))
      .then(
        (answer) => reply({ id, answer }),
        (error: unknown) =>
          reply({ id, failure: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
      );
  });
}
