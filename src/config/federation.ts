import * as z from 'zod';
import { externalAccessPolicy, grant, site } from './access-policy.ts';
import { arrangeFederation } from './arrangement.ts';
import { type CrossChecked, crossCheck } from './cross-check.ts';
import { accessEdgeConfiguration } from './edge.ts';
import { nameOf } from './field.ts';
import { errorAt, type Finding, type Result } from './finding.ts';
import { xmppGatewayConfiguration } from './gateway.ts';
import { scanJson } from './json-text.ts';
import { xmppAllowedPartner } from './partner.ts';
import { boundFindings, schemaFindings } from './schema-finding.ts';
import { servedDomain } from './served-domain.ts';
import { sipConfiguration } from './sip.ts';

/** The contract: what the constructs write and the gateway reads, version 1. */
export const federationConfig = z.strictObject({
  version: z
    .literal(1, { error: '1, the only version of this document there is' })
    .describe('Version of this document.'),
  environment: nameOf('an environment').describe('Which deployment this is, e.g. dev, staging or prod.'),
  domains: z
    .array(servedDomain)
    .min(1, { error: 'at least one served domain' })
    .describe('Domains this gateway speaks for; at least one.'),
  accessEdgeConfiguration: accessEdgeConfiguration
    .prefault({})
    .describe('Switches for the whole organisation. (Set-CsAccessEdgeConfiguration)'),
  xmppGatewayConfiguration: xmppGatewayConfiguration
    .prefault({})
    .describe('Settings of the gateway towards all partners. (Set-CsXmppGatewayConfiguration)'),
  xmppAllowedPartners: z
    .array(xmppAllowedPartner)
    .prefault([])
    .describe('The partners; whoever is not listed is refused. (New-CsXmppAllowedPartner)'),
  externalAccessPolicies: z
    .array(externalAccessPolicy)
    .default([])
    .describe(
      'What users may do. Without a global policy, whoever holds no other may do nothing. (New-CsExternalAccessPolicy)',
    ),
  sites: z.array(site).prefault([]).describe('Sites and their users, for site policies. (Set-CsSite)'),
  grants: z.array(grant).prefault([]).describe('Which users hold which user policy. (Grant-CsExternalAccessPolicy)'),
  sip: sipConfiguration.describe('The SIP side.'),
});
export type FederationConfig = z.output<typeof federationConfig>;
export type FederationConfigProps = z.input<typeof federationConfig>;

/**
 * Checks a whole configuration. Either every default is filled in, names are in normal form and order is canonical, or
 * there is an error for each thing wrong, at the place where the input has it.
 */
export function parseFederation(input: unknown): Result<FederationConfig> {
  const shape = federationConfig.safeParse(input);
  const errors = shape.success
    ? crossCheck(shape.data)
    : [...schemaFindings(shape.error, federationConfig, input), ...crossCheck(soundParts(input))];
  if (!shape.success || errors.length > 0) return { ok: false, errors: boundFindings(errors) };
  return { ok: true, value: arrangeFederation(shape.data) };
}

/** {@link parseFederation} of a JSON text. A syntax error names line and column; a repeated key is an error too. */
export function readFederation(json: string): Result<FederationConfig> {
  const text = json.startsWith('\ufeff') ? json.slice(1) : json;
  const problems = scanJson(text);
  const syntax = problems.find((problem) => problem.rule === 'json-syntax');
  if (syntax !== undefined) return { ok: false, errors: [syntax] };
  let input: unknown;
  try {
    input = JSON.parse(text);
  } catch {
    return { ok: false, errors: [errorAt('', 'json-syntax', 'expected JSON, got something else')] };
  }
  const result = parseFederation(input);
  if (problems.length === 0) return result;
  return { ok: false, errors: boundFindings(result.ok ? problems : [...problems, ...result.errors]) };
}

// When the whole does not fit the schema, the entries that do are still checked against each other: all at once.
function soundParts(input: unknown): CrossChecked {
  const root = isRecord(input) ? input : {};
  return {
    domains: soundEntries(root.domains, servedDomain),
    xmppAllowedPartners: soundEntries(root.xmppAllowedPartners, xmppAllowedPartner),
    externalAccessPolicies: soundPolicies(root.externalAccessPolicies),
    sites: soundEntries(root.sites, site),
    grants: soundEntries(root.grants, grant),
  };
}

function soundEntries<T>(list: unknown, schema: z.ZodType<T>): readonly (T | undefined)[] {
  if (!Array.isArray(list)) return [];
  return list.map((entry) => schema.safeParse(entry).data);
}

// A policy with a mistake in it still exists: its grants shall not be reported as grants of an unknown one.
function soundPolicies(list: unknown): CrossChecked['externalAccessPolicies'] {
  if (!Array.isArray(list)) return [];
  return list.map((entry: unknown) => {
    const identity = isRecord(entry) ? entry.identity : undefined;
    return externalAccessPolicy.safeParse(entry).data ?? externalAccessPolicy.safeParse({ identity }).data;
  });
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Checks one part of a configuration, such as a partner, against its schema: for code that wants to report a mistake
 * where it was made. `path` is put before the path of each finding.
 */
export function parsePart<T>(schema: z.ZodType<T>, input: unknown, path = ''): Result<T> {
  const shape = schema.safeParse(input);
  if (shape.success) return { ok: true, value: shape.data };
  const errors: readonly Finding[] = schemaFindings(shape.error, schema, input).map((finding) => ({
    ...finding,
    path: path === '' || finding.path === '' ? path + finding.path : prefixed(path, finding.path),
  }));
  return { ok: false, errors: boundFindings(errors) };
}

function prefixed(path: string, rest: string): string {
  return rest.startsWith('[') ? path + rest : `${path}.${rest}`;
}
