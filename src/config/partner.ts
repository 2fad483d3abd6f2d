import * as z from 'zod';
import { domainName } from './domain.ts';
import { description, flag, nameOf, oneOf, wholeNumber } from './field.ts';

const NEW_PARTNER = 'New-CsXmppAllowedPartner';
const SHA256 = 'a SHA-256 in base64 (44 characters)';

/** What a partner's certificate may chain to, or what its public key must be, instead of the public authorities. */
export const trustAnchor = z.union(
  [
    z.strictObject({
      certificate: nameOf('a certificate reference').describe(
        "Name of a PEM certificate reference: a private authority, or the partner's own self-signed certificate.",
      ),
    }),
    z.strictObject({
      publicKeySha256: z
        .string({ error: SHA256 })
        .regex(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, { error: SHA256 })
        .meta({ title: 'base64' })
        .describe(
          "Base64 of the SHA-256 of the SubjectPublicKeyInfo of the partner's certificate. (RFC 7469 section 2.4)",
        ),
    }),
  ],
  { error: 'an object with either certificate or publicKeySha256' },
);
export type TrustAnchor = z.output<typeof trustAnchor>;

/** One organisation we federate with over XMPP: `New-CsXmppAllowedPartner`, and what that cmdlet lacked. */
export const xmppAllowedPartner = z.strictObject({
  domain: domainName.describe(`Primary XMPP domain of the partner; no wildcards. (${NEW_PARTNER} -Domain)`),
  additionalDomains: z
    .array(domainName)
    .prefault([])
    .describe(`Further domains of the same partner, under the same settings. (${NEW_PARTNER} -AdditionalDomains)`),
  description: description().describe(`Notes for people, e.g. whom to call. (${NEW_PARTNER} -Description)`),
  partnerType: oneOf('Federated', 'PublicVerified', 'PublicUnverified')
    .default('PublicUnverified')
    .describe(
      `How far the partner's users are trusted: Federated may message and subscribe unasked and see notes; PublicVerified the same without notes; PublicUnverified only once our user lists the contact. (${NEW_PARTNER} -PartnerType)`,
    ),
  tlsNegotiation: oneOf('Required', 'Optional', 'NotSupported')
    .default('Required')
    .describe(
      `Whether a stream must, may or must not be encrypted. (${NEW_PARTNER} -TlsNegotiation; RFC 6120 section 5)`,
    ),
  saslNegotiation: oneOf('Required', 'Optional', 'NotSupported')
    .default('Required')
    .describe(
      `Whether a certificate must, may or must not prove the domain by SASL EXTERNAL, which needs TLS. (${NEW_PARTNER} -SaslNegotiation; XEP-0178)`,
    ),
  supportDialbackNegotiation: flag()
    .default(true)
    .describe(
      `Whether Server Dialback may prove the domain where the two settings above leave room for it. (${NEW_PARTNER} -SupportDialbackNegotiation; XEP-0220)`,
    ),
  enableKeepAlive: flag()
    .default(true)
    .describe(
      `Whether a stream that stays silent for keepAliveInterval is asked for a sign of life and closed without one. (${NEW_PARTNER} -EnableKeepAlive; XEP-0199)`,
    ),
  connectionLimit: wholeNumber(1, 100_000)
    .optional()
    .describe(
      `Streams this partner may have at once; without it partnerConnectionLimit holds. (${NEW_PARTNER} -ConnectionLimit)`,
    ),
  proxyFqdn: domainName
    .optional()
    .describe(`Host to connect to instead of asking DNS for the partner's service. (${NEW_PARTNER} -ProxyFqdn)`),
  proxyPort: wholeNumber(1, 65_535).default(5269).describe('TCP port at proxyFqdn. (RFC 6120 section 3.2)'),
  proxyDirectTls: flag()
    .default(false)
    .describe('Whether TLS starts at once at proxyFqdn, without STARTTLS. (XEP-0368)'),
  trustAnchors: z
    .array(trustAnchor)
    .default([])
    .describe(
      "What may prove this partner's certificate: private authorities, self-signed certificates or pinned public keys. Empty means the public authorities; otherwise only these count.",
    ),
  allowedStanzaKinds: z
    .array(oneOf('message', 'presence', 'iq'))
    .default(['message', 'presence', 'iq'])
    .describe('Kinds of stanza that may pass, in either direction. (RFC 6120 section 8.2)'),
  messageRateLimit: wholeNumber(1, 1_000_000)
    .optional()
    .describe('Messages per second accepted from this partner, all its streams together; no limit when left out.'),
});
export type XmppAllowedPartner = z.output<typeof xmppAllowedPartner>;
export type XmppAllowedPartnerProps = z.input<typeof xmppAllowedPartner>;
