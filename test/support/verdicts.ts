import type { FederationConfig } from '../../src/config/index.ts';
import {
  AUTH_METHODS,
  admitStream,
  authorizeStanza,
  type FederationIndex,
  indexFederation,
  maySeeNotes,
} from '../../src/policy/index.ts';

/** A verdict that differs between two configurations. */
export interface Flip {
  readonly kind: 'stream' | 'stanza' | 'notes';
  readonly change: 'opened' | 'closed';
  readonly traffic: 'inbound' | 'outbound';
  readonly localDomain: string;
  readonly remoteDomain: string;
  readonly user?: string;
  readonly stanza?: string;
  readonly contactListed?: boolean;
  readonly method?: string;
  readonly certificateProves?: boolean;
}

interface Asked {
  readonly users: readonly { readonly user: string; readonly domain: string }[];
  readonly domains: readonly string[];
}

const DIRECTIONS = ['inbound', 'outbound'] as const;
const KINDS = ['message', 'presence', 'subscribe', 'iq'] as const;

/** Everybody and every domain that two configurations name, and somebody that they do not. */
export function everybodyIn(...configs: readonly FederationConfig[]): Asked {
  const served = configs.flatMap((config) => config.domains.map(({ domain }) => domain));
  const selectors = configs.flatMap((config) => [...config.grants, ...config.sites].flatMap(({ users }) => users));
  const users = [
    ...selectors.map((selector) => selector.replace('*', 'zzz')),
    ...served.map((domain) => `nobody@${domain}`),
  ];
  const remote = configs.flatMap((config) =>
    config.xmppAllowedPartners.flatMap((p) => [p.domain, ...p.additionalDomains]),
  );
  return {
    users: [...new Set(users)].map((user) => ({ user, domain: user.slice(user.indexOf('@') + 1) })),
    domains: [...new Set([...remote, ...served, 'stranger.example'])],
  };
}

/** Asks every question about every pair, one by one: slow, and beyond doubt. */
export function flipsBetween(base: FederationConfig, head: FederationConfig, asked: Asked): readonly Flip[] {
  const [before, after] = [indexFederation(base), indexFederation(head)];
  const flips: Flip[] = [];
  const note = (facts: Omit<Flip, 'change'>, ask: (index: FederationIndex) => boolean) => {
    const [old, fresh] = [ask(before), ask(after)];
    if (old !== fresh) flips.push({ ...facts, change: fresh ? 'opened' : 'closed' });
  };
  for (const remoteDomain of asked.domains) {
    for (const localDomain of new Set(asked.users.map(({ domain }) => domain))) {
      for (const traffic of DIRECTIONS) {
        for (const method of AUTH_METHODS) {
          for (const certificateProves of [true, false]) {
            const facts = { direction: traffic, localDomain, remoteDomain, method, certificateProves };
            note(
              { kind: 'stream', traffic, localDomain, remoteDomain, method, certificateProves },
              (index) => admitStream(facts, index).verdict === 'allow',
            );
          }
        }
      }
    }
    for (const { user, domain } of asked.users) {
      for (const traffic of DIRECTIONS) {
        for (const stanza of KINDS) {
          for (const contactListed of [true, false]) {
            const pair = { localDomain: domain, remoteDomain };
            const facts = { ...pair, direction: traffic, localUser: user, kind: stanza, contactListed };
            note(
              { kind: 'stanza', ...pair, traffic, user, stanza, contactListed },
              (index) => authorizeStanza(facts, index).verdict === 'allow',
            );
          }
        }
      }
      note({ kind: 'notes', localDomain: domain, remoteDomain, traffic: 'outbound', user }, (index) => {
        const partner = index.partnerOf(remoteDomain)?.partner;
        const facts = {
          localUser: user,
          localDomain: domain,
          remoteDomain,
          kind: 'presence',
          contactListed: false,
        } as const;
        const sent = authorizeStanza({ ...facts, direction: 'outbound' }, index).verdict === 'allow';
        return partner !== undefined && sent && maySeeNotes(partner);
      });
    }
  }
  return flips;
}
