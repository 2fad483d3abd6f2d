import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { lstat, mkdir, mkdtemp, realpath, rm, symlink, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { InputProblem } from './input-problem.ts';

/** A commit of the repository around a folder. */
export interface Revision {
  /** As it was asked for. */
  readonly name: string;
  readonly commit: string;
  /** Root of the repository's work tree. */
  readonly root: string;
  /** The folder asked from, below the root. */
  readonly prefix: string;
}

// Git sets these for its hooks; they would make it look at another repository than the folder's.
const REPOSITORY_VARIABLES = [
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_INDEX_FILE',
  'GIT_PREFIX',
  'GIT_COMMON_DIR',
  'GIT_NAMESPACE',
  'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
];
const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** The environment of this process without what git has set for a hook. */
export function environmentOutsideGit(): NodeJS.ProcessEnv {
  const environment = { ...process.env };
  for (const name of REPOSITORY_VARIABLES) delete environment[name];
  return environment;
}

/** Finds the commit that a name means in the repository around `folder`. */
export async function findRevision(name: string, folder: string): Promise<Revision> {
  const expected = `expected a file, a folder or a git revision, got ${JSON.stringify(name)}`;
  if (name === '' || name.startsWith('-')) throw new InputProblem(expected);
  const where = await git(folder, ['rev-parse', '--show-toplevel', '--show-prefix', '--is-shallow-repository']);
  if (!where.ok) throw new InputProblem(`${expected}\n${where.text}`);
  const [root = '', prefix = '', isShallow] = where.text.split('\n');
  const commit = await git(folder, ['rev-parse', '--verify', '--quiet', `${name}^{commit}`]);
  if (!commit.ok) {
    const hint = isShallow === 'true' ? '; the clone is shallow: fetch its history (fetch-depth: 0)' : '';
    throw new InputProblem(`${expected}${hint}`);
  }
  return { name, commit: commit.text.trim(), root, prefix };
}

/** A file as it is in a commit; `path` is relative to the folder asked from. Undefined when the commit has none. */
export async function readCommittedFile({ commit, root, prefix }: Revision, path: string): Promise<string | undefined> {
  const inside = relative(root, join(root, prefix, path));
  if (inside.startsWith('..'))
    throw new InputProblem(`expected a file inside the repository, got ${JSON.stringify(path)}`);
  const shown = await git(root, ['show', `${commit}:${inside.replaceAll('\\', '/')}`]);
  return shown.ok ? shown.text : undefined;
}

/**
 * Checks a commit out into a temporary worktree, lends it the installed packages of the repository, and takes it away
 * again, whatever happens. `use` is given the folder that corresponds to the one asked from.
 */
export async function withWorktree<T>(revision: Revision, use: (folder: string) => Promise<T>): Promise<T> {
  const { root, commit, prefix } = revision;
  const temporary = await realpath(await mkdtemp(join(tmpdir(), 'xmpp-federation-review-')));
  // Git names its record of a worktree after the last part of the path.
  const tree = join(temporary, basename(temporary));
  const links: string[] = [];
  try {
    // A hook that installs or builds something after a checkout is not meant for this one.
    const add = ['worktree', 'add', '--detach', '--quiet', tree, commit];
    const added = await git(root, ['-c', 'core.hooksPath=/dev/null', ...add]);
    if (!added.ok) throw new InputProblem(`${revision.name} could not be checked out\n${added.text}`);
    await lendPackages(revision, tree, links);
    return await use(join(tree, prefix));
  } finally {
    for (const link of links) await unlink(link).catch(() => {});
    const removed = await git(root, ['worktree', 'remove', '--force', tree]);
    await rm(temporary, { recursive: true, force: true });
    if (!removed.ok) await git(root, ['worktree', 'prune']);
  }
}

/** Links `name` of the folder asked from into the worktree, unless the commit has one itself. */
async function lend({ root, prefix }: Revision, tree: string, name: string, links: string[]): Promise<void> {
  const [source, target] = [join(root, prefix, name), join(tree, prefix, name)];
  if (!existsSync(source) || (await isThere(target))) return;
  await mkdir(dirname(target), { recursive: true });
  await symlink(source, target, 'junction');
  links.push(target);
}

// Packages may be installed in the folder, in any above it up to the root, and, of a monorepo, outside the repository.
async function lendPackages(revision: Revision, tree: string, links: string[]): Promise<void> {
  const { root, prefix } = revision;
  let folder = join(root, prefix);
  for (;;) {
    const below = relative(root, folder);
    if (below.startsWith('..')) break;
    await lend({ ...revision, prefix: below }, tree, 'node_modules', links);
    if (below === '') break;
    folder = dirname(folder);
  }
  await lend(revision, tree, '.gen', links); // bindings that cdktf generates, which are not committed
  if (links.some((link) => basename(link) === 'node_modules')) return;
  for (let above = dirname(root); above !== dirname(above); above = dirname(above)) {
    const source = join(above, 'node_modules');
    if (!existsSync(source)) continue;
    await symlink(source, join(tree, 'node_modules'), 'junction');
    links.push(join(tree, 'node_modules'));
    return;
  }
}

async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

interface GitAnswer {
  readonly ok: boolean;
  /** What git printed, or what it said was wrong. */
  readonly text: string;
}

async function git(folder: string, args: readonly string[]): Promise<GitAnswer> {
  try {
    const options = { cwd: folder, env: environmentOutsideGit(), maxBuffer: MAX_OUTPUT_BYTES };
    return { ok: true, text: (await promisify(execFile)('git', [...args], options)).stdout };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new InputProblem('expected git to be installed, to read a revision');
    }
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    return { ok: false, text: text.trimEnd() };
  }
}
