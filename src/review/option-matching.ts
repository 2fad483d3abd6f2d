import type { ExternalAccessPolicy, FederationConfig, XmppAllowedPartner } from '../config/index.ts';
import type { SubjectKind } from './model.ts';
import type { OptionFact } from './option-facts.ts';

/** What a rule may look at besides the change itself. */
export interface OptionContext {
  readonly base: FederationConfig;
  readonly head: FederationConfig;
}

/** Scales from low to high, for {@link stepOf}. */
export const STRENGTH = ['NotSupported', 'Optional', 'Required'] as const;
export const TRUST = ['PublicUnverified', 'PublicVerified', 'Federated'] as const;
const TRANSPORT_STRENGTH = ['udp', 'tcp', 'tls'] as const;

export const ACCESS_FLAGS = ['enableFederationAccess', 'enableXmppAccess'];
export const LIMITS = ['connectionLimit', 'partnerConnectionLimit', 'maximumStanzaSize', 'messageRateLimit'];

export function isWhole(fact: OptionFact, kind: SubjectKind, change: OptionFact['kind']): boolean {
  return fact.option === '' && fact.subject.kind === kind && fact.kind === change;
}

// `trusted` stands for both lists of the SIP side.
export function isOption(fact: OptionFact, kind: SubjectKind, option: string): boolean {
  if (fact.subject.kind !== kind) return false;
  return option === 'trusted' ? fact.option.startsWith(option) : fact.option === option;
}

export function isTurned(fact: OptionFact, kind: SubjectKind, option: string, to: boolean): boolean {
  return isOption(fact, kind, option) && fact.after === to;
}

/** Above 0 when an option went up in a scale that is ordered from low to high. */
export function stepOf(fact: OptionFact, kind: SubjectKind, option: string, scale: readonly unknown[]): number {
  return isOption(fact, kind, option) ? scale.indexOf(fact.after) - scale.indexOf(fact.before) : 0;
}

export function isOnly(fact: OptionFact, change: 'added' | 'removed'): boolean {
  const { added = [], removed = [] } = fact;
  return change === 'added' ? removed.length === 0 : added.length === 0;
}

export function partnerBefore({ subject }: OptionFact): XmppAllowedPartner | undefined {
  return subject.kind === 'partner' ? subject.before : undefined;
}

export function partnerAfter({ subject }: OptionFact): XmppAllowedPartner | undefined {
  return subject.kind === 'partner' ? subject.after : undefined;
}

export function domainsGained(fact: OptionFact): readonly string[] {
  if (isWhole(fact, 'partner', 'added')) return allDomains(partnerAfter(fact));
  if (fact.kind === 'renamed') return [String(fact.after)];
  return isOption(fact, 'partner', 'additionalDomains') ? (fact.added ?? []) : [];
}

export function domainsLost(fact: OptionFact): readonly string[] {
  if (isWhole(fact, 'partner', 'removed')) return allDomains(partnerBefore(fact));
  if (fact.kind === 'renamed') return [String(fact.before)];
  return isOption(fact, 'partner', 'additionalDomains') ? (fact.removed ?? []) : [];
}

function allDomains(partner: XmppAllowedPartner | undefined): readonly string[] {
  return partner === undefined ? [] : [partner.domain, ...partner.additionalDomains];
}

export function hasSingleLabel(domains: readonly string[]): boolean {
  return domains.some((domain) => !domain.includes('.'));
}

export function isDialbackInert(fact: OptionFact): boolean {
  return [partnerBefore(fact), partnerAfter(fact)].every(
    (partner) => partner?.tlsNegotiation === 'Required' && partner.saslNegotiation === 'Required',
  );
}

// A partner without a limit of its own has that of the gateway; without a rate it has none.
export function limitStep(fact: OptionFact, { base, head }: OptionContext): number {
  if (!LIMITS.includes(fact.option)) return 0;
  const fallback = (config: FederationConfig) =>
    fact.option === 'messageRateLimit'
      ? Number.POSITIVE_INFINITY
      : config.xmppGatewayConfiguration.partnerConnectionLimit;
  const [before, after] = [fact.before ?? fallback(base), fact.after ?? fallback(head)];
  // Two limits without an end would give NaN.
  return before === after ? 0 : Number(after) - Number(before);
}

export function transportStep(fact: OptionFact): number {
  const { subject, option } = fact;
  if (subject.kind !== 'next-hop') return 0;
  if (option === 'transport') return stepOf(fact, 'next-hop', 'transport', TRANSPORT_STRENGTH);
  if (option !== '' || (subject.after ?? subject.before)?.transport === 'tls') return 0;
  return subject.after === undefined ? 1 : -1;
}

export function policyOf({ subject }: OptionFact): ExternalAccessPolicy | undefined {
  return subject.kind === 'policy' ? (subject.after ?? subject.before) : undefined;
}

export function opens(policy: ExternalAccessPolicy | undefined): boolean {
  return policy?.enableFederationAccess === true && policy.enableXmppAccess === true;
}

// The global policy as a whole goes from one state to the other; one that is missing is closed.
export function isGlobalTurned({ subject, option }: OptionFact, open: boolean): boolean {
  if (option !== '' && !ACCESS_FLAGS.includes(option)) return false;
  if (subject.kind !== 'policy' || (subject.after ?? subject.before)?.identity !== 'global') return false;
  return opens(subject.before) !== open && opens(subject.after) === open;
}

export function isUsers({ subject, option }: OptionFact): boolean {
  return (subject.kind === 'grant' || subject.kind === 'site') && option !== 'name';
}

export function usersGained(fact: OptionFact): readonly string[] {
  const { subject, kind, option } = fact;
  if (subject.kind !== 'grant' && subject.kind !== 'site') return [];
  if (option === '') return kind === 'added' ? (subject.after?.users ?? []) : [];
  return fact.added ?? [];
}

export function usersLost(fact: OptionFact): readonly string[] {
  const { subject, kind, option } = fact;
  if (subject.kind !== 'grant' && subject.kind !== 'site') return [];
  if (option === '') return kind === 'removed' ? (subject.before?.users ?? []) : [];
  return fact.removed ?? [];
}

export function hasDomain(selectors: readonly string[]): boolean {
  return selectors.some((selector) => selector.startsWith('*@'));
}

/** Whether the policy that the users of a grant or a site get allows XMPP. */
export function isGranted({ subject }: OptionFact, side: keyof OptionContext, context: OptionContext): boolean {
  if (subject.kind !== 'grant' && subject.kind !== 'site') return false;
  const policies = context[side].externalAccessPolicies;
  const find = (identity: string) => policies.find((policy) => policy.identity === identity);
  const { name } = subject;
  return opens(subject.kind === 'grant' ? find(name) : (find(`site:${name}`) ?? find('global')));
}
