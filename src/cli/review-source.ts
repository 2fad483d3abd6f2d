import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type FederationConfig, type Result, readFederation } from '../config/index.ts';
import { findingLine } from './federation-file.ts';
import { findRevision, type Revision, withWorktree } from './git-revision.ts';
import { InputProblem } from './input-problem.ts';
import { isAppFolder, withSynthesis } from './synthesis.ts';
import type { Terminal } from './terminal.ts';

/** One federation of a side of a review. */
export interface SourceFederation {
  /** Name of the stack; empty for a single file. */
  readonly stack: string;
  readonly config: FederationConfig;
  /** The stack's Terraform code (`cdk.tf.json`), where there is one. */
  readonly code?: string;
}

/** What `--base` or `--head` turned out to be. */
export interface ReviewSource {
  readonly label: string;
  readonly revision?: Revision;
  /** A single file has one; the others may have none, or several. */
  readonly kind: 'file' | 'stacks';
  readonly federations: readonly SourceFederation[];
}

export interface SourceWorld {
  readonly cwd: string;
  readonly terminal: Terminal;
  readonly signal?: AbortSignal;
}

const REVISION_PREFIX = 'git:';

/**
 * Reads one side: a `federation.json`, standard input (`-`), a folder with synthesized stacks, the folder of a CDKTF
 * app, or a git revision, which is synthesized in a worktree of its own. What exists as a path is a path; `git:NAME` is
 * always a revision.
 */
export async function readSource(text: string, world: SourceWorld): Promise<ReviewSource> {
  if (text === '-') return fileSource('standard input', await world.terminal.readStdin(), world.terminal);
  if (!text.startsWith(REVISION_PREFIX)) {
    const path = resolve(world.cwd, text);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile() === true) return fileSource(text, await readFile(path, 'utf8'), world.terminal);
    if (found?.isDirectory() === true) return folderSource(text, path, world);
  }
  const name = text.startsWith(REVISION_PREFIX) ? text.slice(REVISION_PREFIX.length) : text;
  const revision = await findRevision(name, world.cwd);
  const federations = await withWorktree(revision, async (folder) => {
    // A revision from before there was an app has no federation: everything in the other one is new.
    if (!isAppFolder(folder)) return [];
    return withSynthesis(folder, name, (outdir) => readStacks(outdir, name, world.terminal), world.signal);
  });
  return { label: `${name} (${revision.commit.slice(0, 12)})`, revision, kind: 'stacks', federations };
}

function fileSource(label: string, json: string, terminal: Terminal): ReviewSource {
  return { label, kind: 'file', federations: [{ stack: '', config: valid(readFederation(json), label, terminal) }] };
}

async function folderSource(label: string, path: string, world: SourceWorld): Promise<ReviewSource> {
  const { terminal, signal } = world;
  if (isAppFolder(path)) {
    const federations = await withSynthesis(path, label, (outdir) => readStacks(outdir, label, terminal), signal);
    return { label, kind: 'stacks', federations };
  }
  const own = await readStack(path, label, terminal);
  if (own !== undefined) return { label, kind: 'file', federations: [own] };
  const federations = await readStacks(path, label, terminal);
  if (federations.length > 0) return { label, kind: 'stacks', federations };
  throw new InputProblem(
    `${label}: expected cdktf.json, federation.json, or stacks with one (stacks/NAME/federation.json), found none of them`,
  );
}

/** Federations in `stacks/NAME` or in `NAME`, in order of name. */
async function readStacks(outdir: string, label: string, terminal: Terminal): Promise<readonly SourceFederation[]> {
  const stacks = join(outdir, 'stacks');
  const parent = (await isFolder(stacks)) ? stacks : outdir;
  const names = (await readdir(parent, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const federations: SourceFederation[] = [];
  for (const { name } of names.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const stack = await readStack(join(parent, name), `${label}, stack ${name}`, terminal);
    if (stack !== undefined) federations.push(stack);
  }
  return federations;
}

async function readStack(folder: string, label: string, terminal: Terminal): Promise<SourceFederation | undefined> {
  const json = await readFile(join(folder, 'federation.json'), 'utf8').catch(() => undefined);
  if (json === undefined) return undefined;
  const config = valid(readFederation(json), label, terminal);
  const code = await readFile(join(folder, 'cdk.tf.json'), 'utf8').catch(() => undefined);
  return { stack: basename(folder), config, ...(code === undefined ? {} : { code }) };
}

/** The value, or a problem that lists everything wrong with it. */
export function valid<T>(result: Result<T>, label: string, terminal: Terminal): T {
  if (result.ok) return result.value;
  const lines = result.errors.map((finding) => findingLine(finding, terminal)).join('');
  throw new InputProblem(`${label} is not valid\n${lines.trimEnd()}`);
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
