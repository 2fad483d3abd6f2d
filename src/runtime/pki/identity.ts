import type { AlternativeNames } from './general-names.ts';

/**
 * Whether a certificate names an XMPP domain for server-to-server use (RFC 6120 section 13.7.1, RFC 9525):
 * XmppAddr, SRVName `_xmpp-server.<domain>`, or dNSName, where one whole left-most label may be `*`. The common name
 * never counts. Says nothing about who vouches for the certificate.
 *
 * @param domain normal form: lower-case A-labels, no trailing dot
 */
export function provesDomain(names: AlternativeNames, domain: string): boolean {
  return (
    names.xmppAddrs.includes(domain) ||
    names.srvNames.includes(`_xmpp-server.${domain}`) ||
    names.dnsNames.some((name) => matchesDnsName(name, domain))
  );
}

/** Case is the caller's: both sides are lower case. */
export function matchesDnsName(name: string, domain: string): boolean {
  if (name === domain) return !name.includes('*');
  if (!name.startsWith('*.')) return false;
  const parent = name.slice(2);
  // `*.com` would speak for every domain of a registry.
  if (!parent.includes('.') || parent.includes('*')) return false;
  const dot = domain.indexOf('.');
  return dot > 0 && domain.slice(dot + 1) === parent;
}
