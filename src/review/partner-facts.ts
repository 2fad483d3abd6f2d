import { canonicalJson, compareText } from '../config/canonical.ts';
import type { XmppAllowedPartner } from '../config/index.ts';
import { entryFact, listFact, type OptionFact, recordFacts, type Subject } from './option-facts.ts';
import { makePair, type Pair, pairEntries } from './pairing.ts';

const LIST = 'xmppAllowedPartners';

/** A domain that went from one partner to another. */
interface Move {
  readonly domain: string;
  readonly from: string;
  readonly to: string;
}

/**
 * What changed about the partners. A partner that has another primary domain but shares domains with the one that went
 * is the same partner, renamed; a domain that one partner lost and another has is moved.
 */
export function partnerFacts(
  before: readonly XmppAllowedPartner[],
  after: readonly XmppAllowedPartner[],
): readonly OptionFact[] {
  const pairs = withRenames(pairEntries(before, after, ({ domain }) => domain));
  const moves = findMoves(before, after, pairs);
  return [...pairs.flatMap((pair) => pairFacts(pair, moves)), ...[...moves.values()].map(moveFact)];
}

function pairFacts(pair: Pair<XmppAllowedPartner>, moves: ReadonlyMap<string, Move>): readonly OptionFact[] {
  const { name, before, after } = pair;
  const subject: Subject = { kind: 'partner', ...pair };
  if (before === undefined || after === undefined) return [entryFact(LIST, subject)];
  const path = `${LIST}[${name}]`;
  const facts = [...recordFacts(path, subject, before, after, ['domain', 'additionalDomains'])];
  const isRenamed = before.domain !== after.domain;
  if (isRenamed) {
    const option = 'domain';
    facts.push({
      subject,
      kind: 'renamed',
      option,
      path: `${path}.domain`,
      before: before.domain,
      after: after.domain,
    });
  }
  // A primary domain that becomes an additional one, or the other way round, is part of the renaming.
  const hasStayed = (domain: string) => isRenamed && (domain === before.domain || domain === after.domain);
  const isOther = (domain: string) => !moves.has(domain) && !hasStayed(domain);
  const had = before.additionalDomains.filter(isOther);
  const has = after.additionalDomains.filter(isOther);
  if (isRenamed) {
    if (!domainsOf(after).includes(before.domain) && !moves.has(before.domain)) had.push(before.domain);
    if (!domainsOf(before).includes(after.domain) && !moves.has(after.domain)) has.push(after.domain);
  }
  facts.push(
    ...listFact(
      `${path}.additionalDomains`,
      'additionalDomains',
      subject,
      had.sort(compareText),
      has.sort(compareText),
    ),
  );
  return facts;
}

function moveFact({ domain, from, to }: Move): OptionFact {
  return {
    subject: { kind: 'partner-domain', name: domain },
    kind: 'moved',
    option: 'additionalDomains',
    path: `${LIST}[*].additionalDomains[${domain}]`,
    before: from,
    after: to,
  };
}

function domainsOf(partner: XmppAllowedPartner): readonly string[] {
  return [partner.domain, ...partner.additionalDomains];
}

// Joins a partner that went and one that came when they share domains; those with most in common first. The order must
// not tell before from after, or a change and its reverse would be told differently.
function withRenames(pairs: readonly Pair<XmppAllowedPartner>[]): readonly Pair<XmppAllowedPartner>[] {
  const gone = claimsOf(
    pairs.flatMap(({ before, after }) => (before === undefined || after !== undefined ? [] : [before])),
  );
  const come = claimsOf(
    pairs.flatMap(({ before, after }) => (after === undefined || before !== undefined ? [] : [after])),
  );
  const candidates = new Map<XmppAllowedPartner, Map<XmppAllowedPartner, number>>();
  for (const [domain, old] of gone) {
    const fresh = come.get(domain);
    if (old === null || fresh === undefined || fresh === null) continue;
    const shared = candidates.get(old) ?? new Map<XmppAllowedPartner, number>();
    candidates.set(old, shared.set(fresh, (shared.get(fresh) ?? 0) + 1));
  }
  const ranked = [...candidates].flatMap(([old, shared]) =>
    Array.from(shared, ([fresh, count]) => ({
      old,
      fresh,
      count,
      key: [canonicalJson(old), canonicalJson(fresh)].sort().join(),
    })),
  );
  ranked.sort((a, b) => b.count - a.count || compareText(a.key, b.key));
  const renamed = new Map<XmppAllowedPartner, XmppAllowedPartner>();
  const taken = new Set<XmppAllowedPartner>();
  for (const { old, fresh } of ranked) {
    if (renamed.has(old) || taken.has(fresh)) continue;
    renamed.set(old, fresh);
    taken.add(fresh);
  }
  const names = new Map(pairs.map(({ name, after }) => [after, name]));
  return pairs.flatMap((pair) => {
    if (pair.after !== undefined) return taken.has(pair.after) ? [] : [pair];
    const fresh = pair.before === undefined ? undefined : renamed.get(pair.before);
    return [fresh === undefined ? pair : makePair(names.get(fresh) ?? fresh.domain, pair.before, fresh)];
  });
}

/** Who has each domain; null where several claim it, since then it is nobody's. */
function claimsOf(partners: readonly XmppAllowedPartner[]): ReadonlyMap<string, XmppAllowedPartner | null> {
  const claims = new Map<string, XmppAllowedPartner | null>();
  for (const partner of partners) {
    for (const domain of new Set(domainsOf(partner))) claims.set(domain, claims.has(domain) ? null : partner);
  }
  return claims;
}

function findMoves(
  before: readonly XmppAllowedPartner[],
  after: readonly XmppAllowedPartner[],
  pairs: readonly Pair<XmppAllowedPartner>[],
): ReadonlyMap<string, Move> {
  // Entries that are equal on both sides are in no pair; they are found by what they have in common.
  const successor = new Map<XmppAllowedPartner, XmppAllowedPartner>();
  for (const pair of pairs) if (pair.before && pair.after) successor.set(pair.before, pair.after);
  const owners = claimsOf(after);
  const moves = new Map<string, Move>();
  for (const [domain, from] of claimsOf(before)) {
    const to = owners.get(domain);
    if (!from || !to || successor.get(from) === to || from.domain === to.domain) continue;
    moves.set(domain, { domain, from: from.domain, to: to.domain });
  }
  return moves;
}
