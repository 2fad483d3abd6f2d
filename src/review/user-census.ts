import type { ExternalAccessPolicy, FederationConfig } from '../config/index.ts';
import type { EffectivePolicy, FederationIndex } from '../policy/index.ts';
import type { UserReach } from './model.ts';
import { mergeSorted, Sampler, walkSorted } from './sample.ts';

/** The configuration before and after, ready to be asked. */
export interface Comparison {
  readonly base: FederationIndex;
  readonly head: FederationIndex;
}

/** Users with the same policies before and after, in domains that are served alike: one of them speaks for all. */
export interface UserSegment {
  readonly domain: string;
  /** One of them, made up for a pattern or a domain. */
  readonly user: string;
  readonly before: EffectivePolicy;
  readonly after: EffectivePolicy;
  readonly users: Sampler;
  readonly patterns: Sampler;
  readonly restOf: Sampler;
}

export interface UserCensus {
  readonly segments: readonly UserSegment[];
  /** Users named by address in a domain that is served, before or after. */
  readonly knownUsers: number;
}

// No selector can hold it, since no localpart can (RFC 7622 section 3.3): it stands for whoever is not named.
const NOBODY_NAMED = '\ue000';

/**
 * All our users in as few segments as their policies allow. Users are known from the selectors of both sides: each one
 * named by address, everybody else of each pattern, and everybody else of each domain served.
 *
 * A user whom one grant names before and after is only counted, so that a million of them cost little.
 */
export function takeCensus(comparison: Comparison): UserCensus {
  const census = new Census(comparison);
  census.addGranted();
  census.addOthers();
  census.addRest();
  return { segments: census.segments(), knownUsers: census.knownUsers };
}

class Census {
  knownUsers = 0;
  private readonly comparison: Comparison;
  private readonly served: ReadonlySet<string>;
  private readonly byKey = new Map<string, UserSegment>();
  private readonly policyNumbers = new Map<ExternalAccessPolicy, number>();
  /** Selectors still to be looked up one by one. */
  private readonly others = new Set<string>();
  private readonly counted = new Set<string>();

  constructor(comparison: Comparison) {
    this.comparison = comparison;
    const { base, head } = comparison;
    this.served = new Set([...base.config.domains, ...head.config.domains].map(({ domain }) => domain));
  }

  addGranted(): void {
    const { base, head } = this.comparison;
    // Only with users named in sites it must be remembered who has been counted already.
    const remember = [base, head].some(({ config }) => config.sites.some(({ users }) => users.some(isAddress)));
    const [before, after] = [usersByPolicy(base.config), usersByPolicy(head.config)];
    for (const name of new Set([...before.keys(), ...after.keys()])) {
      const segmentOf = memoByDomain((user, domain) => this.segmentFor(user, domain));
      walkSorted(before.get(name) ?? [], after.get(name) ?? [], {
        both: (user) => {
          if (!isAddress(user)) {
            this.others.add(user);
            return;
          }
          if (remember) this.counted.add(user);
          this.count(segmentOf(user), user);
        },
        removed: (user) => this.others.add(user),
        added: (user) => this.others.add(user),
      });
    }
  }

  addOthers(): void {
    for (const { config } of [this.comparison.base, this.comparison.head]) {
      for (const { users } of config.sites) for (const user of users) this.others.add(user);
    }
    for (const selector of this.others) {
      if (this.counted.has(selector)) continue;
      const at = selector.indexOf('@');
      const domain = selector.slice(at + 1);
      if (isAddress(selector)) {
        this.count(this.segmentFor(selector, domain), selector);
      } else if (at > 1) {
        const user = `${selector.slice(0, at - 1)}${NOBODY_NAMED}@${domain}`;
        this.segmentFor(user, domain)?.patterns.add(selector);
      }
    }
  }

  addRest(): void {
    for (const domain of this.served) this.segmentFor(`${NOBODY_NAMED}@${domain}`, domain)?.restOf.add(domain);
  }

  segments(): readonly UserSegment[] {
    return [...this.byKey.values()];
  }

  private count(segment: UserSegment | undefined, user: string): void {
    if (segment === undefined) return;
    segment.users.add(user);
    this.knownUsers++;
  }

  /** Undefined for a user of a domain that is not served on either side: such a user does not exist for the policy. */
  private segmentFor(user: string, domain: string): UserSegment | undefined {
    if (!this.served.has(domain)) return undefined;
    const { base, head } = this.comparison;
    const [before, after] = [base.policyOf(user, domain), head.policyOf(user, domain)];
    const isServed = (index: FederationIndex) => (index.servedDomain(domain) === undefined ? 0 : 1);
    const key = `${this.numberOf(before.policy)} ${this.numberOf(after.policy)} ${isServed(base)} ${isServed(head)}`;
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const [users, patterns, restOf] = [new Sampler(), new Sampler(), new Sampler()];
    const segment: UserSegment = { domain, user, before, after, users, patterns, restOf };
    this.byKey.set(key, segment);
    return segment;
  }

  private numberOf(policy: ExternalAccessPolicy): number {
    const number = this.policyNumbers.get(policy) ?? this.policyNumbers.size;
    this.policyNumbers.set(policy, number);
    return number;
  }
}

/** Who is meant by several segments together. `side` says whose policies are named. */
export function reachOf(segments: readonly UserSegment[], side: 'before' | 'after'): UserReach {
  const policies = new Sampler();
  for (const identity of new Set(segments.map((segment) => segment[side].policy.identity))) policies.add(identity);
  return {
    users: Sampler.union(segments.map(({ users }) => users)),
    patterns: Sampler.union(segments.map(({ patterns }) => patterns)),
    restOf: Sampler.union(segments.map(({ restOf }) => restOf)),
    policies: policies.sampled(),
  };
}

function isAddress(selector: string): boolean {
  return selector.charCodeAt(selector.indexOf('@') - 1) !== 0x2a; // *
}

function usersByPolicy(config: FederationConfig): ReadonlyMap<string, readonly string[]> {
  const lists = new Map<string, (readonly string[])[]>();
  for (const { policyName, users } of config.grants) {
    const known = lists.get(policyName);
    if (known === undefined) lists.set(policyName, [users]);
    else known.push(users);
  }
  return new Map(Array.from(lists, ([name, users]) => [name, mergeSorted(users)]));
}

// Users of one grant and one domain share a segment; neighbours in the list mostly share the domain.
function memoByDomain<T>(find: (user: string, domain: string) => T): (user: string) => T {
  const byDomain = new Map<string, { readonly value: T }>();
  let suffix = '';
  let last: { readonly value: T } | undefined;
  return (user) => {
    if (last !== undefined && user.endsWith(suffix)) return last.value;
    const domain = user.slice(user.indexOf('@') + 1);
    last = byDomain.get(domain) ?? { value: find(user, domain) };
    byDomain.set(domain, last);
    suffix = `@${domain}`;
    return last.value;
  };
}
