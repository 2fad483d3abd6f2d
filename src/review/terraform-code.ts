import { canonicalJson, compareText } from '../config/canonical.ts';
import { errorAt, type Result } from '../config/finding.ts';
import type { ResourceAction } from './model.ts';
import { attributeChanges, memberOf, type ResourceFact } from './terraform-attributes.ts';

/** Everything a stack declares, by address: resources, data sources, providers, backend, required providers. */
export type TerraformCode = ReadonlyMap<string, { readonly type: string; readonly values: object }>;

/** Reads the `cdk.tf.json` of a synthesized stack. */
export function readTerraformCode(json: string): Result<TerraformCode> {
  let root: unknown;
  try {
    root = JSON.parse(json);
  } catch {
    return { ok: false, errors: [errorAt('', 'terraform-code', 'expected JSON, got something else')] };
  }
  const code = new Map<string, { readonly type: string; readonly values: object }>();
  for (const [prefix, section] of [
    ['', 'resource'],
    ['data.', 'data'],
  ] as const) {
    for (const [type, entries] of entriesOf(memberOf(root, section))) {
      for (const [name, values] of entriesOf(entries)) {
        if (isRecord(values)) code.set(`${prefix}${type}.${name}`, { type: `${prefix}${type}`, values });
      }
    }
  }
  for (const [name, values] of entriesOf(memberOf(root, 'provider'))) {
    code.set(`provider.${name}`, { type: 'provider', values: { configuration: values } });
  }
  for (const [name, values] of entriesOf(memberOf(root, 'terraform'))) {
    code.set(`terraform.${name}`, { type: `terraform.${name}`, values: { configuration: withoutLocalPath(values) } });
  }
  return { ok: true, value: code };
}

/**
 * What differs between the code of a stack before and after: what Terraform will be asked for, as far as can be told
 * without a plan. Whether a change means a replacement only a plan can tell.
 */
export function compareTerraformCode(before: TerraformCode, after: TerraformCode): readonly ResourceFact[] {
  const addresses = [...new Set([...before.keys(), ...after.keys()])].sort(compareText);
  return addresses.flatMap((address) => {
    const [old, fresh] = [before.get(address), after.get(address)];
    const action: ResourceAction = old === undefined ? 'created' : fresh === undefined ? 'destroyed' : 'changed';
    const [a, b] = [withoutMetadata(old?.values), withoutMetadata(fresh?.values)];
    if (action === 'changed' && canonicalJson(a) === canonicalJson(b)) return [];
    const attributes = attributeChanges(action, {
      before: a,
      after: b,
      beforeSensitive: undefined,
      afterSensitive: undefined,
      afterUnknown: undefined,
      replaces: [],
    });
    return [{ address, type: (fresh ?? old)?.type ?? '', action, attributes }];
  });
}

function withoutMetadata(values: object | undefined): object {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([name]) => name !== '//'));
}

// The local backend writes the absolute path of the state: two checkouts differ in it.
function withoutLocalPath(values: unknown): unknown {
  if (!isRecord(values) || !isRecord(memberOf(values, 'local'))) return values;
  return { ...values, local: {} };
}

function entriesOf(value: unknown): readonly [string, unknown][] {
  return isRecord(value) ? Object.entries(value).filter(([name]) => name !== '//') : [];
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
