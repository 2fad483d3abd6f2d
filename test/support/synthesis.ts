import { AwsProvider } from '@cdktf/provider-aws/lib/provider/index.js';
import { App, TerraformStack, Testing } from 'cdktf';
import { temporaryFolder } from './temporary-folder.ts';

/** Terraform JSON as far as the tests look at it: `resource.<type>.<name>`. */
export interface TerraformJson {
  readonly resource?: Record<string, Record<string, Record<string, unknown>>>;
  readonly data?: Record<string, Record<string, Record<string, unknown>>>;
  readonly output?: Record<string, Record<string, unknown>>;
}

/** A stack named `test` with an AWS provider, in an app of its own that writes to a folder removed after the tests. */
export function testStack(outdir = temporaryFolder('synth')): TerraformStack {
  const app = new App({ outdir, stackTraces: false });
  const stack = new TerraformStack(app, 'test');
  new AwsProvider(stack, 'aws', { region: 'eu-central-1' });
  return stack;
}

/** Validates and renders one stack, without what cdktf notes about itself. */
export function terraformOf(stack: TerraformStack): TerraformJson {
  return JSON.parse(Testing.synth(stack, true));
}

/** Validates and writes the whole app, as `cdktf synth` does. Returns the output folder. */
export function synthesizeApp(stack: TerraformStack): string {
  const app = App.of(stack);
  app.synth();
  return app.outdir;
}
