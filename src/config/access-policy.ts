import * as z from 'zod';
import { description, flag } from './field.ts';
import { userSelectors } from './user-selector.ts';

const NEW_POLICY = 'New-CsExternalAccessPolicy';
const NAME = '[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9._-])?';
const IDENTITY =
  '"global", "site:<name>" or the name of a user policy (letters, digits, spaces, dots, underscores, hyphens)';
const POLICY_NAME = 'the name of a user policy (not "global" or "site:<name>")';
const SITE_NAME = 'a site name of 1 to 64 letters, digits, spaces, dots, underscores or hyphens';

/** What the users holding this policy may do: `New-CsExternalAccessPolicy`. The winning policy counts whole. */
export const externalAccessPolicy = z.strictObject({
  identity: z
    .string({ error: IDENTITY })
    // `Global` would look like the global policy and be a user policy that nobody holds.
    .regex(new RegExp(`^(?:global|site:${NAME}|(?![Gg][Ll][Oo][Bb][Aa][Ll]$)${NAME})$`), { error: IDENTITY })
    .describe(
      `Whom the policy is for: \`global\` everyone, \`site:<name>\` the users of that site, any other name the users it is granted to. User beats site beats global. (${NEW_POLICY} -Identity)`,
    ),
  description: description().describe(`Notes for people. (${NEW_POLICY} -Description)`),
  enableFederationAccess: flag()
    .default(false)
    .describe(
      `Whether the users may talk to federated organisations at all; XMPP needs it too. (${NEW_POLICY} -EnableFederationAccess)`,
    ),
  enableXmppAccess: flag()
    .default(false)
    .describe(`Whether the users may talk to XMPP partners. (${NEW_POLICY} -EnableXmppAccess)`),
  enablePublicCloudAccess: flag()
    .default(false)
    .describe(
      `Kept for Lync's sake, without effect on XMPP: public SIP providers. (${NEW_POLICY} -EnablePublicCloudAccess)`,
    ),
  enableOutsideAccess: flag()
    .default(false)
    .describe(
      `Kept for Lync's sake, without effect on XMPP: sign-in over the Internet. (${NEW_POLICY} -EnableOutsideAccess)`,
    ),
});
export type ExternalAccessPolicy = z.output<typeof externalAccessPolicy>;
export type ExternalAccessPolicyProps = z.input<typeof externalAccessPolicy>;

const SELECTORS =
  'addresses (`ann@contoso.com`), patterns (`sales*@contoso.com`, `*@contoso.com`) or domains (`contoso.com`). An address beats a pattern, a longer pattern a shorter one, any pattern a domain.';

/** A site and its users, who get the policy `site:<name>` unless they are granted one of their own. */
export const site = z.strictObject({
  name: z
    .string({ error: SITE_NAME })
    .regex(new RegExp(`^${NAME}$`), { error: SITE_NAME })
    .describe('Name of the site, as in the policy identity `site:<name>`. (Set-CsSite -Identity)'),
  users: userSelectors.describe(`Users of the site: ${SELECTORS}`),
});
export type Site = z.output<typeof site>;
export type SiteProps = z.input<typeof site>;

/** Gives a user policy to users: `Grant-CsExternalAccessPolicy`. */
export const grant = z.strictObject({
  policyName: z
    .string({ error: POLICY_NAME })
    .regex(new RegExp(`^(?![Gg][Ll][Oo][Bb][Aa][Ll]$)${NAME}$`), { error: POLICY_NAME })
    .describe('Identity of the user policy granted. (Grant-CsExternalAccessPolicy -PolicyName)'),
  users: userSelectors.describe(`Users who get it: ${SELECTORS} (Grant-CsExternalAccessPolicy -Identity)`),
});
export type Grant = z.output<typeof grant>;
export type GrantProps = z.input<typeof grant>;
