import ipaddr from 'ipaddr.js';
import * as z from 'zod';
import { domainName } from './domain.ts';
import { flag, oneOf, wholeNumber } from './field.ts';

const ADDRESS = 'an IP address or a network such as "192.0.2.0/24" (no host bits set)';

/** A SIP server that takes our requests. */
export const sipNextHop = z.strictObject({
  fqdn: domainName.describe('Host name of the server, or with useSrv the domain whose SRV records name it. (RFC 3263)'),
  port: wholeNumber(1, 65_535)
    .optional()
    .describe('Port; left out, 5061 for tls and 5060 otherwise. Not used with useSrv. (RFC 3261 section 19.1.2)'),
  transport: oneOf('tls', 'tcp', 'udp')
    .default('tls')
    .describe('Transport of SIP requests to it; tls is mutual. (RFC 3261 section 18)'),
  priority: wholeNumber(0, 65_535).default(10).describe('Lower numbers are tried first. (as in RFC 2782)'),
  weight: wholeNumber(0, 65_535)
    .default(10)
    .describe('Share of the traffic among next hops of one priority. (as in RFC 2782)'),
  useSrv: flag().default(false).describe('Whether SRV records decide hosts, ports and order. (RFC 3263 section 4.2)'),
});
export type SipNextHop = z.output<typeof sipNextHop>;
export type SipNextHopProps = z.input<typeof sipNextHop>;

const trustedAddress: z.ZodType<string, string> = z
  .string({ error: ADDRESS })
  .transform((text, context) => {
    const address = normalizeAddress(text);
    if (address !== undefined) return address;
    context.issues.push({ code: 'custom', message: ADDRESS, input: text });
    return z.NEVER;
  })
  .meta({ title: 'IP address or network' });

/** The SIP side: where our requests go and whose requests we take. */
export const sipConfiguration = z.strictObject({
  nextHops: z
    .array(sipNextHop)
    .min(1, { error: 'at least one next hop' })
    .describe('SIP servers that take our requests; at least one.'),
  trustedAddresses: z
    .array(trustedAddress)
    .prefault([])
    .describe('IP addresses and networks that may send to us over udp or tcp. Empty means nobody.'),
  trustedTlsNames: z
    .array(domainName)
    .prefault([])
    .describe('Names of which a TLS client certificate must carry one to send to us. Empty means nobody. (RFC 5922)'),
  dialect: oneOf('rfc7572').default('rfc7572').describe('How messages look on the SIP side: page mode. (RFC 7572)'),
});
export type SipConfiguration = z.output<typeof sipConfiguration>;
export type SipConfigurationProps = z.input<typeof sipConfiguration>;

/** Canonical text of an IP address or network; undefined for anything else, also for one with host bits set. */
export function normalizeAddress(text: string): string | undefined {
  const slash = text.indexOf('/');
  if (slash < 0) return parseAddress(text)?.toString();
  const address = parseAddress(text.slice(0, slash));
  const digits = text.slice(slash + 1);
  if (address === undefined || !/^(?:0|[1-9][0-9]{0,2})$/.test(digits)) return undefined;
  const bytes = address.toByteArray();
  const length = Number(digits);
  if (length > bytes.length * 8) return undefined;
  for (let bit = length; bit < bytes.length * 8; bit++) {
    if (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) return undefined;
  }
  return `${address.toString()}/${length}`;
}

// Only the dotted form with four decimals: `0x7f.1` and `010.0.0.1` read differently in different programs.
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  // Neither zones nor IPv4-mapped addresses: a socket may report the same peer without them.
  if (text.length > 45 || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? undefined : address;
}
