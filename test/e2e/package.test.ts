import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/temporary-folder.ts';

// The built package as its users get it: in node_modules of another project.

const root = fileURLToPath(new URL('../..', import.meta.url));
const project = realpathSync(temporaryFolder('package'));
const installed = join(project, 'node_modules/cdktf-xmpp-federation');

async function node(args: readonly string[], cwd = project): Promise<string> {
  return (await promisify(execFile)(process.execPath, args, { cwd })).stdout;
}

before(async () => {
  mkdirSync(installed, { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules'))) {
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
  cpSync(join(root, 'package.json'), join(installed, 'package.json'));
  await node(['--import', 'tsx', 'scripts/build.ts', join(installed, 'dist')], root);
});

test('every entry point can be imported, and required', async () => {
  const entries = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports);
  assert.deepEqual(entries, ['.', './config', './policy', './runtime', './package.json']);
  for (const entry of entries.slice(0, -1)) {
    const name = JSON.stringify(join('cdktf-xmpp-federation', entry));
    const print = 'console.log(Object.keys(found).length > 0)';
    assert.equal(await node(['--input-type=module', '--eval', `import * as found from ${name}; ${print}`]), 'true\n');
    assert.equal(await node(['--no-warnings', '--eval', `const found = require(${name}); ${print}`]), 'true\n');
  }
});

test('its types are found and strict', async () => {
  const file = join(project, 'app.ts');
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  writeFileSync(
    file,
    `import { App, TerraformStack } from 'cdktf';
import { XmppFederation } from 'cdktf-xmpp-federation';
import { readFederation } from 'cdktf-xmpp-federation/config';
const federation = new XmppFederation(new TerraformStack(new App(), 'prod'), 'Federation', {
  environment: 'prod',
  domains: [{ domain: 'contoso.com' }],
  sip: { nextHops: [{ fqdn: 'pool01.contoso.com' }] },
});
// @ts-expect-error: only the three values of the cmdlet
federation.addPartner({ domain: 'fabrikam.com', tlsNegotiation: 'required' });
export const digest: string = federation.digest;
export const isRead: boolean = readFederation('{}').ok;
`,
  );
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
  assert.equal(await node([compiler, ...options, file]), '');
});

test('the command line is one file that needs nothing beside it', async () => {
  const elsewhere = temporaryFolder('bin');
  cpSync(join(installed, 'dist/xmpp-federation.mjs'), join(elsewhere, 'xmpp-federation.mjs'));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  assert.equal(await node(['xmpp-federation.mjs', '--version'], elsewhere), `${version}\n`);
  const help = await node(['xmpp-federation.mjs', '--help'], elsewhere);
  assert.match(help, /xmpp-federation/);
  const federation = join(root, 'examples/contoso/expected/dev/federation.json');
  const verdict = JSON.parse(await node(['xmpp-federation.mjs', 'check', '--config', federation, '--json'], elsewhere));
  assert.deepEqual(verdict, { ok: true, errors: [], warnings: [] });
});
