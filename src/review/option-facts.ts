import { canonicalJson, compareText } from '../config/canonical.ts';
import type {
  ExternalAccessPolicy,
  FederationConfig,
  ServedDomainConfig,
  SipNextHop,
  Site,
  XmppAllowedPartner,
} from '../config/index.ts';
import type { OptionChange, SubjectKind } from './model.ts';
import type { Pair } from './pairing.ts';
import { sortedDifference } from './sample.ts';

/** What an option belongs to. `before` and `after` are the whole entry, for rules that look at more than one option. */
export type Subject =
  | Entry<'partner', XmppAllowedPartner>
  | Entry<'policy', ExternalAccessPolicy>
  | Entry<'site', Site>
  | Entry<'grant', GrantedUsers>
  | Entry<'domain', ServedDomainConfig>
  | Entry<'next-hop', SipNextHop>
  | Entry<'gateway', FederationConfig['xmppGatewayConfiguration']>
  | Entry<'federation' | 'edge' | 'sip' | 'partner-domain', object>;

/** All users who are granted a policy, by whatever number of grants. */
export interface GrantedUsers {
  readonly policyName: string;
  readonly users: readonly string[];
}

interface Entry<Kind extends SubjectKind, T> extends Pair<T> {
  readonly kind: Kind;
}

/** One option that changed, not yet rated. Lists are given in full: `removed` and `added`, sorted. */
export interface OptionFact {
  readonly subject: Subject;
  readonly kind: OptionChange['kind'];
  readonly option: string;
  readonly path: string;
  readonly before?: unknown;
  readonly after?: unknown;
  readonly removed?: readonly string[];
  readonly added?: readonly string[];
}

/** Every option in which two records differ, lists as sets. Works from the values, so a new option needs nothing here. */
export function recordFacts(
  prefix: string,
  subject: Subject,
  before: object,
  after: object,
  skipped: readonly string[] = [],
): readonly OptionFact[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort(compareText);
  return keys.flatMap((option) => {
    if (skipped.includes(option)) return [];
    return valueFacts(
      joinOption(prefix, option),
      option,
      subject,
      Reflect.get(before, option),
      Reflect.get(after, option),
    );
  });
}

/** A whole entry that came or went. */
export function entryFact(list: string, subject: Subject): OptionFact {
  const { name, before, after } = subject;
  return {
    subject,
    kind: after === undefined ? 'removed' : 'added',
    option: '',
    path: `${list}[${name}]`,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
}

/** What an option of list type lost and gained; nothing when the lists are equal. */
export function listFact(
  path: string,
  option: string,
  subject: Subject,
  before: readonly string[],
  after: readonly string[],
): readonly OptionFact[] {
  const { removed, added } = sortedDifference(before, after);
  if (removed.length === 0 && added.length === 0) return [];
  return [{ subject, kind: 'changed', option, path, removed, added }];
}

function valueFacts(
  path: string,
  option: string,
  subject: Subject,
  before: unknown,
  after: unknown,
): readonly OptionFact[] {
  if (before === after) return [];
  if (Array.isArray(before) || Array.isArray(after)) {
    return listFact(path, option, subject, listTexts(before), listTexts(after));
  }
  if (isRecord(before) && isRecord(after)) return recordFacts(path, subject, before, after);
  if (canonicalJson(before ?? null) === canonicalJson(after ?? null)) return [];
  const kind = before === undefined ? 'added' : after === undefined ? 'removed' : 'changed';
  return [
    {
      subject,
      kind,
      option,
      path,
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    },
  ];
}

// The parser has sorted lists of texts already; entries that are objects are told apart by all they hold.
function listTexts(value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [];
  if (value.every((entry) => typeof entry === 'string')) return value;
  return value.map((entry) => (typeof entry === 'string' ? entry : compactJson(entry))).sort(compareText);
}

function compactJson(value: unknown): string {
  return JSON.stringify(JSON.parse(canonicalJson(value)));
}

function joinOption(prefix: string, option: string): string {
  return prefix === '' ? option : `${prefix}.${option}`;
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
