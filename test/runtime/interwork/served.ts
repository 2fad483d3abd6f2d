import type { ServedDomainNames, ServedDomains } from '../../../src/runtime/interwork/served-domains.ts';

/** One domain under a single name, one whose SIP name differs. */
const NAMES: readonly ServedDomainNames[] = [
  { domain: 'example.net', sipDomain: 'example.net' },
  { domain: 'chat.contoso.example', sipDomain: 'contoso.example' },
];

export const served: ServedDomains = {
  servedDomain: (domain) => NAMES.find((names) => names.domain === domain),
  servedSipDomain: (sipDomain) => NAMES.find((names) => names.sipDomain === sipDomain),
};
