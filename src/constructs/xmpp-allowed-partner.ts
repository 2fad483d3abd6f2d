import { Construct } from 'constructs';
import { crossCheck } from '../config/cross-check.ts';
import {
  type XmppAllowedPartner as Partner,
  type XmppAllowedPartnerProps as PartnerOptions,
  xmppAllowedPartner,
} from '../config/partner.ts';
import { childPath, type DeclarationProblem, refuse } from './declaration-error.ts';
import { type Options, readOptions } from './declared-options.ts';
import { FederationRecord } from './federation-record.ts';

/** Options of `New-CsXmppAllowedPartner`, with its defaults. */
export type XmppAllowedPartnerProps = Options<PartnerOptions>;

/** An organisation that the federation it is declared in lets in, and how. Makes no Terraform resource. */
export class XmppAllowedPartner extends Construct {
  /** What was declared, with every default filled in and names in normal form. */
  readonly definition: Partner;

  constructor(scope: Construct, id: string, props: XmppAllowedPartnerProps) {
    const path = childPath(scope, id);
    const record = FederationRecord.of(scope, path, 'partner');
    record.assertOpen(path, 'partner');
    const definition = readOptions(path, xmppAllowedPartner, props);
    refuse(path, impossibleIn(definition));
    super(scope, id);
    this.definition = definition;
    record.addPartner(this, definition);
    this.node.addValidation({ validate: () => [...record.errorsOf(this)] });
  }

  get domain(): string {
    return this.definition.domain;
  }
}

/** Options that cannot stand together, such as no way left to prove the partner's domain. */
function impossibleIn(partner: Partner): DeclarationProblem[] {
  const parts = { domains: [], xmppAllowedPartners: [partner], externalAccessPolicies: [], sites: [], grants: [] };
  return crossCheck(parts).map(({ path, message }) => ({
    option: path.replace(/^xmppAllowedPartners\[0\]\./, ''),
    message,
  }));
}
