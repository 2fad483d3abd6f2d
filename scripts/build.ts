// Builds the package: `tsx scripts/build.ts [FOLDER]`, by default into dist/. Modules and declarations for those who
// import it, and the command line as one file without dependencies, xmpp-federation.mjs: what `bin` runs, and all that an
// edge host needs besides Node.
import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type OnLoadResult } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = resolve(process.argv[2] ?? join(root, 'dist'));
const bundle = join(folder, 'xmpp-federation.mjs');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

// Zod brings its messages in fifty languages: a third of the file, and read at every start. Ours are its English ones.
const LANGUAGES = /node_modules[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/;
const ENGLISH: OnLoadResult = {
  contents: "export { default as en } from './en.js';",
  resolveDir: join(root, 'node_modules/zod/v4/locales'),
};

rmSync(folder, { recursive: true, force: true });
const compiler = join(root, 'node_modules/typescript/bin/tsc');
execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', folder], {
  cwd: root,
  stdio: 'inherit',
});

await build({
  entryPoints: [join(root, 'src/cli/main.ts')],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  target: 'node20.19',
  format: 'esm',
  minifySyntax: true,
  // Names stay: they are in error messages and logs, and shortening them saves no start-up time.
  minifyWhitespace: true,
  legalComments: 'eof',
  // Libraries in CommonJS call require() for Node's own modules.
  banner: {
    js: `import{createRequire as bundleRequire}from'node:module';const require=bundleRequire(import.meta.url);`,
  },
  // The one file has no package.json beside it.
  define: { BUNDLED_VERSION: JSON.stringify(version) },
  plugins: [{ name: 'english-only', setup: ({ onLoad }) => onLoad({ filter: LANGUAGES }, () => ENGLISH) }],
  // Only synthesis needs these, which happens in the user's own app.
  external: ['cdktf', 'constructs', '@cdktf/*'],
  logLevel: 'warning',
});
chmodSync(bundle, 0o755);
process.stdout.write(`xmpp-federation.mjs: ${Math.ceil(statSync(bundle).size / 1024)} KiB\n`);
