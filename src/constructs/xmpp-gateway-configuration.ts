import { Construct } from 'constructs';
import {
  type XmppGatewayConfiguration as Gateway,
  type XmppGatewayConfigurationProps as GatewayOptions,
  xmppGatewayConfiguration,
} from '../config/gateway.ts';
import { childPath, refuse } from './declaration-error.ts';
import { type Options, readOptions } from './declared-options.ts';
import { FederationRecord } from './federation-record.ts';

/** Options of `Set-CsXmppGatewayConfiguration`, with its defaults. */
export type XmppGatewayConfigurationProps = Options<GatewayOptions>;

/** Limits and times of the federation's gateway; at most one in a federation. Makes no Terraform resource. */
export class XmppGatewayConfiguration extends Construct {
  /** What was declared, with every default filled in. */
  readonly definition: Gateway;

  constructor(scope: Construct, id: string, props: XmppGatewayConfigurationProps = {}) {
    const path = childPath(scope, id);
    const record = FederationRecord.of(scope, path, 'gateway configuration');
    record.assertOpen(path, 'gateway configuration');
    if (record.gatewayPath !== undefined) {
      const message = `expected at most one gateway configuration in a federation, found ${record.gatewayPath} too`;
      refuse(path, [{ option: '', message }]);
    }
    const definition = readOptions(path, xmppGatewayConfiguration, props);
    super(scope, id);
    this.definition = definition;
    record.setGateway(this, definition);
    this.node.addValidation({ validate: () => [...record.errorsOf(this)] });
  }
}
