import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Annotations, type ISynthesisSession, Lazy, TerraformOutput, TerraformStack } from 'cdktf';
import { addCustomSynthesis } from 'cdktf/lib/synthesize/synthesizer.js';
import { Construct } from 'constructs';
import { type GrantProps, grant, type SiteProps, site } from '../config/access-policy.ts';
import { canonicalJson, federationDigest } from '../config/canonical.ts';
import { type FederationConfig, type FederationConfigProps, federationConfig } from '../config/federation.ts';
import { lintFederation } from '../config/lint.ts';
import { childPath, describeProblem, refuse } from './declaration-error.ts';
import { type Options, readOptions } from './declared-options.ts';
import { ExternalAccessPolicy, type ExternalAccessPolicyProps } from './external-access-policy.ts';
import { FederationRecord } from './federation-record.ts';
import { normalForm } from './option-checks.ts';
import { XmppAllowedPartner, type XmppAllowedPartnerProps } from './xmpp-allowed-partner.ts';
import { XmppGatewayConfiguration } from './xmpp-gateway-configuration.ts';

/**
 * The keys of the configuration itself, so that each option exists once. `environment`, `domains` and `sip` are
 * required. The lists are a start: more is added by `addPartner`, `addAccessPolicy`, `addSite` and `grant`.
 */
export type XmppFederationProps = Options<Omit<FederationConfigProps, 'version'>>;

/** Name of the file that synthesis writes beside the stack's Terraform JSON. */
export const FEDERATION_FILE = 'federation.json';

/**
 * A federation: the domains served, who may be talked to, by whom, and where the SIP pool is. Synthesis checks the
 * whole, writes it as canonical JSON to `federation.json` in the stack's folder, and outputs its digest. One to a stack.
 */
export class XmppFederation extends Construct {
  /** Terraform output `federation_digest`. */
  readonly digestOutput: TerraformOutput;
  readonly #record: FederationRecord;

  constructor(scope: Construct, id: string, props: XmppFederationProps) {
    const path = childPath(scope, id);
    const { xmppGatewayConfiguration, xmppAllowedPartners, externalAccessPolicies, sites, grants, ...rest } = props;
    const { environment, domains, accessEdgeConfiguration, sip } = readOptions(path, federationConfig, {
      ...rest,
      version: 1,
    });
    const stack = TerraformStack.of(scope);
    const other = stack.node.findAll().find((construct) => FederationRecord.isFederation(construct));
    if (other !== undefined) {
      const message = `expected one federation in a stack, found ${other.node.path} too; both would write ${FEDERATION_FILE}`;
      refuse(path, [{ option: '', message }]);
    }
    super(scope, id);
    this.#record = new FederationRecord(this, { environment, domains, accessEdgeConfiguration, sip });
    if (xmppGatewayConfiguration !== undefined) {
      new XmppGatewayConfiguration(this, 'XmppGatewayConfiguration', xmppGatewayConfiguration);
    }
    for (const partner of xmppAllowedPartners ?? []) this.addPartner(partner);
    for (const policy of externalAccessPolicies ?? []) this.addAccessPolicy(policy);
    for (const entry of sites ?? []) this.addSite(entry);
    for (const { policyName, users } of grants ?? []) this.grant(policyName, users);

    this.digestOutput = new TerraformOutput(this, 'Digest', {
      value: this.digest,
      description: `SHA-256 of the canonical ${FEDERATION_FILE}`,
    });
    this.digestOutput.overrideLogicalId('federation_digest');
    this.node.addValidation({ validate: () => [...this.#record.errorsOf(this)] });
    addCustomSynthesis(this, { onSynthesize: (session) => this.#write(stack, session) });
  }

  /**
   * SHA-256 of the canonical configuration, as `sha256:<hex>`: its identity. A Token until synthesis, since partners
   * may still be added.
   */
  get digest(): string {
    return Lazy.stringValue({
      produce: ({ preparing }) => {
        if (preparing) return 'sha256:'; // aspects may still add; nothing of this pass is written
        this.#record.seal();
        return federationDigest(this.config());
      },
    });
  }

  /** The whole configuration as declared so far. Throws `DeclarationError` with everything that is wrong with it. */
  config(): FederationConfig {
    return this.#record.config();
  }

  /** Lets a partner in. Its construct id is its domain, unless one is given. */
  addPartner(props: XmppAllowedPartnerProps): XmppAllowedPartner;
  addPartner(id: string, props: XmppAllowedPartnerProps): XmppAllowedPartner;
  addPartner(first: string | XmppAllowedPartnerProps, second?: XmppAllowedPartnerProps): XmppAllowedPartner {
    if (typeof first !== 'string') return new XmppAllowedPartner(this, normalForm(String(first.domain)), first);
    if (second === undefined) throw new TypeError('addPartner(id, props): expected props, got nothing');
    return new XmppAllowedPartner(this, first, second);
  }

  /** Adds an external access policy. Its construct id is its identity. */
  addAccessPolicy(props: ExternalAccessPolicyProps): ExternalAccessPolicy {
    return new ExternalAccessPolicy(this, props.identity, props);
  }

  /** Adds a site and its users: addresses, patterns such as `sales-*@contoso.com`, or domains. */
  addSite(props: Options<SiteProps>): void {
    this.#record.addSite(readOptions(this.node.path, site, props, `sites[${props.name}]`));
  }

  /** Gives a user policy to users: addresses, patterns such as `sales-*@contoso.com`, or domains. */
  grant(policy: ExternalAccessPolicy | string, users: readonly string[]): void {
    const policyName = typeof policy === 'string' ? policy : policy.identity;
    const options: Options<GrantProps> = { policyName, users };
    this.#record.addGrant(readOptions(this.node.path, grant, options, `grants[${policyName}]`));
  }

  #write(stack: TerraformStack, session: ISynthesisSession): void {
    this.#record.seal();
    const config = this.config();
    for (const finding of lintFederation(config)) {
      const { source, problem } = this.#record.locate(finding);
      Annotations.of(source).addWarning(`${finding.rule}: ${describeProblem(problem)}`);
    }
    const { workingDirectory } = session.manifest.forStack(stack);
    writeFileSync(join(session.outdir, workingDirectory, FEDERATION_FILE), canonicalJson(config));
  }
}
