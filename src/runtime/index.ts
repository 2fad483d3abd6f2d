/** The gateway as a library: what `xmpp-federation gateway` starts. */
export type { ContactList } from './bridge-services.ts';
export { Gateway, type GatewayOptions, StartError } from './gateway.ts';
export { createLogger } from './log.ts';
export {
  DEFAULT_SETTINGS,
  type HostSettings,
  type ListenAddress,
  type LogLevel,
  type NextHopOverride,
  type ResolverAddress,
  type SipListenAddress,
} from './settings.ts';
