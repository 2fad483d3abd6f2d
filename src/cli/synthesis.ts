import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { environmentOutsideGit } from './git-revision.ts';
import { InputProblem } from './input-problem.ts';

const MAX_SHOWN_OUTPUT = 4_000; // characters

/** Whether a folder is that of a CDKTF app. */
export function isAppFolder(folder: string): boolean {
  return existsSync(join(folder, 'cdktf.json'));
}

/**
 * Runs the app that `cdktf.json` in `folder` names, as `cdktf synth` does, into a temporary folder that is gone when
 * `use` is done. `label` says in errors whose app it is.
 */
export async function withSynthesis<T>(
  folder: string,
  label: string,
  use: (outdir: string) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { app, context } = await readAppFile(folder, label);
  const outdir = await mkdtemp(join(tmpdir(), 'xmpp-federation-synth-'));
  try {
    const environment = {
      ...environmentOutsideGit(),
      CDKTF_OUTDIR: outdir,
      CHECKPOINT_DISABLE: '1',
      PATH: [...binFolders(folder), process.env.PATH ?? ''].join(delimiter),
      ...(context === undefined ? {} : { CDKTF_CONTEXT_JSON: JSON.stringify(context) }),
    };
    await runApp(app, folder, label, environment, signal);
    return await use(outdir);
  } finally {
    await rm(outdir, { recursive: true, force: true });
  }
}

interface AppFile {
  readonly app: string;
  readonly context: unknown;
}

async function readAppFile(folder: string, label: string): Promise<AppFile> {
  const text = await readFile(join(folder, 'cdktf.json'), 'utf8').catch(() => undefined);
  if (text === undefined)
    throw new InputProblem(`${label}: expected a cdktf.json that says how to run the app, found none`);
  const parsed = parseJson(text);
  if (parsed === undefined) throw new InputProblem(`${label}: expected JSON in cdktf.json, got something else`);
  const isRecord = typeof parsed === 'object' && parsed !== null;
  const app = isRecord && 'app' in parsed ? parsed.app : undefined;
  if (typeof app !== 'string' || app.trim() === '') {
    throw new InputProblem(`${label}: expected "app" in cdktf.json to be the command that runs the app`);
  }
  return { app, context: isRecord && 'context' in parsed ? parsed.context : undefined };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// Nearest first, as npm has it for its scripts.
function binFolders(folder: string): readonly string[] {
  const folders: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    folders.push(join(at, 'node_modules', '.bin'));
    if (at === dirname(at)) return folders;
  }
}

function runApp(
  app: string,
  cwd: string,
  label: string,
  env: NodeJS.ProcessEnv,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new InputProblem(`${label}: interrupted`));
      return;
    }
    let output = '';
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString('utf8')).slice(-MAX_SHOWN_OUTPUT);
    };
    // A group of its own, so that nothing the command has started outlives an interruption.
    const detached = process.platform !== 'win32';
    const child = spawn(app, { cwd, env, shell: true, detached, stdio: ['ignore', 'pipe', 'pipe'] });
    const stop = () => {
      if (detached && child.pid !== undefined) process.kill(-child.pid, 'SIGTERM');
      else child.kill();
    };
    signal?.addEventListener('abort', stop, { once: true });
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.once('error', (error) => reject(new InputProblem(`${label}: \`${app}\` could not be run: ${error.message}`)));
    child.once('close', (code, killedBy) => {
      signal?.removeEventListener('abort', stop);
      if (code === 0) resolve();
      else
        reject(
          new InputProblem(`${label}: \`${app}\` ended with ${killedBy ?? `status ${code}`}\n${output.trimEnd()}`),
        );
    });
  });
}
