import type { XmppAllowedPartner } from './partner.ts';

/** What is wrong with a partner's TLS, SASL and dialback settings taken together. `option` is the one to change. */
export interface NegotiationProblem {
  readonly rule: string;
  readonly severity: 'error' | 'warning';
  readonly option: keyof XmppAllowedPartner;
  readonly message: string;
}

/**
 * Lync's table of 18 combinations: 5 leave no way to prove the domain (errors), 7 are questionable (warnings), 6 are
 * fine (undefined).
 */
export function negotiationProblem(
  partner: Pick<XmppAllowedPartner, 'tlsNegotiation' | 'saslNegotiation' | 'supportDialbackNegotiation'>,
): NegotiationProblem | undefined {
  const { tlsNegotiation: tls, saslNegotiation: sasl, supportDialbackNegotiation: dialback } = partner;
  if (sasl === 'NotSupported') {
    if (dialback) return undefined;
    return {
      rule: 'no-auth-method',
      severity: 'error',
      option: 'supportDialbackNegotiation',
      message: 'expected true while saslNegotiation is NotSupported (nothing else could prove the domain), got false',
    };
  }
  if (tls === 'NotSupported' && !dialback) {
    return {
      rule: 'sasl-without-tls-no-dialback',
      severity: 'error',
      option: 'saslNegotiation',
      message: `expected dialback or TLS to be possible (SASL needs TLS), got saslNegotiation ${sasl}, tlsNegotiation NotSupported and no dialback`,
    };
  }
  if (tls === 'NotSupported') {
    return {
      rule: 'sasl-without-tls',
      severity: 'warning',
      option: 'saslNegotiation',
      message: `${sasl} has no effect: SASL needs TLS, which is NotSupported, so only dialback over TCP is left`,
    };
  }
  if (tls === 'Optional') {
    return {
      rule: 'tls-optional-with-sasl',
      severity: 'warning',
      option: 'tlsNegotiation',
      message: `SASL (${sasl}) needs TLS: leaving TLS Optional can make negotiation fail`,
    };
  }
  if (sasl === 'Required' && dialback) {
    return {
      rule: 'dialback-inert',
      severity: 'warning',
      option: 'supportDialbackNegotiation',
      message: 'dialback is never used while TLS and SASL are both Required',
    };
  }
  return undefined;
}
