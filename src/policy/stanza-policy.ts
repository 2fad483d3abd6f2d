import type { XmppAllowedPartner } from '../config/index.ts';
import { ALLOW, type Decision, failClosed, refuse } from './decision.ts';
import { gatePartner, gateServedDomain, gateSwitch } from './federation-gates.ts';
import type { EffectivePolicy, FederationIndex, PartnerEntry } from './federation-index.ts';

/** `subscribe` is a presence stanza that asks for, grants or ends a subscription, or probes (RFC 6121 section 3). */
export type StanzaKind = 'message' | 'presence' | 'subscribe' | 'iq';

export interface StanzaFacts {
  readonly direction: 'inbound' | 'outbound';
  /** Bare address of our user, in normal form. */
  readonly localUser: string;
  /** The domain of `localUser`. */
  readonly localDomain: string;
  readonly remoteDomain: string;
  readonly kind: StanzaKind;
  /** Our user has the remote contact on the contact list. */
  readonly contactListed: boolean;
}

/**
 * Whether a stanza may pass. Called for every stanza: allocates nothing when the answer is yes.
 *
 * What depends on the partner alone comes before what depends on the user. Were it the other way round, a partner could
 * tell a denied user from one who does not exist, by sending a kind of stanza that is refused anyway.
 */
export function authorizeStanza(facts: StanzaFacts, index: FederationIndex): Decision {
  return failClosed(judgeStanza, facts, index);
}

function judgeStanza(facts: StanzaFacts, index: FederationIndex): Decision {
  const entry = index.partnerOf(facts.remoteDomain);
  const effective = index.policyOf(facts.localUser, facts.localDomain);
  for (let i = 0; i < STANZA_GATES.length; i++) {
    const decision = STANZA_GATES[i]?.judge(facts, index, entry, effective);
    if (decision !== ALLOW) return decision ?? refuse('internal-error', '');
  }
  return ALLOW;
}

/** One condition of several that must all hold. Partner and policy are looked up once for all of them. */
export interface StanzaGate {
  readonly name: string;
  readonly judge: (
    facts: StanzaFacts,
    index: FederationIndex,
    entry: PartnerEntry | undefined,
    effective: EffectivePolicy,
  ) => Decision;
}

/** All conditions, in the order they are asked. `explain` shows the same list. */
export const STANZA_GATES: readonly StanzaGate[] = [
  { name: 'federation-switch', judge: gateSwitch },
  { name: 'served-domain', judge: gateLocalUser },
  { name: 'partner', judge: gatePartner },
  { name: 'stanza-kind', judge: gateKind },
  { name: 'user-federation', judge: gateUserFederation },
  { name: 'user-xmpp', judge: gateUserXmpp },
  { name: 'contact', judge: gateContact },
];

/** Whether a partner's contacts may read our users' presence notes. */
export function maySeeNotes(partner: XmppAllowedPartner): boolean {
  return partner.partnerType === 'Federated';
}

function gateLocalUser(facts: StanzaFacts, index: FederationIndex): Decision {
  if (!isUserOf(facts.localUser, facts.localDomain)) return refuse('internal-error', '');
  return gateServedDomain(facts, index);
}

// Facts that contradict themselves could pick one user's policy and another's domain.
function isUserOf(user: string, domain: string): boolean {
  if (user === domain) return true;
  const at = user.length - domain.length - 1;
  return at > 0 && user.charCodeAt(at) === 0x40 && user.indexOf('@') === at && user.endsWith(domain);
}

function gateKind(facts: StanzaFacts, _index: FederationIndex, entry: PartnerEntry | undefined): Decision {
  if (entry === undefined) return refuse('partner-not-allowed', 'xmppAllowedPartners');
  const kind = facts.kind === 'subscribe' ? 'presence' : facts.kind;
  if (entry.partner.allowedStanzaKinds.includes(kind)) return ALLOW;
  return refuse('stanza-kind-not-allowed', `${entry.path}.allowedStanzaKinds`);
}

function gateUserFederation(
  _facts: StanzaFacts,
  _index: FederationIndex,
  _entry: unknown,
  effective: EffectivePolicy,
): Decision {
  if (effective.policy.enableFederationAccess === true) return ALLOW;
  return refuse('user-federation-denied', flagPath(effective.path, 'enableFederationAccess'));
}

function gateUserXmpp(
  _facts: StanzaFacts,
  _index: FederationIndex,
  _entry: unknown,
  effective: EffectivePolicy,
): Decision {
  if (effective.policy.enableXmppAccess === true) return ALLOW;
  return refuse('user-xmpp-denied', flagPath(effective.path, 'enableXmppAccess'));
}

// Without a global policy there is no flag to point at, only the list it is missing from.
function flagPath(path: string, flag: string): string {
  return path.endsWith(']') ? `${path}.${flag}` : path;
}

function gateContact(facts: StanzaFacts, _index: FederationIndex, entry: PartnerEntry | undefined): Decision {
  if (entry === undefined) return refuse('partner-not-allowed', 'xmppAllowedPartners');
  if (facts.direction === 'outbound' || facts.contactListed === true) return ALLOW;
  const type = entry.partner.partnerType;
  if (type === 'Federated' || type === 'PublicVerified') return ALLOW;
  return refuse('contact-not-listed', `${entry.path}.partnerType`);
}
