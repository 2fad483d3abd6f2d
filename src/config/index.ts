/** The contract: what a federation is, how it is checked, and its identity. */
export {
  type ExternalAccessPolicy,
  type ExternalAccessPolicyProps,
  externalAccessPolicy,
  type Grant,
  type GrantProps,
  grant,
  type Site,
  type SiteProps,
  site,
} from './access-policy.ts';
export { canonicalJson, federationDigest } from './canonical.ts';
export { domainName, normalizeDomain } from './domain.ts';
export { type AccessEdgeConfiguration, type AccessEdgeConfigurationProps, accessEdgeConfiguration } from './edge.ts';
export {
  type FederationConfig,
  type FederationConfigProps,
  federationConfig,
  parseFederation,
  parsePart,
  readFederation,
} from './federation.ts';
export type { Finding, Result } from './finding.ts';
export {
  type XmppGatewayConfiguration,
  type XmppGatewayConfigurationProps,
  xmppGatewayConfiguration,
} from './gateway.ts';
export { lintFederation } from './lint.ts';
export { federationJsonSchema, optionsMarkdown } from './options-document.ts';
export {
  type TrustAnchor,
  trustAnchor,
  type XmppAllowedPartner,
  type XmppAllowedPartnerProps,
  xmppAllowedPartner,
} from './partner.ts';
export { type ServedDomainConfig, type ServedDomainConfigProps, servedDomain } from './served-domain.ts';
export {
  type SipConfiguration,
  type SipConfigurationProps,
  type SipNextHop,
  type SipNextHopProps,
  sipConfiguration,
  sipNextHop,
} from './sip.ts';
export { normalizeUserSelector } from './user-selector.ts';
