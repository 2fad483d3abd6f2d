import { compareText } from '../config/canonical.ts';
import type { FederationIndex } from '../policy/index.ts';
import { type StanzaAtom, type StreamAtom, stanzaAtoms, streamAtoms } from './atoms.ts';
import type { Exposure, Sampled } from './model.ts';
import { type RemoteSegment, segmentRemoteDomains } from './partner-census.ts';
import { stanzaAnswers, streamAnswers } from './questions.ts';
import { Sampler, sampleOf } from './sample.ts';
import { stanzaSentence, streamSentence } from './sentences.ts';
import { type Comparison, reachOf, takeCensus, type UserSegment } from './user-census.ts';
import { usersInWords } from './words.ts';

/** A verdict that changed, in words and figures, not yet rated. */
export type ExposureFact = Omit<Exposure, 'id' | 'rule' | 'risk' | 'direction' | 'reason'>;

export interface ExposureFacts {
  readonly facts: readonly ExposureFact[];
  readonly users: { readonly known: number; readonly gaining: number; readonly losing: number };
  readonly openEnded: { readonly gaining: boolean; readonly losing: boolean };
}

/**
 * Asks the policy before and after about every kind of stream and stanza, and collapses the verdicts that changed.
 * Domains and users that the policy cannot tell apart are asked about once.
 */
export function changedVerdicts(comparison: Comparison): ExposureFacts {
  const remotes = segmentRemoteDomains(comparison);
  const census = takeCensus(comparison);
  const stanzas = stanzaFacts(comparison, remotes, census.segments);
  const facts = [...streamFacts(comparison, remotes), ...stanzas.facts];
  return {
    facts: facts.sort((a, b) => compareText(a.sentence, b.sentence)),
    users: {
      known: census.knownUsers,
      gaining: sumUsers(stanzas.gaining),
      losing: sumUsers(stanzas.losing),
    },
    openEnded: { gaining: isOpenEnded(stanzas.gaining), losing: isOpenEnded(stanzas.losing) },
  };
}

function streamFacts(comparison: Comparison, remotes: readonly RemoteSegment[]): readonly ExposureFact[] {
  const { base, head } = comparison;
  const locals = segmentLocalDomains(base, head);
  const findings = new Findings<StreamAtom & Pick<RemoteSegment, 'standing'>, Sampler>();
  for (const remote of remotes) {
    for (const { domain, domains } of locals) {
      const before = streamAnswers(base, domain, remote.domain);
      const after = streamAnswers(head, domain, remote.domain);
      if (before === after) continue;
      const { standing } = remote;
      for (const atom of streamAtoms(before, after)) findings.add({ ...atom, standing }, remote, domains);
    }
  }
  return findings.collapsed().map(({ atom, remotes, others }) => {
    const localDomains = Sampler.union(others);
    const fact = { ...atom, ...remoteSide(remotes, atom.change), localDomains };
    return { ...fact, sentence: streamSentence(fact, atom) };
  });
}

function stanzaFacts(
  { base, head }: Comparison,
  remotes: readonly RemoteSegment[],
  segments: readonly UserSegment[],
): { readonly facts: readonly ExposureFact[]; readonly gaining: UserSegments; readonly losing: UserSegments } {
  const classes = classifyUsers({ base, head }, segments);
  const [answerBefore, answerAfter] = [memoizedAnswers(base), memoizedAnswers(head)];
  const findings = new Findings<StanzaAtom & Pick<RemoteSegment, 'standing'>, UserClass>();
  const affected = { opened: new Set<UserClass>(), closed: new Set<UserClass>() };
  for (const remote of remotes) {
    for (const users of classes) {
      const before = answerBefore(users.first, users.keyBefore, remote.domain, remote.keyBefore);
      const after = answerAfter(users.first, users.keyAfter, remote.domain, remote.keyAfter);
      if (before === after) continue;
      for (const atom of stanzaAtoms(before, after)) {
        findings.add({ ...atom, standing: remote.standing }, remote, users);
        if (remote.standing === 'kept') affected[atom.change].add(users);
      }
    }
  }
  const facts = findings.collapsed().map(({ atom, remotes, others }) => {
    const reach = reachOf(segmentsOf(others), atom.change === 'opened' ? 'after' : 'before');
    const fact = { ...atom, ...remoteSide(remotes, atom.change), reach };
    const words = usersInWords(reach, others.length === classes.length ? 'everybody' : 'some');
    return { ...fact, sentence: stanzaSentence(fact, atom, words) };
  });
  return { facts, gaining: segmentsOf(affected.opened), losing: segmentsOf(affected.closed) };
}

type UserSegments = readonly UserSegment[];

/** Segments whose policies differ in name only: the answers are the same for all of them. */
interface UserClass {
  readonly first: UserSegment;
  readonly segments: UserSegment[];
  readonly keyBefore: string;
  readonly keyAfter: string;
}

function classifyUsers({ base, head }: Comparison, segments: UserSegments): readonly UserClass[] {
  const classes = new Map<string, UserClass>();
  for (const first of segments) {
    const [keyBefore, keyAfter] = [answersKey(base, first, 'before'), answersKey(head, first, 'after')];
    const key = `${keyBefore} ${keyAfter}`;
    const known = classes.get(key);
    if (known === undefined) classes.set(key, { first, segments: [first], keyBefore, keyAfter });
    else known.segments.push(first);
  }
  return [...classes.values()];
}

// All that the policy looks at in a user: the flags of the policy held, and whether the domain is served.
function answersKey(index: FederationIndex, segment: UserSegment, side: 'before' | 'after'): string {
  const { identity: _, description: __, ...flags } = segment[side].policy;
  return `${index.servedDomain(segment.domain) !== undefined} ${JSON.stringify(flags)}`;
}

function segmentsOf(classes: Iterable<UserClass>): UserSegments {
  return [...classes].flatMap(({ segments }) => segments);
}

/** Asks about each kind of user and kind of partner once. */
function memoizedAnswers(
  index: FederationIndex,
): (user: UserSegment, userKey: string, remoteDomain: string, remoteKey: string) => number {
  const known = new Map<string, Map<string, number>>();
  return ({ user, domain }, userKey, remoteDomain, remoteKey) => {
    let byRemote = known.get(userKey);
    if (byRemote === undefined) {
      byRemote = new Map();
      known.set(userKey, byRemote);
    }
    let answers = byRemote.get(remoteKey);
    if (answers === undefined) {
      answers = stanzaAnswers(index, user, domain, remoteDomain);
      byRemote.set(remoteKey, answers);
    }
    return answers;
  };
}

interface LocalSegment {
  readonly domain: string;
  readonly domains: Sampler;
}

function segmentLocalDomains(base: FederationIndex, head: FederationIndex): readonly LocalSegment[] {
  const segments = new Map<string, LocalSegment>();
  for (const domain of new Set([...base.config.domains, ...head.config.domains].map((entry) => entry.domain))) {
    const key = [base, head].map((index) => index.servedDomain(domain) !== undefined).join(' ');
    const segment = segments.get(key) ?? { domain, domains: new Sampler() };
    segments.set(key, segment);
    segment.domains.add(domain);
  }
  return [...segments.values()];
}

function remoteSide(
  remotes: readonly RemoteSegment[],
  change: Exposure['change'],
): { readonly partners: Sampled; readonly remoteDomains: Sampled } {
  const partners = new Set<string>();
  for (const { partnersBefore, partnersAfter } of remotes) {
    for (const partner of change === 'opened' ? partnersAfter : partnersBefore) partners.add(partner);
  }
  return { partners: sampleOf(partners), remoteDomains: Sampler.union(remotes.map(({ domains }) => domains)) };
}

interface Collapsed<Atom, Other> {
  readonly atom: Atom;
  readonly remotes: readonly RemoteSegment[];
  readonly others: readonly Other[];
}

/** Gathers who is affected by each change of a verdict; remote domains with the same counterparts become one line. */
class Findings<Atom extends object, Other extends object> {
  private readonly byAtom = new Map<string, { readonly atom: Atom; readonly byRemote: Map<RemoteSegment, Other[]> }>();
  private readonly numbers = new Map<Other, number>();

  add(atom: Atom, remote: RemoteSegment, other: Other): void {
    const key = JSON.stringify(atom);
    const found = this.byAtom.get(key) ?? { atom, byRemote: new Map<RemoteSegment, Other[]>() };
    this.byAtom.set(key, found);
    const others = found.byRemote.get(remote);
    if (others === undefined) found.byRemote.set(remote, [other]);
    else others.push(other);
    if (!this.numbers.has(other)) this.numbers.set(other, this.numbers.size);
  }

  collapsed(): readonly Collapsed<Atom, Other>[] {
    return [...this.byAtom.values()].flatMap(({ atom, byRemote }) => {
      const lines = new Map<string, { remotes: RemoteSegment[]; others: readonly Other[] }>();
      for (const [remote, others] of byRemote) {
        const key = others.map((other) => this.numbers.get(other)).join(' ');
        const line = lines.get(key);
        if (line === undefined) lines.set(key, { remotes: [remote], others });
        else line.remotes.push(remote);
      }
      return Array.from(lines.values(), (line) => ({ atom, ...line }));
    });
  }
}

function sumUsers(segments: UserSegments): number {
  let sum = 0;
  for (const { users } of segments) sum += users.count;
  return sum;
}

function isOpenEnded(segments: UserSegments): boolean {
  return segments.some(({ patterns, restOf }) => patterns.count + restOf.count > 0);
}
