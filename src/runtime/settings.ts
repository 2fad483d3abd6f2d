import { isIP } from 'node:net';

/** What belongs to the host and not to the federation: where to listen, where files are. From flags and environment. */
export interface HostSettings {
  /** The federation configuration. */
  readonly configFile: string;
  readonly xmppListen: readonly ListenAddress[];
  readonly xmppDirectTlsListen: readonly ListenAddress[];
  readonly sipListen: readonly SipListenAddress[];
  /** Replace the next hops of the configuration when there are any. */
  readonly sipNextHops: readonly NextHopOverride[];
  /** Name servers, `address` or `address:port`; those of the system when empty. */
  readonly resolvers: readonly string[];
  /** Folder with `<name>.crt` and `<name>.key` for each certificate and `<name>.pem` for each trust anchor the configuration names. */
  readonly certificatesFolder: string;
  /** PEM bundle of trusted roots; Node's own when undefined. */
  readonly caFile: string | undefined;
  /** Name of the certificate shown to SIP peers; that of the first domain when undefined. */
  readonly sipCertificate: string | undefined;
  /** Host name or address of this gateway in SIP headers; the listening address when undefined. */
  readonly sipHost: string | undefined;
  /** Folder with a file for each secret the configuration names; without it a secret of this process alone is made up. */
  readonly secretsFolder: string | undefined;
  readonly adminListen: ListenAddress | undefined;
  readonly logLevel: LogLevel;
  /** Whether DNS may lead to private and loopback addresses. */
  readonly allowPrivateAddresses: boolean;
  /** Local address of connections to partners; the system chooses when undefined. */
  readonly outboundAddress: string | undefined;
}

export interface ListenAddress {
  /** Undefined: every address of the host. */
  readonly address: string | undefined;
  readonly port: number;
}

export type SipTransport = 'udp' | 'tcp' | 'tls';

export interface SipListenAddress extends ListenAddress {
  readonly transport: SipTransport;
}

export interface NextHopOverride {
  readonly transport: SipTransport;
  readonly fqdn: string;
  readonly port: number;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A value of a flag that cannot be used; the message says what was expected and what was found. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}

/** `5269`, `:5269`, `192.0.2.1:5269`, `[2001:db8::1]:5269`. Port 0 lets the system choose. */
export function parseListenAddress(text: string): ListenAddress {
  const match = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+))?:)?(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? NaN);
  if (match === null || port > 65_535 || (address !== undefined && isIP(address) === 0)) {
    throw new SettingError(
      `expected an address and port such as 192.0.2.1:5269, [2001:db8::1]:5269 or :5269, got ${text}`,
    );
  }
  return { address, port };
}

/** `udp:192.0.2.1:5060`, `tls:5061`. */
export function parseSipListenAddress(text: string): SipListenAddress {
  const { transport, rest } = splitTransport(text);
  return { transport, ...parseListenAddress(rest) };
}

/** `tls:pool.contoso.com:5061`, `udp:192.0.2.7:5060`; the port may be left out. */
export function parseNextHop(text: string): NextHopOverride {
  const { transport, rest } = splitTransport(text);
  const match = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(\d{1,5}))?$/.exec(rest);
  const port = match?.[2] === undefined ? (transport === 'tls' ? 5061 : 5060) : Number(match[2]);
  if (match?.[1] === undefined || port < 1 || port > 65_535) {
    throw new SettingError(`expected a next hop such as tls:pool.contoso.com:5061, got ${text}`);
  }
  return { transport, fqdn: match[1].replace(/^\[|\]$/g, ''), port };
}

function splitTransport(text: string): { readonly transport: SipTransport; readonly rest: string } {
  const colon = text.indexOf(':');
  const transport = text.slice(0, Math.max(colon, 0)).toLowerCase();
  if (transport === 'udp' || transport === 'tcp' || transport === 'tls')
    return { transport, rest: text.slice(colon + 1) };
  throw new SettingError(`expected a transport (udp:, tcp: or tls:) in front, got ${text}`);
}

export function formatListenAddress({ address, port }: ListenAddress): string {
  if (address === undefined) return `*:${port}`;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
