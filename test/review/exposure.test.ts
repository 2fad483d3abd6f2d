import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { FederationConfig } from '../../src/config/index.ts';
import { indexFederation } from '../../src/policy/index.ts';
import { changedVerdicts, type ExposureFact } from '../../src/review/exposure.ts';
import {
  askedDomains,
  askedUsers,
  federationProps,
  parsed,
  sampleFederation,
  sampleProps,
} from '../support/federations.ts';
import { everybodyIn, type Flip, flipsBetween } from '../support/verdicts.ts';

function exposuresOf(base: FederationConfig, head: FederationConfig): readonly ExposureFact[] {
  return changedVerdicts({ base: indexFederation(base), head: indexFederation(head) }).facts;
}

const sentencesOf = (base: FederationConfig, head: FederationConfig) =>
  exposuresOf(base, head).map(({ sentence }) => sentence);

/** Whether an exposure says that this verdict changed. Only for few users and partners, all of whom it names. */
function covers(exposure: ExposureFact, flip: Flip, configs: readonly FederationConfig[]): boolean {
  const { kind, change, traffic, remoteDomains } = exposure;
  if (kind !== flip.kind || change !== flip.change || !remoteDomains.samples.includes(flip.remoteDomain)) return false;
  if (traffic !== 'both' && traffic !== flip.traffic) return false;
  if (kind === 'stream') {
    const isCertificate =
      exposure.certificate === 'either' || (exposure.certificate === 'valid') === flip.certificateProves;
    return (
      exposure.method === flip.method &&
      isCertificate &&
      exposure.localDomains?.samples.includes(flip.localDomain) === true
    );
  }
  if (!reaches(exposure, flip.user ?? '', configs)) return false;
  if (kind === 'notes') return true;
  const isContact = exposure.contact === 'either' || (exposure.contact === 'listed') === flip.contactListed;
  return isContact && exposure.kinds?.includes(flip.stanza ?? '') === true;
}

/** By address, else by the longest pattern that either configuration has, else as one of the rest of the domain. */
function reaches({ reach }: ExposureFact, user: string, configs: readonly FederationConfig[]): boolean {
  const domain = user.slice(user.indexOf('@') + 1);
  const selectors = configs.flatMap((config) => [...config.grants, ...config.sites].flatMap(({ users }) => users));
  if (selectors.includes(user)) return reach?.users.samples.includes(user) === true;
  const patterns = selectors.filter((selector) => {
    const star = selector.indexOf('*@');
    return star > 0 && selector.slice(star + 2) === domain && user.startsWith(selector.slice(0, star));
  });
  const longest = patterns.sort((a, b) => b.length - a.length)[0];
  if (longest !== undefined) return reach?.patterns.samples.includes(longest) === true;
  return reach?.restOf.samples.includes(domain) === true;
}

test('what is said is what every single question gives, no more and no less', () => {
  fc.assert(
    fc.property(federationProps, federationProps, (before, after) => {
      const configs = [parsed(before), parsed(after)] as const;
      const everybody = everybodyIn(...configs);
      const asked = {
        users: [...new Map([...everybody.users, ...askedUsers].map((entry) => [entry.user, entry])).values()],
        domains: [...new Set([...everybody.domains, ...askedDomains])],
      };
      const flips = flipsBetween(...configs, asked);
      const exposures = exposuresOf(...configs);
      for (const flip of flips) {
        assert.equal(exposures.filter((exposure) => covers(exposure, flip, configs)).length, 1, JSON.stringify(flip));
      }
      for (const exposure of exposures) {
        const covered = flips.filter((flip) => covers(exposure, flip, configs));
        assert.equal(covered.length, combinations(exposure, covered), exposure.sentence);
      }
    }),
    { numRuns: 100, includeErrorInReport: true },
  );
});

/** How many changed verdicts an exposure stands for: all combinations of what it names. */
function combinations(exposure: ExposureFact, covered: readonly Flip[]): number {
  const { kind, traffic, remoteDomains, reach, kinds = [], contact, certificate, localDomains } = exposure;
  const directions = traffic === 'both' ? 2 : 1;
  if (kind === 'stream') {
    return remoteDomains.count * (localDomains?.count ?? 0) * directions * (certificate === 'either' ? 2 : 1);
  }
  const users = new Set(covered.map(({ user }) => user ?? ''));
  assert.deepEqual(
    reach?.users.samples.filter((user) => !users.has(user)),
    [],
  );
  assert.ok(users.size >= reach.users.count + reach.patterns.count + reach.restOf.count);
  const questions = kind === 'notes' ? 1 : kinds.length * (contact === 'either' ? 2 : 1);
  return remoteDomains.count * users.size * questions;
}

test('the same configuration on both sides changes nothing', () => {
  fc.assert(
    fc.property(federationProps, (props) => {
      assert.deepEqual(exposuresOf(parsed(props), parsed(props)), []);
    }),
    { numRuns: 50 },
  );
});

test('an unencrypted stream', () => {
  const base = sampleProps({ xmppAllowedPartners: [{ domain: 'adatum.com' }] });
  const head = sampleProps({ xmppAllowedPartners: [{ domain: 'adatum.com', tlsNegotiation: 'Optional' }] });
  assert.deepEqual(sentencesOf(parsed(base), parsed(head)), [
    'contoso.com with adatum.com: an encrypted stream proved by dialback is now accepted',
    'contoso.com with adatum.com: an unencrypted stream proved by dialback is now accepted',
  ]);
  assert.deepEqual(sentencesOf(parsed(head), parsed(base)), [
    'contoso.com with adatum.com: an encrypted stream proved by dialback is no longer accepted',
    'contoso.com with adatum.com: an unencrypted stream proved by dialback is no longer accepted',
  ]);
});

test('a partner type says who may write unasked, and who reads notes', () => {
  const withType = (partnerType: 'Federated' | 'PublicVerified' | 'PublicUnverified') =>
    sampleFederation({
      xmppAllowedPartners: [{ domain: 'fabrikam.com', additionalDomains: ['corp.fabrikam.com'], partnerType }],
    });
  assert.deepEqual(sentencesOf(withType('PublicUnverified'), withType('PublicVerified')), [
    'corp.fabrikam.com and fabrikam.com: contacts may now reach ann@contoso.com (policy XmppUsers) without being on their list',
  ]);
  assert.deepEqual(sentencesOf(withType('Federated'), withType('PublicVerified')), [
    'corp.fabrikam.com and fabrikam.com: contacts may no longer read the presence notes of ann@contoso.com (policy XmppUsers)',
  ]);
});

test('many users and many partners are counted', () => {
  const partners = Array.from({ length: 12 }, (_, i) => ({
    domain: `partner${i}.example`,
    partnerType: 'Federated' as const,
  }));
  const users = Array.from({ length: 1240 }, (_, i) => `user${i}@contoso.com`);
  const base = sampleFederation({ xmppAllowedPartners: partners, grants: [] });
  const head = sampleFederation({ xmppAllowedPartners: partners, grants: [{ policyName: 'XmppUsers', users }] });
  assert.deepEqual(sentencesOf(base, head), [
    '12 partners (partner0.example, partner1.example, partner10.example, …): 1 240 users (policy XmppUsers) may now reach contacts',
    '12 partners (partner0.example, partner1.example, partner10.example, …): contacts may now reach 1 240 users (policy XmppUsers)',
    '12 partners (partner0.example, partner1.example, partner10.example, …): contacts may now read the presence notes of 1 240 users (policy XmppUsers)',
  ]);
  const { users: counts, openEnded } = changedVerdicts({ base: indexFederation(base), head: indexFederation(head) });
  assert.deepEqual(counts, { known: 1240, gaining: 1240, losing: 0 });
  assert.deepEqual(openEnded, { gaining: false, losing: false });
});

test('a whole domain', () => {
  const base = sampleFederation();
  const everybody = sampleFederation({
    grants: [{ policyName: 'XmppUsers', users: ['contoso.com', 'ann@contoso.com'] }],
  });
  assert.match(
    sentencesOf(base, everybody)[0] ?? '',
    /: contacts may now reach everyone else at contoso\.com \(policy XmppUsers\)$/,
  );
  const closed = sampleFederation({ accessEdgeConfiguration: { allowFederatedUsers: false } });
  assert.deepEqual(sentencesOf(closed, everybody).slice(1, 3), [
    'fabrikam.com: contacts may now reach everyone at contoso.com (policy XmppUsers)',
    'fabrikam.com: contacts may now read the presence notes of everyone at contoso.com (policy XmppUsers)',
  ]);
});

test('a user in a site and in a grant is one user', () => {
  const changes = {
    sites: [{ name: 'Redmond', users: ['ann@contoso.com', 'bob@contoso.com'] }],
    grants: [{ policyName: 'XmppUsers', users: ['ann@contoso.com'] }],
  };
  const off = sampleFederation({ ...changes, accessEdgeConfiguration: { allowFederatedUsers: false } });
  const { users } = changedVerdicts({ base: indexFederation(off), head: indexFederation(sampleFederation(changes)) });
  assert.deepEqual(users, { known: 2, gaining: 1, losing: 0 });
});
