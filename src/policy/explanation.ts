import { ALLOW, type Decision, refuse } from './decision.ts';
import type { FederationIndex } from './federation-index.ts';
import { refusalOf } from './refusal.ts';
import { STANZA_GATES, type StanzaFacts } from './stanza-policy.ts';
import { type AuthMethod, allowedMethods, gateMethod } from './stream-policy.ts';

/** One condition, and the setting that met or missed it. */
export interface GateOutcome {
  readonly gate: string;
  readonly passed: boolean;
  /** Place in the configuration that decided. */
  readonly path: string;
  /** The value found there; null where there is none. */
  readonly value: boolean | string | readonly string[] | null;
  readonly sentence: string;
}

/** How the stream was proved, when that is part of the question. */
export interface StreamProof {
  readonly method: AuthMethod;
  readonly certificateProves: boolean;
}

/** A decision and the gates that led to it: all that were passed, and last the one that refused. */
export interface Explanation {
  readonly decision: Decision;
  readonly gates: readonly GateOutcome[];
}

interface Gate {
  readonly name: string;
  readonly judge: () => Decision;
}

/** `authorizeStanza`, gate by gate, with the stream's method asked right after the partner when it is given. */
export function explainStanza(facts: StanzaFacts, index: FederationIndex, stream?: StreamProof): Explanation {
  const outcomes: GateOutcome[] = [];
  try {
    for (const gate of gatesFor(facts, index, stream)) {
      const decision = gate.judge();
      outcomes.push(describe(gate.name, decision, facts, index, stream));
      if (decision !== ALLOW) return { decision, gates: outcomes };
    }
    return { decision: ALLOW, gates: outcomes };
  } catch {
    return { decision: refuse('internal-error', ''), gates: outcomes };
  }
}

function gatesFor(facts: StanzaFacts, index: FederationIndex, stream: StreamProof | undefined): readonly Gate[] {
  const entry = index.partnerOf(facts.remoteDomain);
  const effective = index.policyOf(facts.localUser, facts.localDomain);
  return STANZA_GATES.flatMap(({ name, judge }) => {
    const gate: Gate = { name, judge: () => judge(facts, index, entry, effective) };
    if (name !== 'partner' || stream === undefined) return [gate];
    const { remoteDomain } = facts;
    return [gate, { name: 'stream-method', judge: () => gateMethod({ remoteDomain, ...stream }, index) }];
  });
}

function describe(
  gate: string,
  decision: Decision,
  facts: StanzaFacts,
  index: FederationIndex,
  stream: StreamProof | undefined,
): GateOutcome {
  const setting = settingOf(gate, facts, index, stream);
  if (decision.verdict === 'allow') return { gate, passed: true, ...setting };
  const sentence = `${refusalOf(decision.reason).sentence}${refusalDetail(gate, setting)}`;
  return { gate, passed: false, path: decision.path, value: setting.value, sentence };
}

function refusalDetail(gate: string, setting: Setting): string {
  return gate === 'user-federation' || gate === 'user-xmpp' ? ` ${setting.sentence}` : '';
}

type Setting = Pick<GateOutcome, 'path' | 'value' | 'sentence'>;

// The setting a gate looks at. The decision itself is never made here.
function settingOf(gate: string, facts: StanzaFacts, index: FederationIndex, stream: StreamProof | undefined): Setting {
  const { localDomain, remoteDomain } = facts;
  const entry = index.partnerOf(remoteDomain);
  const partnerPath = entry?.path ?? 'xmppAllowedPartners';
  switch (gate) {
    case 'federation-switch': {
      const value = index.config.accessEdgeConfiguration.allowFederatedUsers;
      return { path: 'accessEdgeConfiguration.allowFederatedUsers', value, sentence: 'Federation is switched on.' };
    }
    case 'served-domain': {
      const path = index.servedDomain(localDomain)?.path ?? 'domains';
      return { path: `${path}.domain`, value: localDomain, sentence: `${localDomain} is served here.` };
    }
    case 'partner': {
      const option = entry?.partner.domain === remoteDomain ? 'domain' : 'additionalDomains';
      return {
        path: `${partnerPath}.${option}`,
        value: remoteDomain,
        sentence: `${remoteDomain} is an allowed partner.`,
      };
    }
    case 'stream-method': {
      const methods = entry === undefined ? [] : allowedMethods(entry.partner);
      const sentence = `The partner's settings allow ${methods.join(', ')}; the stream used ${stream?.method}.`;
      return { path: partnerPath, value: methods, sentence };
    }
    case 'stanza-kind': {
      const value = entry?.partner.allowedStanzaKinds ?? [];
      return {
        path: `${partnerPath}.allowedStanzaKinds`,
        value,
        sentence: `Allowed kinds: ${value.join(', ') || 'none'}.`,
      };
    }
    case 'user-federation':
      return policySetting('enableFederationAccess', facts, index);
    case 'user-xmpp':
      return policySetting('enableXmppAccess', facts, index);
    case 'contact': {
      const value = entry?.partner.partnerType ?? null;
      return { path: `${partnerPath}.partnerType`, value, sentence: contactSentence(facts, value) };
    }
    default:
      return { path: '', value: null, sentence: '' };
  }
}

function policySetting(
  flag: 'enableFederationAccess' | 'enableXmppAccess',
  facts: StanzaFacts,
  index: FederationIndex,
): Setting {
  const { policy, scope, path, through } = index.policyOf(facts.localUser, facts.localDomain);
  if (!path.endsWith(']')) {
    return { path, value: null, sentence: 'No global policy is configured, so what no other policy allows is denied.' };
  }
  const holder = through === '' ? 'by everyone without another one' : `through ${through}`;
  const sentence = `The ${scope} policy "${policy.identity}", held ${holder}, has ${flag} ${policy[flag]}.`;
  return { path: `${path}.${flag}`, value: policy[flag], sentence };
}

function contactSentence(facts: StanzaFacts, partnerType: string | null): string {
  if (facts.direction === 'outbound') return 'Our own users may always write first.';
  if (facts.contactListed) return 'The user has listed this contact.';
  return `Contacts of a ${partnerType} partner may write without being listed.`;
}
