import { z } from 'zod';
import { errorAt, joinPath, type Result } from '../config/finding.ts';
import type { ResourceAction } from './model.ts';
import { attributeChanges, type ResourceFact } from './terraform-attributes.ts';

const change = z.object({
  actions: z.array(z.string()),
  before: z.unknown().optional(),
  after: z.unknown().optional(),
  after_unknown: z.unknown().optional(),
  before_sensitive: z.unknown().optional(),
  after_sensitive: z.unknown().optional(),
  replace_paths: z.array(z.array(z.union([z.string(), z.number()]))).optional(),
  importing: z.unknown().optional(),
});
type Change = z.output<typeof change>;

const resource = z.object({
  address: z.string(),
  previous_address: z.string().optional(),
  mode: z.string(),
  type: z.string(),
  deposed: z.string().optional(),
  change,
});

// Only what is read here; Terraform adds properties in minor versions (JSON Output Format, format_version 1).
const plan = z.object({
  format_version: z.string(),
  resource_changes: z.array(resource).default([]),
  resource_drift: z.array(resource).default([]),
  output_changes: z.record(z.string(), change).default({}),
  errored: z.boolean().default(false),
  complete: z.boolean().default(true),
});

/** What a saved Terraform plan would do. */
export interface TerraformPlan {
  readonly resources: readonly ResourceFact[];
  /** What the output `federation_digest` would be; undefined when the plan does not say. */
  readonly federationDigest?: string;
  readonly isComplete: boolean;
}

const DIGEST_OUTPUT = /(?:^|_)federation_digest$/;

/** Reads what `terraform show -json PLAN` prints. Values that Terraform marks as sensitive are dropped here. */
export function readTerraformPlan(json: string): Result<TerraformPlan> {
  let input: unknown;
  try {
    input = JSON.parse(json.replace(/^\ufeff/, ''));
  } catch {
    return failed('', 'expected the JSON that `terraform show -json PLAN` prints, got something else');
  }
  const parsed = plan.safeParse(input);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const path = (issue?.path ?? []).reduce<string>(joinPath, '');
    return failed(path, `expected a Terraform plan in JSON: ${issue?.message ?? 'not one'}`);
  }
  const { format_version: version, errored, complete } = parsed.data;
  if (!version.startsWith('1.'))
    return failed('format_version', `expected version 1 of the plan format, got ${version}`);
  if (errored) return failed('errored', 'expected a plan that was made without errors');
  const { resource_changes: changes, resource_drift: drift, output_changes: outputs } = parsed.data;
  const resources = [
    ...changes.flatMap((entry) => resourceFacts(entry, actionOf(entry.change, entry))),
    ...drift.flatMap((entry) => resourceFacts(entry, entry.change.actions[0] === 'no-op' ? undefined : 'drifted')),
  ];
  const federationDigest = plannedDigest(outputs);
  return {
    ok: true,
    value: { resources, isComplete: complete, ...(federationDigest === undefined ? {} : { federationDigest }) },
  };
}

function resourceFacts(entry: z.output<typeof resource>, action: ResourceAction | undefined): readonly ResourceFact[] {
  const { address, previous_address: previous, type, mode, deposed } = entry;
  if (mode !== 'managed' || action === undefined) return [];
  const replaces = (entry.change.replace_paths ?? []).map((path) => String(path[0]));
  const attributes = attributeChanges(action, {
    before: entry.change.before,
    after: entry.change.after,
    beforeSensitive: entry.change.before_sensitive,
    afterSensitive: entry.change.after_sensitive,
    afterUnknown: entry.change.after_unknown,
    replaces,
  });
  const where = deposed === undefined ? address : `${address} (deposed ${deposed})`;
  const moved = previous === undefined || previous === address ? {} : { previousAddress: previous };
  return [{ address: where, type, action, ...moved, attributes }];
}

function actionOf(
  { actions, importing }: Change,
  { address, previous_address: previous }: z.output<typeof resource>,
): ResourceAction | undefined {
  const does = (action: string) => actions.includes(action);
  if (does('create')) return does('delete') || does('forget') ? 'replaced' : 'created';
  if (does('delete')) return 'destroyed';
  if (does('forget')) return 'forgotten';
  if (does('update')) return 'changed';
  if (importing !== undefined && importing !== null) return 'imported';
  if (previous !== undefined && previous !== address) return 'moved';
  // What a newer Terraform may do besides is not taken for nothing.
  return does('no-op') || does('read') ? undefined : 'changed';
}

function plannedDigest(outputs: Readonly<Record<string, Change>>): string | undefined {
  for (const [name, { after }] of Object.entries(outputs)) {
    if (DIGEST_OUTPUT.test(name) && typeof after === 'string') return after;
  }
  return undefined;
}

function failed(path: string, message: string): Result<TerraformPlan> {
  return { ok: false, errors: [errorAt(path, 'terraform-plan', message)] };
}
