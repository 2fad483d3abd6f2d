import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { programPath } from '../requirements.ts';
import type { Scope } from './cleanup.ts';
import { onEmergency, stackOf } from './cleanup.ts';

export interface ProcessOptions {
  /** For messages. */
  readonly name: string;
  /** Program name or path; no shell is involved. */
  readonly command: string;
  readonly args: readonly string[];
  readonly directory?: string;
  /** Added to a small environment (PATH, LANG, HOME). */
  readonly env?: Readonly<Record<string, string>>;
}

const KEPT_LOG_CHARACTERS = 512 * 1024;
const TAIL_CHARACTERS = 3000;
const START_SECONDS = 20;
const STOP_SECONDS = 5;

/** A child process with its log; stops, with everything it started, when the scope ends. */
export class PeerProcess {
  readonly name: string;
  readonly pid: number;
  /** From start to the first port that accepted, in seconds, to some 5 ms. */
  secondsToListening: number | undefined;
  readonly #child: ChildProcess;
  readonly #startedAt = performance.now();
  readonly #withdraw: () => void;
  #log = '';
  #ended: string | undefined;

  constructor(options: ProcessOptions) {
    this.name = options.name;
    const command = programPath(options.command) ?? options.command;
    // The child gets a signal of its own when this process dies without a chance to clean up (SIGKILL).
    const guard = programPath('setpriv');
    const [program, args] =
      guard === undefined ? [command, options.args] : [guard, ['--pdeathsig', 'TERM', command, ...options.args]];
    this.#child = spawn(program, args, {
      detached: true, // its own process group, so that its children can be stopped with it
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: options.directory ?? '/', ...options.env },
      ...(options.directory === undefined ? {} : { cwd: options.directory }),
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#keep(text));
    }
    this.#child.once('error', (error) => this.#end(error.message));
    this.#child.once('exit', (code, signal) => this.#end(signal ?? `exit code ${code}`));
    this.pid = this.#child.pid ?? -1;
    this.#withdraw = onEmergency(() => this.signal('SIGKILL'));
  }

  /** The last half megabyte of standard output and standard error, in the order read. */
  log(): string {
    return this.#log;
  }

  isRunning(): boolean {
    return this.#ended === undefined;
  }

  /** Signals the process and all it started. */
  signal(signal: NodeJS.Signals): void {
    if (this.pid <= 0 || this.#ended !== undefined) return;
    signalGroup(this.pid, signal);
  }

  /** Resolves when the log has a match; the first one is returned. */
  waitForLog(pattern: RegExp, seconds = START_SECONDS): Promise<RegExpExecArray> {
    return this.#poll(`log line ${pattern}`, seconds, () => Promise.resolve(pattern.exec(this.#log) ?? undefined));
  }

  /** Resolves when something accepts TCP connections there. */
  async waitForPort(address: string, port: number, seconds = START_SECONDS): Promise<void> {
    await this.#poll(`TCP ${address}:${port}`, seconds, async () => (await accepts(address, port)) || undefined);
    this.secondsToListening ??= (performance.now() - this.#startedAt) / 1000;
  }

  /** SIGTERM, then SIGKILL; resolves when the process and all it started are gone. Safe to call twice. */
  async stop(): Promise<void> {
    if (this.isRunning()) {
      this.signal('SIGTERM');
      await this.#exitWithin(STOP_SECONDS);
    }
    await this.kill();
  }

  /** SIGKILL: how a crash looks to the others. */
  async kill(): Promise<void> {
    if (this.isRunning()) {
      this.signal('SIGKILL');
      await this.#exitWithin(STOP_SECONDS);
    }
    this.#withdraw();
    if (this.isRunning()) throw new Error(`${this.name} (pid ${this.pid}) survived SIGKILL`);
  }

  async #exitWithin(seconds: number): Promise<void> {
    const giveUp = new AbortController();
    const exit = this.isRunning() ? once(this.#child, 'exit', { signal: giveUp.signal }) : Promise.resolve();
    await Promise.race([
      exit.catch(() => undefined),
      delay(seconds * 1000, undefined, { signal: giveUp.signal }),
    ]).finally(() => giveUp.abort());
  }

  async #poll<T>(what: string, seconds: number, attempt: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + seconds * 1000;
    for (;;) {
      const found = await attempt();
      if (found !== undefined) return found;
      if (this.#ended !== undefined) throw this.#failure(`ended (${this.#ended}) before ${what}`);
      if (performance.now() > deadline) throw this.#failure(`no ${what} within ${seconds} s`);
      await delay(5);
    }
  }

  #failure(what: string): Error {
    return new Error(`${this.name}: ${what}; end of its log:\n${this.#log.slice(-TAIL_CHARACTERS)}`);
  }

  #keep(text: string): void {
    this.#log += text;
    if (this.#log.length > 2 * KEPT_LOG_CHARACTERS) this.#log = this.#log.slice(-KEPT_LOG_CHARACTERS);
  }

  #end(how: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = how;
    if (this.pid > 0) signalGroup(this.pid, 'SIGKILL'); // what the leader left behind
  }
}

/** Starts a process that lives no longer than the scope. Waiting for readiness is the caller's. */
export function startProcess(scope: Scope, options: ProcessOptions): PeerProcess {
  const process = new PeerProcess(options);
  stackOf(scope).after(() => process.stop());
  return process;
}

/** Runs a program to its end and returns its standard output. @throws Error with both outputs on another exit code */
export async function runToEnd(options: ProcessOptions, seconds = START_SECONDS): Promise<string> {
  const { command, args, directory, env, name } = options;
  const child = spawn(programPath(command) ?? command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: seconds * 1000,
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', HOME: '/', ...env },
    ...(directory === undefined ? {} : { cwd: directory }),
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  const [code, signal]: unknown[] = await once(child, 'close');
  if (code !== 0) throw new Error(`${name}: ${signal ?? `exit code ${code}`}\n${output}${errors}`);
  return output;
}

function accepts(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // nobody left in the group
  }
}
