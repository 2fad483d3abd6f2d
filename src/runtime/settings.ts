import { normalizeDomain } from '../config/domain.ts';
import { showText } from '../config/finding.ts';
import { normalizeAddress } from '../config/sip.ts';

/** What belongs to the host and not to the federation: where to listen, where files are. From flags and environment. */
export interface HostSettings {
  /** The federation configuration. */
  readonly configFile: string;
  readonly xmppListen: readonly ListenAddress[];
  readonly xmppDirectTlsListen: readonly ListenAddress[];
  readonly sipListen: readonly SipListenAddress[];
  /** Replace the next hops of the configuration when there are any. */
  readonly sipNextHops: readonly NextHopOverride[];
  /** Name servers; those of the system when empty. */
  readonly resolvers: readonly ResolverAddress[];
  /** Folder with `<name>.crt` and `<name>.key` for each certificate and `<name>.pem` for each trust anchor the configuration names. */
  readonly certificatesFolder: string;
  /** PEM bundle of trusted roots; Node's own when undefined. */
  readonly caFile: string | undefined;
  /** Name of the certificate shown to SIP peers; that of the first domain when undefined. */
  readonly sipCertificate: string | undefined;
  /** Host name or address of this gateway in SIP headers; the listening address when undefined, or the name of the host when that is every address. */
  readonly sipHost: string | undefined;
  /** Folder with a file for each secret the configuration names; without it a secret of this process alone is made up. */
  readonly secretsFolder: string | undefined;
  readonly adminListen: ListenAddress | undefined;
  readonly logLevel: LogLevel;
  /** Whether DNS may lead to private and loopback addresses. */
  readonly allowPrivateAddresses: boolean;
  /** Local address of connections to partners; the system chooses when undefined. */
  readonly outboundAddress: string | undefined;
  /** Seconds that what was accepted has to reach its end when the gateway stops. */
  readonly drainTimeout: number;
}

export interface ListenAddress {
  /** IP address. Undefined: every address of the host. */
  readonly address: string | undefined;
  /** 0 lets the system choose. */
  readonly port: number;
}

export type SipTransport = 'udp' | 'tcp' | 'tls';

export interface SipListenAddress extends ListenAddress {
  readonly transport: SipTransport;
}

export interface NextHopOverride {
  readonly transport: SipTransport;
  /** Domain name or IP address. */
  readonly fqdn: string;
  readonly port: number;
}

export interface ResolverAddress {
  /** IP address. */
  readonly address: string;
  readonly port: number;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Every setting but the configuration file. Partners come from the Internet, so streams are taken on every address; the
 * pool and operators come from inside, and which address that is only the operator knows.
 */
export const DEFAULT_SETTINGS: Omit<HostSettings, 'configFile'> = {
  xmppListen: [{ address: undefined, port: 5269 }],
  xmppDirectTlsListen: [],
  sipListen: [{ transport: 'tls', address: '127.0.0.1', port: 5061 }],
  sipNextHops: [],
  resolvers: [],
  certificatesFolder: 'certificates',
  caFile: undefined,
  sipCertificate: undefined,
  sipHost: undefined,
  secretsFolder: undefined,
  adminListen: { address: '127.0.0.1', port: 9269 },
  logLevel: 'info',
  allowPrivateAddresses: false,
  outboundAddress: undefined,
  drainTimeout: 10,
};

/** A value of a setting that cannot be used; the message says what was expected and what was found. */
export class SettingError extends Error {
  override readonly name = 'SettingError';
}

const LISTEN_EXPECTED = 'an address and port such as 192.0.2.1:5269 or [2001:db8::1]:5269, or a port such as 5269';
const SIP_LISTEN_EXPECTED = 'a transport, address and port such as tls:192.0.2.1:5061 or udp:5060';
const NEXT_HOP_EXPECTED = 'a transport, host and port such as tls:pool.contoso.com:5061';
const RESOLVER_EXPECTED = 'the IP address of a name server, such as 192.0.2.53 or [2001:db8::53]:5353';
const DNS_PORT = 53;

/** `5269`, `:5269`, `*:5269`, `192.0.2.1:5269`, `[2001:db8::1]:5269`. */
export function parseListenAddress(text: string): ListenAddress {
  return readListenAddress(text) ?? fail(LISTEN_EXPECTED, text);
}

/** `udp:192.0.2.1:5060`, `tls:5061`. */
export function parseSipListenAddress(text: string): SipListenAddress {
  const [transport, rest] = splitTransport(text) ?? fail(SIP_LISTEN_EXPECTED, text);
  return { transport, ...(readListenAddress(rest) ?? fail(SIP_LISTEN_EXPECTED, text)) };
}

/** `tls:pool.contoso.com:5061`, `udp:192.0.2.7`, `tcp:[2001:db8::7]:5060`; the port may be left out. */
export function parseNextHop(text: string): NextHopOverride {
  const [transport, rest] = splitTransport(text) ?? fail(NEXT_HOP_EXPECTED, text);
  const { host, port = transport === 'tls' ? '5061' : '5060' } = splitPort(rest) ?? fail(NEXT_HOP_EXPECTED, text);
  const fqdn = normalizeDomain(host) ?? readAddress(host);
  const number = readPort(port);
  if (fqdn === undefined || number === undefined || number === 0) return fail(NEXT_HOP_EXPECTED, text);
  return { transport, fqdn, port: number };
}

/** `192.0.2.53`, `192.0.2.53:5353`, `2001:db8::53`, `[2001:db8::53]:5353`. */
export function parseResolver(text: string): ResolverAddress {
  const { host, port = String(DNS_PORT) } = splitPort(text) ?? { host: text };
  const address = readAddress(host);
  const number = readPort(port);
  if (address === undefined || number === undefined || number === 0) return fail(RESOLVER_EXPECTED, text);
  return { address, port: number };
}

/** An IP address, in its canonical form. */
export function parseAddress(text: string): string {
  return readAddress(text) ?? fail('an IP address of this host', text);
}

/** A domain name or an IP address. */
export function parseHost(text: string): string {
  return normalizeDomain(text) ?? readAddress(text) ?? fail('a host name or an IP address', text);
}

/** Whole seconds, up to an hour. */
export function parseSeconds(text: string): number {
  const seconds = /^[0-9]{1,4}$/.test(text) ? Number(text) : Number.NaN;
  return seconds <= 3_600 ? seconds : fail('whole seconds from 0 to 3600', text);
}

/** `yes`, `no` and their usual spellings. An empty text is neither: a variable that is set to nothing decides nothing. */
export function parseSwitch(text: string): boolean {
  switch (text.toLowerCase()) {
    case 'yes':
    case 'true':
    case 'on':
    case '1':
      return true;
    case 'no':
    case 'false':
    case 'off':
    case '0':
      return false;
    default:
      return fail('yes or no', text);
  }
}

/** As {@link parseListenAddress} reads it. */
export function formatListenAddress({ address, port }: ListenAddress): string {
  if (address === undefined) return `*:${port}`;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function fail(expected: string, got: string): never {
  throw new SettingError(`expected ${expected}, got ${got === '' ? 'nothing' : showText(got)}`);
}

function readListenAddress(text: string): ListenAddress | undefined {
  const { host, port = text } = splitPort(text) ?? { host: text };
  const number = readPort(port);
  if (number === undefined) return undefined;
  if (host === text || host === '' || host === '*') return { address: undefined, port: number };
  const address = readAddress(host);
  return address === undefined ? undefined : { address, port: number };
}

function splitTransport(text: string): readonly [SipTransport, string] | undefined {
  const colon = text.indexOf(':');
  const transport = text.slice(0, Math.max(colon, 0)).toLowerCase();
  if (transport !== 'udp' && transport !== 'tcp' && transport !== 'tls') return undefined;
  return [transport, text.slice(colon + 1)];
}

/** Host, without the brackets of an IPv6 address, and port where there is one. Undefined for a bare IPv6 address. */
function splitPort(text: string): { readonly host: string; readonly port?: string } | undefined {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([0-9]+))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined) return undefined;
  const port = match?.[3];
  return port === undefined ? { host } : { host, port };
}

function readPort(text: string): number | undefined {
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return port <= 65_535 ? port : undefined;
}

function readAddress(text: string): string | undefined {
  return text.includes('/') ? undefined : normalizeAddress(text);
}
