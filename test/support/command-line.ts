import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { EventQueue } from './event-queue.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A running `xmpp-federation`, from the sources. */
export interface RunningCommand {
  readonly process: ChildProcess;
  /** Lines of standard output as they come. */
  readonly lines: EventQueue<string>;
  /** Resolves at the end, with all it wrote. */
  readonly ended: Promise<{ readonly status: number | null; readonly out: string; readonly err: string }>;
}

export function startCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}): RunningCommand {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
    cwd: root,
    env: { ...process.env, NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines = new EventQueue<string>('standard output');
  let [out, err, rest] = ['', '', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) lines.push(line);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const ended = once(child, 'close').then(([status]) => ({ status, out, err }));
  return { process: child, lines, ended };
}

export function runCommand(...args: readonly string[]): RunningCommand['ended'] {
  return startCommand(args).ended;
}
