import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { readFederation } from '../../src/config/federation.ts';
import { lintFederation } from '../../src/config/lint.ts';
import { indexFederation } from '../../src/policy/federation-index.ts';
import { allowedMethods } from '../../src/policy/stream-policy.ts';
import { contosoOutput, EXPECTED_FOLDER } from '../support/example-output.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const output = contosoOutput(temporaryFolder('contoso'));

function federationOf(environment: string) {
  const result = readFederation(output.get(`${environment}/federation.json`) ?? '');
  assert.ok(result.ok);
  return result.value;
}

test('the example produces the committed output (npm run generate writes it anew)', () => {
  assert.equal(output.size, 6);
  for (const [path, text] of output) {
    assert.equal(text, readFileSync(join(root, EXPECTED_FOLDER, path), 'utf8'), path);
  }
});

test('there is nothing to warn about', () => {
  for (const environment of ['dev', 'staging', 'prod']) assert.deepEqual(lintFederation(federationOf(environment)), []);
});

test('dev: who may talk to whom, and how it is proved', () => {
  const config = federationOf('dev');
  const index = indexFederation(config);
  assert.deepEqual(
    config.xmppAllowedPartners.map(({ domain, partnerType }) => `${domain} ${partnerType}`),
    ['adatum.com Federated', 'fabrikam.com Federated'],
  );
  const methods = (domain: string) => {
    const entry = index.partnerOf(domain);
    return entry === undefined ? [] : [...allowedMethods(entry.partner)];
  };
  assert.deepEqual(methods('fabrikam.com'), ['sasl-over-tls']);
  assert.deepEqual(methods('corp.fabrikam.com'), ['sasl-over-tls']);
  assert.deepEqual(methods('adatum.com'), ['sasl-over-tls', 'tls-dialback']);
  assert.deepEqual(methods('tailspintoys.com'), []);
  const policyOf = (user: string) => index.policyOf(user).policy.identity;
  assert.equal(policyOf('alice@contoso.com'), 'FederatedSales');
  assert.equal(policyOf('sales-042@contoso.com'), 'FederatedSales');
  assert.equal(policyOf('rd-carol@contoso.com'), 'site:Redmond');
  assert.equal(policyOf('bob@contoso.com'), 'global');
  assert.equal(index.policyOf('bob@contoso.com').policy.enableXmppAccess, false);
});

test('the environments differ in partners, hosts and networks only', () => {
  const [staging, prod] = [federationOf('staging'), federationOf('prod')];
  assert.deepEqual({ ...staging, environment: '', sip: null }, { ...prod, environment: '', sip: null });
  const dev = federationOf('dev');
  const shared = { environment: '', xmppAllowedPartners: [] };
  assert.deepEqual({ ...dev, ...shared }, { ...staging, ...shared });
  assert.deepEqual(
    staging.xmppAllowedPartners.filter(({ domain }) => ['adatum.com', 'fabrikam.com'].includes(domain)),
    dev.xmppAllowedPartners,
  );
});

test('run by plain node, twice: the same bytes', async () => {
  const run = async () => {
    const outdir = temporaryFolder('contoso-node');
    await promisify(execFile)(process.execPath, ['--import', 'tsx', 'examples/contoso/main.ts'], {
      cwd: root,
      env: { ...process.env, CDKTF_OUTDIR: outdir },
    });
    const files = readdirSync(outdir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return new Map(
      files.map(({ parentPath, name }) => {
        const path = join(parentPath, name);
        return [relative(outdir, path), readFileSync(path, 'utf8')];
      }),
    );
  };
  const [first, second] = await Promise.all([run(), run()]);
  assert.deepEqual(first, second);
  assert.equal(first.get('stacks/prod/federation.json'), output.get('prod/federation.json'));
  const manifest = JSON.parse(first.get('manifest.json') ?? '{}');
  assert.deepEqual(Object.keys(manifest.stacks), ['dev', 'prod', 'staging']);
});
