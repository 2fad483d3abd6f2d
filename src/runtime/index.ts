/** The gateway as a library: what `xmpp-federation gateway` starts. */
export type { ContactList } from './bridge.ts';
export { Gateway, type GatewayOptions, StartError } from './gateway.ts';
export { createLogger } from './log.ts';
export type { HostSettings, ListenAddress, LogLevel, NextHopOverride, SipListenAddress } from './settings.ts';
