import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { App } from 'cdktf';
import { buildContoso } from '../../examples/contoso/contoso-stack.ts';
import { ENVIRONMENTS } from '../../examples/contoso/environments.ts';

/** Folder with the output that the example must produce, from the root of the repository. */
export const EXPECTED_FOLDER = 'examples/contoso/expected';

/**
 * Synthesizes the Contoso example into `outdir` and returns its files as they are committed, by path below
 * `EXPECTED_FOLDER`: Terraform JSON without versions and without paths of this machine.
 */
export function contosoOutput(outdir: string): Map<string, string> {
  const app = new App({ outdir, stackTraces: false });
  for (const environment of ENVIRONMENTS) buildContoso(app, environment);
  app.synth();
  const files = new Map<string, string>();
  for (const environment of ENVIRONMENTS) {
    const read = (name: string) => readFileSync(join(outdir, 'stacks', environment, name), 'utf8');
    files.set(`${environment}/federation.json`, read('federation.json'));
    files.set(`${environment}/cdk.tf.json`, scrubTerraform(read('cdk.tf.json')));
  }
  return files;
}

/** Takes out what differs between machines and releases of cdktf and the provider. */
export function scrubTerraform(json: string): string {
  const scrubbed: unknown = JSON.parse(json, function (this: unknown, key, value: unknown) {
    if (key === 'version' && typeof value === 'string') return 'any';
    if (key === 'path' && typeof value === 'string' && value.endsWith('.tfstate')) return 'any';
    return value;
  });
  return `${JSON.stringify(scrubbed, null, 2)}\n`;
}
