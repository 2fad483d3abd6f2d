import * as z from 'zod';
import { domainName } from './domain.ts';
import { nameOf } from './field.ts';

/** A domain this gateway speaks for. */
export const servedDomain = z.strictObject({
  domain: domainName.describe(
    'XMPP domain of our users. International names are accepted and kept as A-labels. (RFC 7622 section 3.2)',
  ),
  sipDomain: domainName
    .optional()
    .describe('SIP domain of the same users, when it differs from `domain`. (RFC 7247 section 6.1)'),
  certificate: nameOf('a certificate reference')
    .default('default')
    .describe(
      'Name of the certificate shown for this domain. Only a name: the host maps it to files, so that no key is ever part of the configuration.',
    ),
});
export type ServedDomainConfig = z.output<typeof servedDomain>;
export type ServedDomainConfigProps = z.input<typeof servedDomain>;
