import type { XmppAllowedPartner } from '../config/index.ts';
import type { FederationIndex } from '../policy/index.ts';
import { Sampler } from './sample.ts';
import type { Comparison } from './user-census.ts';

/** How a remote domain stands on one side. Domains with one key are judged alike. */
interface Standing {
  readonly key: string;
  readonly partner: XmppAllowedPartner | undefined;
}

/** Remote domains that are judged alike before, and alike after. */
export interface RemoteSegment {
  /** One of them. */
  readonly domain: string;
  readonly keyBefore: string;
  readonly keyAfter: string;
  /** Whether they belong to a partner on both sides, or on one only; `kept` too when on neither. */
  readonly standing: 'kept' | 'new' | 'gone';
  readonly domains: Sampler;
  /** Primary domains of the partners they belonged to, and belong to. */
  readonly partnersBefore: ReadonlySet<string>;
  readonly partnersAfter: ReadonlySet<string>;
}

// A new option counts as one that the policy may look at, until it is listed here.
const WITHOUT_VERDICT: ReadonlySet<string> = new Set([
  'domain',
  'additionalDomains',
  'description',
  'enableKeepAlive',
  'connectionLimit',
  'proxyFqdn',
  'proxyPort',
  'proxyDirectTls',
  'trustAnchors',
  'messageRateLimit',
] satisfies (keyof XmppAllowedPartner)[]);

/** Every domain that is, or was, a partner's, in as few segments as the settings allow. */
export function segmentRemoteDomains({ base, head }: Comparison): readonly RemoteSegment[] {
  const standingBefore = standings(base);
  const standingAfter = standings(head);
  const segments = new Map<string, RemoteSegment & { partnersBefore: Set<string>; partnersAfter: Set<string> }>();
  for (const domain of remoteDomains([base, head])) {
    const [before, after] = [standingBefore(domain), standingAfter(domain)];
    const key = `${before.key}\n${after.key}`;
    let segment = segments.get(key);
    if (segment === undefined) {
      const domains = new Sampler();
      const [partnersBefore, partnersAfter] = [new Set<string>(), new Set<string>()];
      const standing = isIn(before) === isIn(after) ? 'kept' : isIn(after) ? 'new' : 'gone';
      const keys = { keyBefore: before.key, keyAfter: after.key };
      segment = { domain, ...keys, standing, domains, partnersBefore, partnersAfter };
      segments.set(key, segment);
    }
    segment.domains.add(domain);
    if (before.partner !== undefined) segment.partnersBefore.add(before.partner.domain);
    if (after.partner !== undefined) segment.partnersAfter.add(after.partner.domain);
  }
  return [...segments.values()];
}

function isIn({ partner }: Standing): boolean {
  return partner !== undefined;
}

function remoteDomains(sides: readonly FederationIndex[]): ReadonlySet<string> {
  const domains = new Set<string>();
  for (const { config } of sides) {
    for (const partner of config.xmppAllowedPartners) {
      domains.add(partner.domain);
      for (const domain of partner.additionalDomains) domains.add(domain);
    }
  }
  return domains;
}

function standings(index: FederationIndex): (domain: string) => Standing {
  const keys = new Map<XmppAllowedPartner, string>();
  return (domain) => {
    const partner = index.partnerOf(domain)?.partner;
    if (partner === undefined) {
      const why = index.servedDomain(domain) !== undefined ? 'own' : index.rivalsFor(domain) ? 'rivals' : 'none';
      return { key: why, partner };
    }
    const key = keys.get(partner) ?? settingsKey(partner);
    keys.set(partner, key);
    return { key, partner };
  };
}

function settingsKey(partner: XmppAllowedPartner): string {
  let key = '';
  for (const option of Object.keys(partner)) {
    if (!WITHOUT_VERDICT.has(option)) key += `${option}=${JSON.stringify(Reflect.get(partner, option))} `;
  }
  return key;
}
