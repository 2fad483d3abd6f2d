import { Construct } from 'constructs';
import {
  externalAccessPolicy,
  type ExternalAccessPolicy as Policy,
  type ExternalAccessPolicyProps as PolicyOptions,
} from '../config/access-policy.ts';
import { childPath } from './declaration-error.ts';
import { type Options, readOptions } from './declared-options.ts';
import { FederationRecord } from './federation-record.ts';

/** Options of `New-CsExternalAccessPolicy`, with its defaults: everything is off until it is switched on. */
export type ExternalAccessPolicyProps = Options<PolicyOptions>;

/** What users of a site, users it is granted to, or all others may do. Makes no Terraform resource. */
export class ExternalAccessPolicy extends Construct {
  /** What was declared, with every default filled in. */
  readonly definition: Policy;

  constructor(scope: Construct, id: string, props: ExternalAccessPolicyProps) {
    const path = childPath(scope, id);
    const record = FederationRecord.of(scope, path, 'policy');
    record.assertOpen(path, 'policy');
    const definition = readOptions(path, externalAccessPolicy, props);
    super(scope, id);
    this.definition = definition;
    record.addPolicy(this, definition);
    this.node.addValidation({ validate: () => [...record.errorsOf(this)] });
  }

  /** `global`, `site:<name>`, or the name of a user policy. */
  get identity(): string {
    return this.definition.identity;
  }
}
