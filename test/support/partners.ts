import { type XmppAllowedPartner, type XmppAllowedPartnerProps, xmppAllowedPartner } from '../../src/config/index.ts';

/** A partner with every default, also in combinations that a whole configuration would refuse. */
export function partnerWith(props: Partial<XmppAllowedPartnerProps>): XmppAllowedPartner {
  return xmppAllowedPartner.parse({ domain: 'fabrikam.com', ...props });
}
