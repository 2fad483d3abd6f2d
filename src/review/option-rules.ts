// Over 300 lines: one table, a row for each thing an option can do.
import type { ExternalAccessPolicy, FederationConfig, XmppAllowedPartner } from '../config/index.ts';
import type { SubjectKind } from './model.ts';
import type { OptionFact } from './option-facts.ts';
import type { RiskRule } from './rating.ts';

/** What a rule may look at besides the change itself. */
export interface OptionContext {
  readonly base: FederationConfig;
  readonly head: FederationConfig;
}

/** A rule about options. The first row that applies rates the change. */
export interface OptionRule extends RiskRule {
  readonly appliesTo: (fact: OptionFact, context: OptionContext) => boolean;
}

type Side = 'base' | 'head';

const TLS_STRENGTH = ['NotSupported', 'Optional', 'Required'] as const;
const TRUST = ['PublicUnverified', 'PublicVerified', 'Federated'] as const;
const TRANSPORT_STRENGTH = ['udp', 'tcp', 'tls'] as const;

export const OPTION_RULES: readonly OptionRule[] = [
  {
    id: 'description-changed',
    risk: 'none',
    direction: 'neutral',
    reason: 'Notes for people have no effect.',
    appliesTo: (fact) => fact.option === 'description',
  },
  {
    id: 'environment-added',
    risk: 'medium',
    direction: 'broadening',
    reason: 'The environment is new: everything in it is.',
    appliesTo: (fact) => isWhole(fact, 'federation', 'added'),
  },
  {
    id: 'environment-removed',
    risk: 'critical',
    direction: 'narrowing',
    reason: 'The environment is gone: nobody in it can federate any more.',
    appliesTo: (fact) => isWhole(fact, 'federation', 'removed'),
  },
  {
    id: 'environment-renamed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Is it meant to compare two environments, or to give this one another name?',
    appliesTo: (fact) => isOption(fact, 'federation', 'environment'),
  },

  // The master switch and the domains served.
  {
    id: 'federation-switched-on',
    risk: 'high',
    direction: 'broadening',
    reason: 'From now on all that partners and policies allow takes effect.',
    appliesTo: (fact) => isTurned(fact, 'edge', 'allowFederatedUsers', true),
  },
  {
    id: 'federation-switched-off',
    risk: 'high',
    direction: 'narrowing',
    reason: 'Nothing passes any more, to or from anybody.',
    appliesTo: (fact) => isTurned(fact, 'edge', 'allowFederatedUsers', false),
  },
  {
    id: 'domain-served',
    risk: 'medium',
    direction: 'broadening',
    reason: 'The gateway speaks for another domain, and needs its certificate and SRV record.',
    appliesTo: (fact) => isWhole(fact, 'domain', 'added'),
  },
  {
    id: 'domain-no-longer-served',
    risk: 'high',
    direction: 'narrowing',
    reason: 'Users of the domain can no longer be reached from outside, nor reach anybody.',
    appliesTo: (fact) => isWhole(fact, 'domain', 'removed'),
  },
  {
    id: 'certificate-changed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Partners see another certificate: is it on every host, and does it name the domain?',
    appliesTo: (fact) => isOption(fact, 'domain', 'certificate'),
  },
  {
    id: 'sip-domain-changed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'The same users have other addresses on the SIP side.',
    appliesTo: (fact) => isOption(fact, 'domain', 'sipDomain'),
  },

  // Partners.
  {
    id: 'partner-single-label',
    risk: 'high',
    direction: 'broadening',
    reason: 'A name without a dot is a top-level domain or a host name inside, hardly an organisation.',
    appliesTo: (fact) => hasSingleLabel(domainsGained(fact)) && !hasSingleLabel(domainsLost(fact)),
  },
  {
    id: 'partner-single-label-removed',
    risk: 'low',
    direction: 'narrowing',
    reason: 'A name without a dot is no partner any more.',
    appliesTo: (fact) => hasSingleLabel(domainsLost(fact)) && !hasSingleLabel(domainsGained(fact)),
  },
  {
    id: 'partner-added',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Another organisation is let in.',
    appliesTo: (fact) => isWhole(fact, 'partner', 'added'),
  },
  {
    id: 'partner-removed',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Nobody can reach, or be reached by, this organisation any more.',
    appliesTo: (fact) => isWhole(fact, 'partner', 'removed'),
  },
  {
    id: 'partner-renamed',
    risk: 'low',
    direction: 'neutral',
    reason: 'The same partner under another primary domain.',
    appliesTo: (fact) => fact.kind === 'renamed',
  },
  {
    id: 'partner-domain-moved',
    risk: 'medium',
    direction: 'neutral',
    reason: "The domain is judged by another partner's settings from now on.",
    appliesTo: (fact) => fact.kind === 'moved',
  },
  {
    id: 'partner-domain-added',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Another domain is let in under the settings of this partner.',
    appliesTo: (fact) => isOption(fact, 'partner', 'additionalDomains') && isOnly(fact, 'added'),
  },
  {
    id: 'partner-domain-removed',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Nobody can reach, or be reached by, users of this domain any more.',
    appliesTo: (fact) => isOption(fact, 'partner', 'additionalDomains') && isOnly(fact, 'removed'),
  },
  {
    id: 'partner-domains-exchanged',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Some domains of the partner are let in, others no longer.',
    appliesTo: (fact) => isOption(fact, 'partner', 'additionalDomains'),
  },
  {
    id: 'partner-type-broadened',
    risk: 'high',
    direction: 'broadening',
    reason: "The partner's users are trusted further: they may write unasked, and Federated ones read notes.",
    appliesTo: (fact) => stepOf(fact, 'partner', 'partnerType', TRUST) > 0,
  },
  {
    id: 'partner-type-narrowed',
    risk: 'low',
    direction: 'narrowing',
    reason: "The partner's users are trusted less far.",
    appliesTo: (fact) => stepOf(fact, 'partner', 'partnerType', TRUST) < 0,
  },
  {
    id: 'tls-off-with-dialback',
    risk: 'critical',
    direction: 'broadening',
    reason:
      'Without TLS only dialback is left: whoever controls DNS or the route can read everything and pose as the partner.',
    appliesTo: (fact) => stepOf(fact, 'partner', 'tlsNegotiation', TLS_STRENGTH) < 0 && fact.after === 'NotSupported',
  },
  {
    id: 'tls-weakened',
    risk: 'high',
    direction: 'broadening',
    reason: 'A stream may now be unencrypted, which an attacker on the route can bring about.',
    appliesTo: (fact) => stepOf(fact, 'partner', 'tlsNegotiation', TLS_STRENGTH) < 0,
  },
  {
    id: 'tls-strengthened',
    risk: 'low',
    direction: 'narrowing',
    reason: 'Encryption is asked for more strictly: can the partner do it?',
    appliesTo: (fact) => stepOf(fact, 'partner', 'tlsNegotiation', TLS_STRENGTH) > 0,
  },
  {
    id: 'sasl-weakened',
    risk: 'high',
    direction: 'broadening',
    reason: 'A certificate need not prove the domain any more; what else may is dialback.',
    appliesTo: (fact) => stepOf(fact, 'partner', 'saslNegotiation', TLS_STRENGTH) < 0,
  },
  {
    id: 'sasl-strengthened',
    risk: 'low',
    direction: 'narrowing',
    reason: 'A certificate is asked for more strictly: does the partner show one?',
    appliesTo: (fact) => stepOf(fact, 'partner', 'saslNegotiation', TLS_STRENGTH) > 0,
  },
  {
    id: 'dialback-without-effect',
    risk: 'low',
    direction: 'neutral',
    reason: 'While TLS and SASL are both Required, dialback is never used.',
    appliesTo: (fact) => isOption(fact, 'partner', 'supportDialbackNegotiation') && isDialbackInert(fact),
  },
  {
    id: 'dialback-on-without-tls',
    risk: 'critical',
    direction: 'broadening',
    reason:
      'Dialback may prove the domain on an unencrypted stream: whoever controls DNS or the route can pose as the partner.',
    appliesTo: (fact) =>
      isTurned(fact, 'partner', 'supportDialbackNegotiation', true) &&
      partnerAfter(fact)?.tlsNegotiation !== 'Required',
  },
  {
    id: 'dialback-on',
    risk: 'high',
    direction: 'broadening',
    reason: 'DNS may prove the domain where a certificate had to.',
    appliesTo: (fact) => isTurned(fact, 'partner', 'supportDialbackNegotiation', true),
  },
  {
    id: 'dialback-off',
    risk: 'low',
    direction: 'narrowing',
    reason: 'Only a certificate proves the domain any more: does the partner show one?',
    appliesTo: (fact) => isTurned(fact, 'partner', 'supportDialbackNegotiation', false),
  },
  {
    id: 'trust-anchors-set',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Public authorities no longer prove the partner, only what is listed.',
    appliesTo: (fact) => isOption(fact, 'partner', 'trustAnchors') && partnerBefore(fact)?.trustAnchors.length === 0,
  },
  {
    id: 'trust-anchors-dropped',
    risk: 'high',
    direction: 'broadening',
    reason: 'Every public authority can prove the partner from now on.',
    appliesTo: (fact) => isOption(fact, 'partner', 'trustAnchors') && partnerAfter(fact)?.trustAnchors.length === 0,
  },
  {
    id: 'trust-anchor-added',
    risk: 'high',
    direction: 'broadening',
    reason: 'One more authority or key can prove the partner.',
    appliesTo: (fact) => isOption(fact, 'partner', 'trustAnchors') && isOnly(fact, 'added'),
  },
  {
    id: 'trust-anchor-removed',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Does the partner still show a certificate that what is left can prove?',
    appliesTo: (fact) => isOption(fact, 'partner', 'trustAnchors') && isOnly(fact, 'removed'),
  },
  {
    id: 'trust-anchors-exchanged',
    risk: 'high',
    direction: 'neutral',
    reason: 'Other authorities or keys prove the partner.',
    appliesTo: (fact) => isOption(fact, 'partner', 'trustAnchors'),
  },
  {
    id: 'route-changed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Connections to the partner go somewhere else.',
    appliesTo: (fact) =>
      ['proxyFqdn', 'proxyPort', 'proxyDirectTls'].some((option) => isOption(fact, 'partner', option)),
  },
  {
    id: 'stanza-kind-allowed',
    risk: 'medium',
    direction: 'broadening',
    reason: 'More kinds of stanza pass, in both directions.',
    appliesTo: (fact) => isOption(fact, 'partner', 'allowedStanzaKinds') && isOnly(fact, 'added'),
  },
  {
    id: 'stanza-kind-refused',
    risk: 'low',
    direction: 'narrowing',
    reason: 'Fewer kinds of stanza pass, in both directions.',
    appliesTo: (fact) => isOption(fact, 'partner', 'allowedStanzaKinds') && isOnly(fact, 'removed'),
  },
  {
    id: 'stanza-kinds-exchanged',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Other kinds of stanza pass.',
    appliesTo: (fact) => isOption(fact, 'partner', 'allowedStanzaKinds'),
  },
  {
    id: 'keep-alive-changed',
    risk: 'low',
    direction: 'neutral',
    reason: 'Dead connections are noticed sooner, or later.',
    appliesTo: (fact) => isOption(fact, 'partner', 'enableKeepAlive'),
  },

  // Limits and other settings of the gateway.
  {
    id: 'limit-raised',
    risk: 'low',
    direction: 'broadening',
    reason: 'Partners may cost more before they are held back.',
    appliesTo: (fact, context) => limitStep(fact, context) > 0,
  },
  {
    id: 'limit-lowered',
    risk: 'low',
    direction: 'narrowing',
    reason: 'Partners are held back sooner: is what they send now within it?',
    appliesTo: (fact, context) => limitStep(fact, context) < 0,
  },
  {
    id: 'limit-without-effect',
    risk: 'none',
    direction: 'neutral',
    reason: 'The limit that counts is the same.',
    appliesTo: (fact) => LIMITS.includes(fact.option),
  },
  {
    id: 'message-bodies-logged',
    risk: 'high',
    direction: 'broadening',
    reason: 'Whoever may read the logs reads what people write.',
    appliesTo: (fact) => isTurned(fact, 'gateway', 'enableLoggingAllMessageBodies', true),
  },
  {
    id: 'message-bodies-not-logged',
    risk: 'low',
    direction: 'narrowing',
    reason: 'Logs no longer hold what people write.',
    appliesTo: (fact) => isTurned(fact, 'gateway', 'enableLoggingAllMessageBodies', false),
  },
  {
    id: 'dialback-secret-changed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Gateways of one domain must share it: until all have it, dialback fails between them.',
    appliesTo: (fact) => isOption(fact, 'gateway', 'dialbackPassphrase'),
  },
  {
    id: 'timing-changed',
    risk: 'low',
    direction: 'neutral',
    reason: 'Connections and subscriptions live longer, or shorter.',
    appliesTo: (fact) => fact.subject.kind === 'gateway' && /(?:Interval|Timeout)$/.test(fact.option),
  },

  // Policies and who holds them.
  {
    id: 'global-policy-opened',
    risk: 'critical',
    direction: 'broadening',
    reason: 'Everybody without another policy may talk to XMPP partners.',
    appliesTo: (fact) => isGlobalTurned(fact, true),
  },
  {
    id: 'global-policy-closed',
    risk: 'high',
    direction: 'narrowing',
    reason: 'Everybody without another policy is cut off.',
    appliesTo: (fact) => isGlobalTurned(fact, false),
  },
  {
    id: 'policy-opened',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Whoever holds the policy may do more.',
    appliesTo: (fact) => ACCESS_FLAGS.some((flag) => isTurned(fact, 'policy', flag, true)),
  },
  {
    id: 'policy-closed',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Whoever holds the policy may do less.',
    appliesTo: (fact) => ACCESS_FLAGS.some((flag) => isTurned(fact, 'policy', flag, false)),
  },
  {
    id: 'policy-without-effect',
    risk: 'none',
    direction: 'neutral',
    reason: 'The switch is kept for the sake of Lync and has no effect on XMPP.',
    appliesTo: (fact) =>
      ['enablePublicCloudAccess', 'enableOutsideAccess'].some((option) => isOption(fact, 'policy', option)),
  },
  {
    id: 'open-policy-added',
    risk: 'low',
    direction: 'broadening',
    reason: 'A policy that allows XMPP exists for whoever is granted it.',
    appliesTo: (fact) => isWhole(fact, 'policy', 'added') && opens(policyOf(fact)),
  },
  {
    id: 'open-policy-removed',
    risk: 'low',
    direction: 'narrowing',
    reason: 'A policy that allows XMPP is gone.',
    appliesTo: (fact) => isWhole(fact, 'policy', 'removed') && opens(policyOf(fact)),
  },
  {
    id: 'closed-policy-changed',
    risk: 'low',
    direction: 'neutral',
    reason: 'The policy does not allow XMPP; whom it holds back is seen in the verdicts.',
    appliesTo: (fact) => isWhole(fact, 'policy', 'added') || isWhole(fact, 'policy', 'removed'),
  },
  {
    id: 'whole-domain-allowed',
    risk: 'critical',
    direction: 'broadening',
    reason: 'Everybody in the domain gets a policy that allows XMPP. Was a group of users meant?',
    appliesTo: (fact, context) =>
      isGranted(fact, 'head', context) && hasDomain(usersGained(fact)) && !hasDomain(usersLost(fact)),
  },
  {
    id: 'whole-domain-no-longer-allowed',
    risk: 'high',
    direction: 'narrowing',
    reason: 'Everybody in the domain loses a policy that allows XMPP.',
    appliesTo: (fact, context) =>
      isGranted(fact, 'base', context) && hasDomain(usersLost(fact)) && !hasDomain(usersGained(fact)),
  },
  {
    id: 'users-exchanged',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Some users get the policy, others lose it.',
    appliesTo: (fact) => isUsers(fact) && usersGained(fact).length > 0 && usersLost(fact).length > 0,
  },
  {
    id: 'users-allowed',
    risk: 'medium',
    direction: 'broadening',
    reason: 'More users hold a policy that allows XMPP.',
    appliesTo: (fact, context) => usersGained(fact).length > 0 && isGranted(fact, 'head', context),
  },
  {
    id: 'users-no-longer-allowed',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Fewer users hold a policy that allows XMPP.',
    appliesTo: (fact, context) => usersLost(fact).length > 0 && isGranted(fact, 'base', context),
  },
  {
    id: 'users-held-back',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'More users hold a policy that does not allow XMPP, whatever a wider one says.',
    appliesTo: (fact) => isUsers(fact) && usersGained(fact).length > 0,
  },
  {
    id: 'users-released',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Fewer users are held back by a policy that does not allow XMPP: a wider one counts for them.',
    appliesTo: (fact) => isUsers(fact) && usersLost(fact).length > 0,
  },
  {
    id: 'users-written-differently',
    risk: 'none',
    direction: 'neutral',
    reason: 'The same users hold the same policy.',
    appliesTo: (fact) => isUsers(fact),
  },

  // The SIP side.
  {
    id: 'sip-unencrypted',
    risk: 'high',
    direction: 'broadening',
    reason: 'Messages travel to the SIP server without encryption.',
    appliesTo: (fact) => transportStep(fact) < 0,
  },
  {
    id: 'sip-encrypted',
    risk: 'low',
    direction: 'narrowing',
    reason: 'Messages travel to the SIP server over a better protected transport: does it offer that?',
    appliesTo: (fact) => transportStep(fact) > 0,
  },
  {
    id: 'next-hop-preference-changed',
    risk: 'low',
    direction: 'neutral',
    reason: 'SIP servers share the traffic differently.',
    appliesTo: (fact) => ['priority', 'weight'].some((option) => isOption(fact, 'next-hop', option)),
  },
  {
    id: 'next-hop-changed',
    risk: 'medium',
    direction: 'neutral',
    reason: 'Messages go to another place on the SIP side.',
    appliesTo: (fact) => fact.subject.kind === 'next-hop',
  },
  {
    id: 'sip-sender-trusted',
    risk: 'high',
    direction: 'broadening',
    reason: 'Whoever is trusted on the SIP side speaks for all our users.',
    appliesTo: (fact) => isOption(fact, 'sip', 'trusted') && isOnly(fact, 'added'),
  },
  {
    id: 'sip-sender-no-longer-trusted',
    risk: 'medium',
    direction: 'narrowing',
    reason: 'Servers that send from there are refused.',
    appliesTo: (fact) => isOption(fact, 'sip', 'trusted') && isOnly(fact, 'removed'),
  },
  {
    id: 'sip-senders-exchanged',
    risk: 'high',
    direction: 'neutral',
    reason: 'Others than before speak for our users on the SIP side.',
    appliesTo: (fact) => isOption(fact, 'sip', 'trusted'),
  },
  {
    id: 'unrated-option',
    risk: 'medium',
    direction: 'neutral',
    reason: 'No rule is about this option, so it is not taken for harmless.',
    appliesTo: () => true,
  },
];

const ACCESS_FLAGS = ['enableFederationAccess', 'enableXmppAccess'];
const LIMITS = ['connectionLimit', 'partnerConnectionLimit', 'maximumStanzaSize', 'messageRateLimit'];

function isWhole(fact: OptionFact, kind: SubjectKind, change: OptionFact['kind']): boolean {
  return fact.option === '' && fact.subject.kind === kind && fact.kind === change;
}

// `trusted` stands for both lists of the SIP side.
function isOption(fact: OptionFact, kind: SubjectKind, option: string): boolean {
  if (fact.subject.kind !== kind) return false;
  return option === 'trusted' ? fact.option.startsWith(option) : fact.option === option;
}

function isTurned(fact: OptionFact, kind: SubjectKind, option: string, to: boolean): boolean {
  return isOption(fact, kind, option) && fact.after === to;
}

/** Above 0 when an option went up in a scale that is ordered from low to high. */
function stepOf(fact: OptionFact, kind: SubjectKind, option: string, scale: readonly unknown[]): number {
  return isOption(fact, kind, option) ? scale.indexOf(fact.after) - scale.indexOf(fact.before) : 0;
}

function isOnly(fact: OptionFact, change: 'added' | 'removed'): boolean {
  const { added = [], removed = [] } = fact;
  return change === 'added' ? removed.length === 0 : added.length === 0;
}

function partnerBefore({ subject }: OptionFact): XmppAllowedPartner | undefined {
  return subject.kind === 'partner' ? subject.before : undefined;
}

function partnerAfter({ subject }: OptionFact): XmppAllowedPartner | undefined {
  return subject.kind === 'partner' ? subject.after : undefined;
}

function domainsGained(fact: OptionFact): readonly string[] {
  if (isWhole(fact, 'partner', 'added')) return allDomains(partnerAfter(fact));
  if (fact.kind === 'renamed') return [String(fact.after)];
  return isOption(fact, 'partner', 'additionalDomains') ? (fact.added ?? []) : [];
}

function domainsLost(fact: OptionFact): readonly string[] {
  if (isWhole(fact, 'partner', 'removed')) return allDomains(partnerBefore(fact));
  if (fact.kind === 'renamed') return [String(fact.before)];
  return isOption(fact, 'partner', 'additionalDomains') ? (fact.removed ?? []) : [];
}

function allDomains(partner: XmppAllowedPartner | undefined): readonly string[] {
  return partner === undefined ? [] : [partner.domain, ...partner.additionalDomains];
}

function hasSingleLabel(domains: readonly string[]): boolean {
  return domains.some((domain) => !domain.includes('.'));
}

function isDialbackInert(fact: OptionFact): boolean {
  return [partnerBefore(fact), partnerAfter(fact)].every(
    (partner) => partner?.tlsNegotiation === 'Required' && partner.saslNegotiation === 'Required',
  );
}

// A partner without a limit of its own has that of the gateway; without a rate it has none.
function limitStep(fact: OptionFact, { base, head }: OptionContext): number {
  if (!LIMITS.includes(fact.option)) return 0;
  const fallback = (config: FederationConfig) =>
    fact.option === 'messageRateLimit'
      ? Number.POSITIVE_INFINITY
      : config.xmppGatewayConfiguration.partnerConnectionLimit;
  const [before, after] = [fact.before ?? fallback(base), fact.after ?? fallback(head)];
  // Two limits without an end would give NaN.
  return before === after ? 0 : Number(after) - Number(before);
}

function transportStep(fact: OptionFact): number {
  const { subject, option } = fact;
  if (subject.kind !== 'next-hop') return 0;
  if (option === 'transport') return stepOf(fact, 'next-hop', 'transport', TRANSPORT_STRENGTH);
  if (option !== '' || (subject.after ?? subject.before)?.transport === 'tls') return 0;
  return subject.after === undefined ? 1 : -1;
}

function policyOf({ subject }: OptionFact): ExternalAccessPolicy | undefined {
  return subject.kind === 'policy' ? (subject.after ?? subject.before) : undefined;
}

function opens(policy: ExternalAccessPolicy | undefined): boolean {
  return policy?.enableFederationAccess === true && policy.enableXmppAccess === true;
}

// The global policy as a whole goes from one state to the other; one that is missing is closed.
function isGlobalTurned({ subject, option }: OptionFact, open: boolean): boolean {
  if (option !== '' && !ACCESS_FLAGS.includes(option)) return false;
  if (subject.kind !== 'policy' || (subject.after ?? subject.before)?.identity !== 'global') return false;
  return opens(subject.before) !== open && opens(subject.after) === open;
}

function isUsers({ subject, option }: OptionFact): boolean {
  return (subject.kind === 'grant' || subject.kind === 'site') && option !== 'name';
}

function usersGained(fact: OptionFact): readonly string[] {
  const { subject, kind, option } = fact;
  if (subject.kind !== 'grant' && subject.kind !== 'site') return [];
  if (option === '') return kind === 'added' ? (subject.after?.users ?? []) : [];
  return fact.added ?? [];
}

function usersLost(fact: OptionFact): readonly string[] {
  const { subject, kind, option } = fact;
  if (subject.kind !== 'grant' && subject.kind !== 'site') return [];
  if (option === '') return kind === 'removed' ? (subject.before?.users ?? []) : [];
  return fact.removed ?? [];
}

function hasDomain(selectors: readonly string[]): boolean {
  return selectors.some((selector) => selector.startsWith('*@'));
}

/** Whether the policy that the users of a grant or a site get allows XMPP. */
function isGranted({ subject }: OptionFact, side: Side, context: OptionContext): boolean {
  if (subject.kind !== 'grant' && subject.kind !== 'site') return false;
  const policies = context[side].externalAccessPolicies;
  const find = (identity: string) => policies.find((policy) => policy.identity === identity);
  const { name } = subject;
  return opens(subject.kind === 'grant' ? find(name) : (find(`site:${name}`) ?? find('global')));
}
