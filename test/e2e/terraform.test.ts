import assert from 'node:assert/strict';
import { type ExecFileException, execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { describe } from 'node:test';
import { fileURLToPath } from 'node:url';
import { App, TerraformStack } from 'cdktf';
import { ENVIRONMENTS } from '../../examples/contoso/environments.ts';
import { XmppFederation } from '../../src/constructs/xmpp-federation.ts';
import { contosoOutput } from '../support/example-output.ts';
import { missing, pluginMirror } from '../support/requirements.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Environment for Terraform that never asks a network: providers come from the mirror, or not at all. */
function offline(): NodeJS.ProcessEnv {
  const file = join(temporaryFolder('terraform-config'), 'terraform.tfrc');
  const source = JSON.stringify(pluginMirror() ?? '/nowhere');
  writeFileSync(
    file,
    `disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path    = ${source}
    include = ["registry.terraform.io/*/*"]
  }
}
`,
  );
  return { ...process.env, TF_CLI_CONFIG_FILE: file, CHECKPOINT_DISABLE: '1', TF_IN_AUTOMATION: '1' };
}

/** Runs a program to its end and returns its standard output; its complaints are in the error. */
function run(program: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env, maxBuffer: 2 ** 24 }, (error: ExecFileException | null, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}: ${error.message}\n${stdout}\n${stderr}`));
    });
  });
}

describe('terraform validate', { skip: missing('terraform', 'terraform-aws') }, () => {
  const outdir = temporaryFolder('contoso-terraform');
  for (const environment of ENVIRONMENTS) {
    test(`the ${environment} stack of the example`, async () => {
      contosoOutput(outdir);
      const env = offline();
      const folder = join(outdir, 'stacks', environment);
      await run('terraform', ['init', '-backend=false', '-input=false', '-no-color'], folder, env);
      const verdict = JSON.parse(await run('terraform', ['validate', '-json'], folder, env));
      assert.deepEqual([verdict.valid, verdict.diagnostics], [true, []]);
    });
  }
});

test('terraform apply of a federation alone outputs its digest', { skip: missing('terraform') }, async () => {
  const app = new App({ outdir: temporaryFolder('digest'), stackTraces: false });
  const federation = new XmppFederation(new TerraformStack(app, 'only'), 'Federation', {
    environment: 'test',
    domains: [{ domain: 'contoso.com' }],
    sip: { nextHops: [{ fqdn: 'pool.contoso.com' }] },
  });
  federation.addPartner({ domain: 'fabrikam.com' });
  app.synth();
  const folder = join(app.outdir, 'stacks/only');
  // The state goes into the same folder, not to where the tests were started.
  writeFileSync(join(folder, 'backend_override.tf.json'), JSON.stringify({ terraform: { backend: { local: {} } } }));
  const env = offline();
  await run('terraform', ['init', '-input=false', '-no-color'], folder, env);
  await run('terraform', ['apply', '-auto-approve', '-input=false', '-no-color'], folder, env);
  const digest = await run('terraform', ['output', '-raw', 'federation_digest'], folder, env);
  const file = readFileSync(join(folder, 'federation.json'));
  assert.equal(digest, `sha256:${createHash('sha256').update(file).digest('hex')}`);
});

test('cdktf synth works without a network', async () => {
  const home = temporaryFolder('cdktf-home');
  const outdir = join(temporaryFolder('cdktf'), 'out');
  mkdirSync(outdir);
  const cdktf = join(root, 'node_modules/.bin/cdktf');
  const env = { ...offline(), HOME: home, CI: 'true', CDKTF_LOG_LEVEL: 'warn' };
  const printed = await run(cdktf, ['synth', '--output', outdir], root, env);
  assert.match(printed, /Generated Terraform code for the stacks: dev, prod, staging/);
  for (const environment of ENVIRONMENTS) {
    const written = readFileSync(join(outdir, 'stacks', environment, 'federation.json'), 'utf8');
    const expected = join(root, 'examples/contoso/expected', environment, 'federation.json');
    assert.equal(written, readFileSync(expected, 'utf8'));
  }
});
