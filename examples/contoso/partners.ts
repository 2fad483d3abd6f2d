import type { XmppAllowedPartnerProps } from '../../src/constructs/index.ts';
import type { Environment } from './environments.ts';

/** Partners of every environment: what is tried out in dev is what goes to production. */
const EVERYWHERE: readonly XmppAllowedPartnerProps[] = [
  {
    domain: 'fabrikam.com',
    additionalDomains: ['corp.fabrikam.com'],
    description: 'Supplier of parts. Its certificate must prove the domain.',
    partnerType: 'Federated',
    tlsNegotiation: 'Required',
    saslNegotiation: 'Required',
    supportDialbackNegotiation: false,
  },
  {
    domain: 'adatum.com',
    description: 'Sales partner. Its server cannot show a client certificate, so dialback over TLS is allowed.',
    partnerType: 'Federated',
    tlsNegotiation: 'Required',
    saslNegotiation: 'Optional',
    supportDialbackNegotiation: true,
  },
];

/** Partners whose servers are reached from staging and production only. */
const OUTSIDE_DEV: readonly XmppAllowedPartnerProps[] = [
  {
    domain: 'tailspintoys.com',
    description: 'Subsidiary behind a private line, with a certificate authority of its own.',
    partnerType: 'Federated',
    saslNegotiation: 'Required',
    supportDialbackNegotiation: false,
    proxyFqdn: 'xmpp.tailspintoys.com',
    trustAnchors: [{ certificate: 'tailspin-root-ca' }],
    connectionLimit: 4,
  },
  {
    domain: 'wingtiptoys.com',
    description: 'Public provider: its users reach only those of ours who have listed them.',
    partnerType: 'PublicUnverified',
    saslNegotiation: 'Optional',
    allowedStanzaKinds: ['message', 'presence'],
    messageRateLimit: 50,
  },
];

export function partnersOf(environment: Environment): readonly XmppAllowedPartnerProps[] {
  return environment === 'dev' ? EVERYWHERE : [...EVERYWHERE, ...OUTSIDE_DEV];
}
