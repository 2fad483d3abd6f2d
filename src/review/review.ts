import type { FederationConfig } from '../config/index.ts';
import { type FederationIndex, indexFederation } from '../policy/index.ts';
import { ALARM_RULES, type WholeChange } from './alarms.ts';
import { changedVerdicts, type ExposureFacts } from './exposure.ts';
import { EXPOSURE_RULES } from './exposure-rules.ts';
import { changeId, digestOf, type Exposure, type OptionChange, type ResourceChange, type Review } from './model.ts';
import type { OptionFact } from './option-facts.ts';
import { OPTION_RULES } from './option-rules.ts';
import { changedOptions } from './options.ts';

import { overallDirection, type Rating, RISKS, type Risk, type RiskRule, ratingOf, worstRisk } from './rating.ts';
import { RESOURCE_RULES } from './resource-rules.ts';
import { sampleOf } from './sample.ts';
import type { ResourceFact } from './terraform-attributes.ts';
import type { TerraformPlan } from './terraform-plan.ts';
import { DEFAULT_THRESHOLDS, type Thresholds } from './thresholds.ts';

/** One side of a review. Without a configuration the environment does not exist there. */
export interface ReviewedFederation {
  readonly label: string;
  readonly config?: FederationConfig;
}

export interface ReviewOptions {
  /** How the review is called when its environment does not tell it from others. */
  readonly name?: string;
  readonly thresholds?: Thresholds;
  /** A Terraform plan, or what differs in the synthesized code. */
  readonly terraform?: TerraformPlan | { readonly resources: readonly ResourceFact[] };
}

/** Compares two federations by their options and by what the policy decides with each. At least one must exist. */
export function reviewFederation(
  base: ReviewedFederation,
  head: ReviewedFederation,
  options: ReviewOptions = {},
): Review {
  const existing = head.config ?? base.config;
  if (existing === undefined) throw new TypeError('reviewFederation: expected a configuration on one side at least');
  const { thresholds = DEFAULT_THRESHOLDS, terraform } = options;
  const configs = { base: base.config ?? closed(existing), head: head.config ?? closed(existing) };
  const indexes = { base: indexFederation(configs.base), head: indexFederation(configs.head) };
  const verdicts = changedVerdicts(indexes);
  const optionFacts = [...wholeFact(base, head, existing), ...changedOptions(configs.base, configs.head)];
  const sides = { base: sideOf(base, indexes.base), head: sideOf(head, indexes.head) };
  const whole = wholeChange(configs, optionFacts, verdicts, sides.head.digest, terraform);

  const rated = {
    exposures: byRisk(rateExposures(verdicts, thresholds)),
    options: optionFacts.map((fact) => rateOption(fact, configs)),
    resources: byRisk((terraform?.resources ?? []).map(rateResource)),
    alarms: raiseAlarms(whole, thresholds),
  };
  const all = [...rated.exposures, ...rated.options, ...rated.resources, ...rated.alarms];
  const body = {
    environment: existing.environment,
    name: options.name ?? existing.environment,
    ...sides,
    isEmpty: all.length === 0,
    risk: worstRisk(all),
    direction: overallDirection(all),
    exposures: rated.exposures,
    options: rated.options,
    resources: rated.resources,
    resourceSource:
      terraform === undefined
        ? ('none' as const)
        : 'isComplete' in terraform
          ? ('plan' as const)
          : ('synthesis' as const),
    blastRadius: { partners: whole.partners, users: whole.users, alarms: rated.alarms },
  };
  return { ...body, digest: reviewDigest(body) };
}

/** What an approval is bound to. Where the two sides were read from does not matter. */
function reviewDigest({ base, head, ...body }: Omit<Review, 'digest'>): string {
  return digestOf({ ...body, base: base.digest, head: head.digest });
}

function sideOf({ label, config }: ReviewedFederation, { digest }: FederationIndex): Review['base'] {
  return { label, digest: config === undefined ? null : digest };
}

/** A federation that does not exist lets nothing pass and has nothing in its lists. */
function closed(like: FederationConfig): FederationConfig {
  return {
    ...like,
    domains: [],
    accessEdgeConfiguration: { allowFederatedUsers: false },
    xmppAllowedPartners: [],
    externalAccessPolicies: [],
    sites: [],
    grants: [],
    sip: { ...like.sip, nextHops: [], trustedAddresses: [], trustedTlsNames: [] },
  };
}

function wholeFact(
  base: ReviewedFederation,
  head: ReviewedFederation,
  config: FederationConfig,
): readonly OptionFact[] {
  if (base.config !== undefined && head.config !== undefined) return [];
  const subject = { kind: 'federation', name: config.environment } as const;
  return [{ subject, kind: base.config === undefined ? 'added' : 'removed', option: '', path: '' }];
}

function rateExposures(verdicts: ExposureFacts, thresholds: Thresholds): readonly Exposure[] {
  const context = { knownUsers: verdicts.users.known, thresholds };
  return verdicts.facts.map((fact) => {
    const rating = firstRating(EXPOSURE_RULES, (rule) => rule.appliesTo(fact, context));
    return { id: changeId('exposure', fact), ...rating, ...fact };
  });
}

function rateOption(fact: OptionFact, configs: { base: FederationConfig; head: FederationConfig }): OptionChange {
  const rating = firstRating(OPTION_RULES, (rule) => rule.appliesTo(fact, configs));
  const { subject, kind, option, path, before, after, removed, added } = fact;
  return {
    id: changeId('option', path, kind),
    ...rating,
    subject: { kind: subject.kind, name: subject.name },
    kind,
    option,
    path,
    ...(before === undefined ? {} : { before: summarized(before) }),
    ...(after === undefined ? {} : { after: summarized(after) }),
    ...(removed === undefined ? {} : { removed: sampleOf(removed) }),
    ...(added === undefined ? {} : { added: sampleOf(added) }),
  };
}

function rateResource(fact: ResourceFact): ResourceChange {
  const rating = firstRating(RESOURCE_RULES, (rule) => rule.appliesTo(fact));
  return { id: changeId('resource', fact.address, fact.action), ...rating, ...fact };
}

function raiseAlarms(whole: WholeChange, thresholds: Thresholds): Review['blastRadius']['alarms'] {
  return ALARM_RULES.flatMap((rule) => {
    const sentence = rule.sentenceFor(whole, thresholds);
    return sentence === undefined ? [] : [{ id: changeId('alarm', rule.id), ...ratingOf(rule), sentence }];
  });
}

// Every table ends in a row that applies to everything.
function firstRating<Rule extends RiskRule>(rules: readonly Rule[], applies: (rule: Rule) => boolean): Rating {
  const rule = rules.find(applies);
  if (rule === undefined) throw new Error('no rule applies');
  return ratingOf(rule);
}

function wholeChange(
  { base, head }: { readonly base: FederationConfig; readonly head: FederationConfig },
  facts: readonly OptionFact[],
  { users, openEnded }: ExposureFacts,
  reviewedDigest: string | null,
  terraform: ReviewOptions['terraform'],
): WholeChange {
  const names = { added: new Set<string>(), removed: new Set<string>(), changed: new Set<string>() };
  for (const { subject, kind, option, before, after } of facts) {
    if (kind === 'moved') for (const partner of [before, after]) names.changed.add(String(partner));
    if (subject.kind !== 'partner' || option === 'description') continue;
    names[option !== '' ? 'changed' : kind === 'removed' ? 'removed' : 'added'].add(subject.name);
  }
  const plan = terraform !== undefined && 'isComplete' in terraform ? terraform : undefined;
  return {
    partners: {
      before: base.xmppAllowedPartners.length,
      after: head.xmppAllowedPartners.length,
      added: names.added.size,
      removed: names.removed.size,
      changed: names.changed.size,
    },
    users: {
      ...users,
      openEnded: openEnded.gaining ? (openEnded.losing ? 'both' : 'gaining') : openEnded.losing ? 'losing' : 'none',
    },
    ...(plan === undefined ? {} : { plan: { ...plan, reviewedDigest } }),
  };
}

// Long lists inside a value that came or went are counted, with the first entries named.
function summarized(value: unknown): unknown {
  if (Array.isArray(value)) {
    const texts = value.filter((entry) => typeof entry === 'string');
    return texts.length === value.length && texts.length > 20 ? sampleOf(texts) : value.map(summarized);
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, summarized(entry)]));
}

function byRisk<T extends { readonly risk: Risk }>(changes: readonly T[]): readonly T[] {
  return [...changes].sort((a, b) => RISKS.indexOf(b.risk) - RISKS.indexOf(a.risk));
}
