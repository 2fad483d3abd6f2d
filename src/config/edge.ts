import * as z from 'zod';
import { flag } from './field.ts';

/** Switches that hold for the whole organisation: the part of `Set-CsAccessEdgeConfiguration` that touches XMPP. */
export const accessEdgeConfiguration = z.strictObject({
  allowFederatedUsers: flag()
    .default(false)
    .describe(
      'Master switch: while false nothing passes to or from any partner. (Set-CsAccessEdgeConfiguration -AllowFederatedUsers)',
    ),
});
export type AccessEdgeConfiguration = z.output<typeof accessEdgeConfiguration>;
export type AccessEdgeConfigurationProps = z.input<typeof accessEdgeConfiguration>;
