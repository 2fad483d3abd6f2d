import { canonicalJson, compareText } from '../config/canonical.ts';
import type { AttributeChange, ResourceAction } from './model.ts';

/** A resource that Terraform would change, not yet rated. */
export interface ResourceFact {
  readonly address: string;
  readonly type: string;
  readonly action: ResourceAction;
  readonly previousAddress?: string;
  readonly attributes: readonly AttributeChange[];
}

/** A resource's values before and after, and which of them may not, or cannot, be shown. */
export interface ValueChange {
  readonly before: unknown;
  readonly after: unknown;
  readonly beforeSensitive: unknown;
  readonly afterSensitive: unknown;
  readonly afterUnknown: unknown;
  /** Names of attributes that force a replacement. */
  readonly replaces: readonly string[];
}

/**
 * Attributes whose values are shown. All others are only named: a secret may be in any of them, and the marks in a plan
 * are only as good as the provider's.
 */
const SHOWN: ReadonlySet<string> = new Set([
  ...['name', 'type', 'records', 'ttl', 'zone_id', 'private_zone', 'set_identifier'],
  ...['cidr_ipv4', 'cidr_ipv6', 'cidr_blocks', 'ipv6_cidr_blocks', 'prefix_list_id', 'referenced_security_group_id'],
  ...['from_port', 'to_port', 'ip_protocol', 'protocol', 'port', 'subnet_mapping', 'allocation_id', 'public_ip'],
  ...['image', 'image_id', 'ami', 'instance_type', 'desired_count', 'min_size', 'max_size', 'vpc_id', 'region'],
]);
const CONTAINERS = 'container_definitions';
const MAX_VALUE_LENGTH = 200;
const EXPRESSION = /\$\{/;

/** What changed in a resource, sorted by name. Of one that comes or goes, the attributes that may be shown. */
export function attributeChanges(action: ResourceAction, change: ValueChange): readonly AttributeChange[] {
  const names = new Set([change.before, change.after, change.afterUnknown].flatMap(keysOf));
  const isWhole = action === 'created' || action === 'destroyed';
  const attributes: AttributeChange[] = [];
  for (const name of [...names].sort(compareText)) {
    const isUnknown =
      holdsTrue(memberOf(change.afterUnknown, name)) || EXPRESSION.test(textOf(memberOf(change.after, name)));
    // What only the provider fills in, such as an id, says nothing.
    if (
      (isWhole || action === 'replaced') &&
      !SHOWN.has(name) &&
      name !== CONTAINERS &&
      !change.replaces.includes(name)
    ) {
      if (isWhole || isUnknown) continue;
    }
    const [before, after] = [memberOf(change.before, name), memberOf(change.after, name)];
    if (!isUnknown && canonicalJson(before ?? null) === canonicalJson(after ?? null)) continue;
    if (isUnknown && sameText(before, after)) continue;
    attributes.push(attributeChange(name, change, isUnknown));
  }
  return attributes;
}

function attributeChange(name: string, change: ValueChange, isUnknown: boolean): AttributeChange {
  const replaces = change.replaces.includes(name) ? { replaces: true } : {};
  const isSensitive = [change.beforeSensitive, change.afterSensitive].some(
    (marks) => marks === true || holdsTrue(memberOf(marks, name)),
  );
  if (isSensitive) return { name, state: 'sensitive', ...replaces };
  const [before, after] = [change.before, change.after].map((values) => shownValue(name, memberOf(values, name)));
  if (isUnknown) return { name, state: 'unknown', ...(before === undefined ? {} : { before }), ...replaces };
  if (before === undefined && after === undefined) return { name, state: 'hidden', ...replaces };
  return {
    name: name === CONTAINERS ? 'image' : name,
    state: 'shown',
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...replaces,
  };
}

// Of containers only the images are shown: their environment may hold secrets.
function shownValue(name: string, value: unknown): string | undefined {
  if (name === CONTAINERS) return imagesOf(value);
  if (!SHOWN.has(name) || value === undefined || value === null) return undefined;
  const parts: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (parts.some((part) => typeof part === 'object' && part !== null)) return undefined;
  const text = parts.map(String).join(', ');
  return text.length > MAX_VALUE_LENGTH ? `${text.slice(0, MAX_VALUE_LENGTH)}…` : text;
}

function imagesOf(definitions: unknown): string | undefined {
  if (typeof definitions !== 'string') return undefined;
  try {
    const parsed: unknown = JSON.parse(definitions);
    const images = Array.isArray(parsed) ? parsed.map((container) => memberOf(container, 'image')) : [];
    const texts = images.filter((image) => typeof image === 'string');
    return texts.length === 0 ? undefined : texts.join(', ').slice(0, MAX_VALUE_LENGTH);
  } catch {
    return undefined;
  }
}

/** Whether `true` is anywhere in a tree of marks, as Terraform writes them. */
function holdsTrue(marks: unknown): boolean {
  if (marks === true) return true;
  return typeof marks === 'object' && marks !== null && Object.values(marks).some(holdsTrue);
}

function keysOf(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

export function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

function textOf(value: unknown): string {
  return JSON.stringify(value) ?? '';
}

// An expression that stays the same has no changed value as far as anybody can tell.
function sameText(before: unknown, after: unknown): boolean {
  return before !== undefined && after !== undefined && canonicalJson(before) === canonicalJson(after);
}
