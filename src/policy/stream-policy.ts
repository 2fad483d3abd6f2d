import type { XmppAllowedPartner } from '../config/index.ts';
import { ALLOW, type Decision, failClosed, refuse } from './decision.ts';
import { gatePartner, gateServedDomain, gateSwitch } from './federation-gates.ts';
import type { FederationIndex } from './federation-index.ts';

/** Ways a domain is proved on a stream, strongest first. */
export const AUTH_METHODS = ['sasl-over-tls', 'tls-dialback', 'tcp-dialback'] as const;
export type AuthMethod = (typeof AUTH_METHODS)[number];

/**
 * The methods a partner's TLS, SASL and dialback settings leave, strongest first: Lync's table of 18 rows.
 *
 * SASL "Required" excludes dialback only together with TLS "Required"; that is how the table has it.
 */
export function allowedMethods(partner: XmppAllowedPartner): readonly AuthMethod[] {
  return AUTH_METHODS.filter((method) => isMethodAllowed(partner, method));
}

/** Whether {@link allowedMethods} holds `method`. */
export function isMethodAllowed(partner: XmppAllowedPartner, method: AuthMethod): boolean {
  const { tlsNegotiation: tls, saslNegotiation: sasl, supportDialbackNegotiation: dialback } = partner;
  switch (method) {
    case 'sasl-over-tls':
      return tls !== 'NotSupported' && sasl !== 'NotSupported';
    case 'tls-dialback':
      return dialback && tls !== 'NotSupported' && !(tls === 'Required' && sasl === 'Required');
    case 'tcp-dialback':
      return dialback && tls !== 'Required';
  }
}

/** What a receiving entity advertises now, and what an initiating entity may use of what it is offered. */
export interface StreamOffer {
  readonly starttls: 'none' | 'optional' | 'required';
  readonly saslExternal: boolean;
  readonly dialback: boolean;
}

/**
 * `secured`: TLS is up. `certificateProves`: the peer's certificate is valid, trusted for this partner and names its
 * domain. EXTERNAL is offered only where it would succeed (XEP-0178), dialback whatever the certificate says.
 */
export function offerFeatures(
  partner: XmppAllowedPartner,
  facts: { readonly secured: boolean; readonly certificateProves: boolean },
): StreamOffer {
  if (facts.secured) {
    return {
      starttls: 'none',
      saslExternal: facts.certificateProves && isMethodAllowed(partner, 'sasl-over-tls'),
      dialback: isMethodAllowed(partner, 'tls-dialback'),
    };
  }
  const dialback = isMethodAllowed(partner, 'tcp-dialback');
  switch (partner.tlsNegotiation) {
    case 'Required':
      return { starttls: 'required', saslExternal: false, dialback };
    case 'Optional':
      return { starttls: 'optional', saslExternal: false, dialback };
    case 'NotSupported':
      return { starttls: 'none', saslExternal: false, dialback };
  }
}

/**
 * Whether two domains may talk at all: the switch, the served domain, the partner. Asked before a stream says or sends
 * anything. Domains in normal form.
 */
export function mayFederate(localDomain: string, remoteDomain: string, index: FederationIndex): Decision {
  return failClosed(judgePair, { localDomain, remoteDomain }, index);
}

export interface StreamFacts {
  readonly direction: 'inbound' | 'outbound';
  /** A domain of ours and one of the partner, in normal form. */
  readonly localDomain: string;
  readonly remoteDomain: string;
  readonly method: AuthMethod;
  /** The peer's certificate is valid, trusted for this partner and names `remoteDomain`. */
  readonly certificateProves: boolean;
}

/** Whether a stream may carry stanzas. Asked once the remote domain is proved, and for open streams after a reload. */
export function admitStream(facts: StreamFacts, index: FederationIndex): Decision {
  return failClosed(judgeStream, facts, index);
}

function judgePair(
  pair: { readonly localDomain: string; readonly remoteDomain: string },
  index: FederationIndex,
): Decision {
  const federation = gateSwitch(pair, index);
  if (federation !== ALLOW) return federation;
  const served = gateServedDomain(pair, index);
  if (served !== ALLOW) return served;
  return gatePartner(pair, index);
}

function judgeStream(facts: StreamFacts, index: FederationIndex): Decision {
  const pair = judgePair(facts, index);
  return pair === ALLOW ? gateMethod(facts, index) : pair;
}

/** The gate of the stream's method, for a pair that may federate. */
export function gateMethod(
  facts: Pick<StreamFacts, 'remoteDomain' | 'method' | 'certificateProves'>,
  index: FederationIndex,
): Decision {
  const entry = index.partnerOf(facts.remoteDomain);
  if (entry === undefined) return refuse('partner-not-allowed', 'xmppAllowedPartners');
  if (!isMethodAllowed(entry.partner, facts.method)) return refuseMethod(entry.partner, facts.method, entry.path);
  if (facts.method !== 'sasl-over-tls' || facts.certificateProves) return ALLOW;
  return refuse('certificate-not-valid', `${entry.path}.trustAnchors`);
}

// Names the one setting to look at. The order is that in which the settings bite on the wire.
function refuseMethod(partner: XmppAllowedPartner, method: AuthMethod, path: string): Decision {
  const { tlsNegotiation: tls, supportDialbackNegotiation: dialback } = partner;
  if (method === 'tcp-dialback' && tls === 'Required') return refuse('tls-required', `${path}.tlsNegotiation`);
  if (method !== 'tcp-dialback' && tls === 'NotSupported') return refuse('tls-not-supported', `${path}.tlsNegotiation`);
  if (method !== 'sasl-over-tls' && !dialback) {
    return refuse('dialback-not-supported', `${path}.supportDialbackNegotiation`);
  }
  return refuse('method-not-allowed', `${path}.saslNegotiation`);
}
