import * as z from 'zod';
import { flag, nameOf, wholeNumber } from './field.ts';

const SET_GATEWAY = 'Set-CsXmppGatewayConfiguration';

/** Settings of the gateway towards all partners: `Set-CsXmppGatewayConfiguration`. Times are in seconds. */
export const xmppGatewayConfiguration = z.strictObject({
  connectionLimit: wholeNumber(1, 100_000)
    .default(1000)
    .describe(`Streams open at once, all partners together. (${SET_GATEWAY} -ConnectionLimit)`),
  partnerConnectionLimit: wholeNumber(1, 100_000)
    .default(20)
    .describe(
      `Streams one partner may have at once, unless its own connectionLimit says otherwise. (${SET_GATEWAY} -PartnerConnectionLimit)`,
    ),
  keepAliveInterval: wholeNumber(1, 86_400)
    .default(300)
    .describe(
      `Seconds of silence after which a partner is asked for a sign of life. (${SET_GATEWAY} -KeepAliveInterval)`,
    ),
  streamEstablishmentTimeout: wholeNumber(1, 3_600)
    .default(60)
    .describe(
      `Seconds from the start of a connection until the stream must be proved. (${SET_GATEWAY} -StreamEstablishmentTimeout)`,
    ),
  streamInactivityTimeout: wholeNumber(1, 604_800)
    .default(600)
    .describe(`Seconds without a stanza after which a stream is closed. (${SET_GATEWAY} -StreamInactivityTimeout)`),
  subscriptionRefreshInterval: wholeNumber(1, 2_592_000)
    .default(28_800)
    .describe(
      `Seconds within which a presence subscription must be refreshed. (${SET_GATEWAY} -SubscriptionRefreshInterval; RFC 8048)`,
    ),
  enableLoggingAllMessageBodies: flag()
    .default(false)
    .describe(`Whether logs hold the text of messages. (${SET_GATEWAY} -EnableLoggingAllMessageBodies)`),
  maximumStanzaSize: wholeNumber(10_000, 1_048_576)
    .default(65_536)
    .describe('Largest stanza accepted, in bytes. (RFC 6120 section 13.12; XEP-0478)'),
  dialbackPassphrase: nameOf('a secret')
    .default('dialback-passphrase')
    .describe(
      `Name of the secret dialback keys are made from; gateways of one domain share it. Only a name, never the secret. (${SET_GATEWAY} -DialbackPassphrase; XEP-0185)`,
    ),
});
export type XmppGatewayConfiguration = z.output<typeof xmppGatewayConfiguration>;
export type XmppGatewayConfigurationProps = z.input<typeof xmppGatewayConfiguration>;
