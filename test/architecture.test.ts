import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

// The rules of the architecture, kept by the machine. Each test lists every offence as `file:line what`.

const root = fileURLToPath(new URL('..', import.meta.url));

/** Which folders of src a folder may import from, besides itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  config: [],
  policy: ['config'],
  constructs: ['config'],
  runtime: ['config', 'policy'],
  review: ['config', 'policy'],
  release: ['config', 'policy', 'review'],
  certificates: ['config', 'policy'],
  // Commands put everything together; only synthesis is not theirs: it happens in the user's own app.
  cli: ['config', 'policy', 'runtime', 'review', 'release', 'certificates'],
};

/** Folders of pure functions: what they answer depends on their arguments alone. */
const PURE = ['config', 'policy', 'review', 'runtime/xmpp', 'runtime/sip', 'runtime/interwork', 'runtime/pki'];
const PURE_NODE_MODULES = ['node:buffer', 'node:crypto', 'node:string_decoder', 'node:url', 'node:util'];
const IMPURE_NAMES = new Set([
  ...['process', 'console', 'performance', 'fetch', 'Promise', 'Date', 'globalThis'],
  ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'clearTimeout', 'clearInterval'],
  ...['randomBytes', 'randomUUID', 'randomInt', 'getRandomValues'],
]);

const SOCKET_MODULES = ['node:net', 'node:tls', 'node:dns', 'node:dns/promises', 'node:dgram'];
const RUNTIME_LIBRARIES = ['pino', 'prom-client', 'dns-packet', 'commander'];
const SYNTHESIS_LIBRARIES = ['cdktf', 'constructs', '@cdktf/'];
const VAGUE_NAMES = /^(utils?|helpers?|common|types|misc|shared)\.ts$/;
const LONGEST_FILE = 300; // lines

/** Entry points of the package, and what importing each must not load. */
const ENTRIES: [entry: string, forbidden: readonly string[], folders: readonly string[]][] = [
  ['src/constructs/index.ts', RUNTIME_LIBRARIES, ['runtime', 'policy', 'cli']],
  [
    'src/config/index.ts',
    [...RUNTIME_LIBRARIES, 'cdktf', 'constructs', '@cdktf/provider-aws'],
    ['runtime', 'constructs', 'cli'],
  ],
  [
    'src/policy/index.ts',
    [...RUNTIME_LIBRARIES, 'cdktf', 'constructs', '@cdktf/provider-aws'],
    ['runtime', 'constructs', 'cli'],
  ],
  ['src/runtime/index.ts', ['cdktf', 'constructs', '@cdktf/provider-aws', 'commander'], ['constructs', 'cli']],
];

interface SourceFile {
  /** Path from the root of the repository, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
  readonly imports: readonly { readonly specifier: string; readonly line: number; readonly isTypeOnly: boolean }[];
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: SourceFile['imports'][number][] = [];
  const add = (specifier: ts.Node | undefined, isTypeOnly: boolean) => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    imports.push({ specifier: specifier.text, line: lineOf(tree, specifier), isTypeOnly });
  };
  visit(tree, (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly === true);
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
  });
  return { path, text, tree, imports };
}

function visit(node: ts.Node, see: (node: ts.Node) => void): void {
  see(node);
  ts.forEachChild(node, (child) => visit(child, see));
}

function lineOf(tree: ts.SourceFile, node: ts.Node): number {
  return tree.getLineAndCharacterOfPosition(node.getStart(tree)).line + 1;
}

function filesIn(folder: string): SourceFile[] {
  const entries = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((path) => !path.includes('node_modules') && !path.includes('cdktf.out'));
  return paths.sort().map(readSource);
}

const src = filesIn('src');
const everything = [...src, ...['test', 'examples', 'bench', 'scripts'].flatMap(filesIn)];

/** Repository path that a relative import leads to; undefined for a package. */
function targetOf(file: SourceFile, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(posix.dirname(file.path), specifier) : undefined;
}

const folderOf = (path: string): string => path.split('/')[1] ?? '';
const isIn = (path: string, folder: string): boolean => path.startsWith(`src/${folder}/`);
const isOneOf = (specifier: string, names: readonly string[]): boolean =>
  names.some((name) => specifier === name || specifier.startsWith(name.endsWith('/') ? name : `${name}/`));

type Import = SourceFile['imports'][number];

function offendingImports(
  files: readonly SourceFile[],
  isOffence: (file: SourceFile, found: Import) => boolean,
): string[] {
  return files.flatMap((file) =>
    file.imports
      .filter((found) => isOffence(file, found))
      .map((found) => `${file.path}:${found.line} imports ${found.specifier}`),
  );
}

test('folders import only what stands below them', () => {
  const offences = offendingImports(src, (file, { specifier }) => {
    const target = targetOf(file, specifier);
    if (target === undefined) return false;
    const [from, to] = [folderOf(file.path), folderOf(target)];
    return !target.startsWith('src/') || (from !== to && !MAY_IMPORT[from]?.includes(to));
  });
  assert.deepEqual(offences, []);
});

test('every folder of src has its place', () => {
  const folders = new Set(src.map((file) => folderOf(file.path)));
  assert.deepEqual(
    [...folders].filter((folder) => !(folder in MAY_IMPORT)),
    [],
  );
});

test('only runtime/net talks to sockets', () => {
  const offences = offendingImports(
    src,
    (file, { specifier, isTypeOnly }) =>
      !isTypeOnly && isOneOf(specifier, SOCKET_MODULES) && !isIn(file.path, 'runtime/net'),
  );
  assert.deepEqual(offences, []);
});

test('each library is loaded only where it belongs', () => {
  const offences = offendingImports(src, (file, { specifier }) => {
    if (isOneOf(specifier, SYNTHESIS_LIBRARIES)) return !isIn(file.path, 'constructs');
    return isOneOf(specifier, RUNTIME_LIBRARIES) && !isIn(file.path, 'runtime') && !isIn(file.path, 'cli');
  });
  assert.deepEqual(offences, []);
});

test('provider bindings are imported by sub-path: their index costs seconds and 700 MB', () => {
  const offences = offendingImports(everything, (_file, { specifier }) => /^@cdktf\/provider-[a-z]+$/.test(specifier));
  assert.deepEqual(offences, []);
});

test('an index is the face of a folder towards others', () => {
  const faces = ENTRIES.map(([entry]) => entry);
  const others = src.filter((file) => file.path.endsWith('/index.ts') && !faces.includes(file.path));
  const own = offendingImports(src, (file, { specifier }) => {
    const target = targetOf(file, specifier);
    return target?.endsWith('/index.ts') === true && folderOf(target) === folderOf(file.path);
  });
  assert.deepEqual([...others.map((file) => file.path), ...own], []);
});

test('pure folders know no clock, chance, environment, log, socket or promise', () => {
  const pure = src.filter((file) => PURE.some((folder) => isIn(file.path, folder)));
  const imports = offendingImports(pure, (file, { specifier, isTypeOnly }) => {
    const target = targetOf(file, specifier);
    if (target !== undefined) return !isTypeOnly && !PURE.some((folder) => isIn(target, folder));
    return (
      (specifier.startsWith('node:') && !PURE_NODE_MODULES.includes(specifier)) || isOneOf(specifier, RUNTIME_LIBRARIES)
    );
  });
  assert.deepEqual([...imports, ...pure.flatMap(impureCode)], []);
});

function impureCode(file: SourceFile): string[] {
  const offences: string[] = [];
  visit(file.tree, (node) => {
    const name = impurityOf(node);
    if (name !== undefined) offences.push(`${file.path}:${lineOf(file.tree, node)} uses ${name}`);
  });
  return offences;
}

function impurityOf(node: ts.Node): string | undefined {
  if (ts.isAwaitExpression(node) || node.kind === ts.SyntaxKind.AsyncKeyword) return 'async';
  if (!ts.isIdentifier(node)) return undefined;
  const { parent } = node;
  if (node.text === 'random' && ts.isPropertyAccessExpression(parent) && parent.expression.getText() === 'Math')
    return 'Math.random';
  if (!IMPURE_NAMES.has(node.text)) return undefined;
  // `new Date(given)` and `Date.UTC(...)` are arithmetic; `new Date()` and `Date.now()` read the clock.
  if (node.text === 'Date') {
    if (ts.isNewExpression(parent)) return (parent.arguments?.length ?? 0) > 0 ? undefined : 'new Date()';
    if (ts.isPropertyAccessExpression(parent)) return parent.name.text === 'now' ? 'Date.now' : undefined;
    return ts.isTypeReferenceNode(parent) ? undefined : 'Date';
  }
  if (ts.isTypeReferenceNode(parent)) return undefined; // an interface that others fulfil
  const isMember =
    ts.isPropertyAccessExpression(parent) && parent.name === node && parent.expression.getText() !== 'crypto';
  const isKey = (ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent)) && parent.name === node;
  return isMember || isKey ? undefined : node.text;
}

test('a file is one idea: long ones say why, and vague names are for ideas not yet found', () => {
  const isTest = (path: string): boolean => path.endsWith('.test.ts');
  const offences = everything.flatMap(({ path, text }) => {
    const lines = text.split('\n');
    const says = /over 300 lines/i.test(lines.slice(0, 15).join('\n'));
    const name = posix.basename(path);
    return [
      ...(lines.length > LONGEST_FILE + 1 && !says && !isTest(path) ? [`${path} has ${lines.length - 1} lines`] : []),
      ...(VAGUE_NAMES.test(name) ? [`${path} has a vague name`] : []),
      ...(/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)*\.ts$/.test(name) ? [] : [`${path} is not in kebab-case`]),
    ];
  });
  assert.deepEqual(offences, []);
});

test('nothing is left for later, and exports have names', () => {
  const unfinished = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);
  const offences = everything.flatMap(({ path, text, tree }) => {
    const found: string[] = [];
    text.split('\n').forEach((line, index) => {
      if (unfinished.test(line)) found.push(`${path}:${index + 1} ${line.trim()}`);
    });
    visit(tree, (node) => {
      if (ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword) {
        if (!ts.isDefaultClause(node.parent) && !ts.isDefaultClause(node))
          found.push(`${path}:${lineOf(tree, node)} default export`);
      }
    });
    return found;
  });
  assert.deepEqual(offences, []);
});

/** Files and packages that importing `entry` loads, following our own files. */
function loadedBy(entry: string): { readonly files: Set<string>; readonly packages: Set<string> } {
  const files = new Set<string>();
  const packages = new Set<string>();
  const follow = (path: string): void => {
    if (files.has(path)) return;
    files.add(path);
    const file = src.find((candidate) => candidate.path === path);
    assert.ok(file, `${path} is imported but not there`);
    for (const { specifier, isTypeOnly } of file.imports) {
      const target = targetOf(file, specifier);
      if (isTypeOnly) continue;
      if (target !== undefined) follow(target);
      else
        packages.add(
          specifier
            .split('/')
            .slice(0, specifier.startsWith('@') ? 2 : 1)
            .join('/'),
        );
    }
  };
  follow(entry);
  return { files, packages };
}

/** Packages whose CommonJS files a fresh process has loaded after importing an entry point. */
function packagesInProcess(entry: string): Set<string> {
  const script = `await import(${JSON.stringify(new URL(`../${entry}`, import.meta.url).href)});
    const { createRequire } = await import('node:module');
    console.log(JSON.stringify(Object.keys(createRequire(import.meta.url).cache)));`;
  const output = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    cwd: root,
  });
  const paths: string[] = JSON.parse(output.toString().trim().split('\n').at(-1) ?? '[]');
  const names = paths.map((path) => /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path.replaceAll('\\', '/'))?.[1] ?? '');
  return new Set(names.filter((name) => name !== ''));
}

for (const [entry, forbidden, folders] of ENTRIES) {
  test(`importing ${dirname(entry)} loads nothing of the others`, () => {
    const { files, packages } = loadedBy(entry);
    assert.deepEqual(
      [...files].filter((path) => folders.includes(folderOf(path))),
      [],
    );
    const loaded = new Set([...packages, ...packagesInProcess(entry)]);
    assert.deepEqual(
      forbidden.filter((name) => loaded.has(name)),
      [],
    );
  });
}
