import { createHash } from 'node:crypto';
import { type AlternativeNames, NO_NAMES } from './general-names.ts';
import { provesDomain } from './identity.ts';
import { type PathFailure, type PathVerdict, validatePath } from './path-validation.ts';
import type { TrustStore } from './trust-store.ts';

/** What policy may know about the certificate of a peer. */
export interface PeerCertificateFacts {
  readonly presented: boolean;
  /** Whether a trusted path, or a pin, vouches for it. */
  readonly valid: boolean;
  /** Why it is not valid. */
  readonly reason?: PathFailure | 'not-presented';
  /** Whether it is valid and names this XMPP domain (normal form). */
  proves(domain: string): boolean;
  /** Whether it names this XMPP domain, valid or not: only for telling an operator what is wrong. */
  mentions(domain: string): boolean;
  /** Whether it is valid and has this host name as a dNSName, without wildcards (RFC 5922 section 7.2). */
  provesHost(fqdn: string): boolean;
  /** Lower-case hexadecimal; empty when nothing readable was presented. */
  readonly fingerprintSha256: string;
  /** Milliseconds since 1970. */
  readonly notAfter: number | undefined;
  /** Subject alternative names that can prove a domain, with their kind, for example `dNSName:a.example`. */
  readonly names: readonly string[];
}

export const NO_PEER_CERTIFICATE: PeerCertificateFacts = {
  presented: false,
  valid: false,
  reason: 'not-presented',
  proves: () => false,
  mentions: () => false,
  provesHost: () => false,
  fingerprintSha256: '',
  notAfter: undefined,
  names: [],
};

interface CachedFacts {
  readonly facts: PeerCertificateFacts;
  readonly notBefore: number;
  readonly notAfter: number;
}

const MAX_CACHED = 4_096;
/** A refusal may turn out otherwise later, when it hangs on the date of a certificate further up. */
const REFUSAL_LIFETIME = 60_000;

/**
 * Judges the certificates of peers against one trust store and remembers the verdicts, so that a storm of reconnecting
 * peers does not verify the same signatures again. New anchors mean a new object, and with it an empty memory.
 */
export class PeerTrust {
  readonly #trust: TrustStore;
  readonly #known = new Map<string, CachedFacts>();

  constructor(trust: TrustStore) {
    this.#trust = trust;
  }

  /**
   * @param chain DER certificates in the order the peer sent them; empty when it sent none
   * @param now milliseconds since 1970
   */
  judge(chain: readonly Buffer[], now: number): PeerCertificateFacts {
    if (chain.length === 0) return NO_PEER_CERTIFICATE;
    const key = chainDigest(chain);
    const known = this.#known.get(key);
    if (known !== undefined && now >= known.notBefore && now <= known.notAfter) return known.facts;

    const verdict = validatePath({ chain, trust: this.#trust, now });
    const facts = factsOf(verdict);
    if (known === undefined && this.#known.size >= MAX_CACHED) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    this.#known.set(key, {
      facts,
      notBefore: verdict.valid ? verdict.notBefore : now,
      notAfter: verdict.valid ? verdict.notAfter : now + REFUSAL_LIFETIME,
    });
    return facts;
  }
}

function factsOf(verdict: PathVerdict): PeerCertificateFacts {
  const { leaf, valid } = verdict;
  // Not the leaf itself: a remembered verdict need not keep the whole certificate alive.
  const names = leaf?.names ?? NO_NAMES;
  const mentions = (domain: string): boolean => provesDomain(names, domain);
  return {
    presented: true,
    valid,
    ...(verdict.valid ? {} : { reason: verdict.reason }),
    proves: (domain) => valid && mentions(domain),
    mentions,
    provesHost: (fqdn) => valid && names.dnsNames.includes(fqdn),
    fingerprintSha256: leaf?.fingerprintSha256 ?? '',
    notAfter: leaf?.notAfter,
    names: describeNames(names),
  };
}

function describeNames(names: AlternativeNames): string[] {
  return [
    ...names.dnsNames.map((name) => `dNSName:${name}`),
    ...names.srvNames.map((name) => `SRVName:${name}`),
    ...names.xmppAddrs.map((name) => `XmppAddr:${name}`),
  ];
}

function chainDigest(chain: readonly Buffer[]): string {
  const hash = createHash('sha256');
  for (const der of chain) hash.update(`${der.length}:`).update(der);
  return hash.digest('base64');
}
