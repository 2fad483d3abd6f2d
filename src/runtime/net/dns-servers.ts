import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import type { DnsServerAddress } from './dns-transport.ts';

const DNS_PORT = 53;
/** As in the C library's resolver. */
const MAX_SERVERS = 3;

/** Reads `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`; undefined when it is none of these. */
export function parseDnsServer(text: string): DnsServerAddress | undefined {
  if (isIP(text) !== 0) return { address: text, port: DNS_PORT };
  const match = /^(?:\[([^\]]+)\]|([0-9.]+))(?::([0-9]{1,5}))?$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? DNS_PORT : Number(match[3]);
  if (address === undefined || port < 1 || port > 65_535) return undefined;
  return isIP(address) === (match?.[1] === undefined ? 4 : 6) ? { address, port } : undefined;
}

/** The `nameserver` lines of a resolv.conf(5). */
export function parseResolvConf(text: string): DnsServerAddress[] {
  const servers: DnsServerAddress[] = [];
  for (const line of text.split('\n')) {
    const [keyword, address] = line.trim().split(/[ \t]+/, 2);
    if (keyword === 'nameserver' && address !== undefined && isIP(address) !== 0 && servers.length < MAX_SERVERS) {
      servers.push({ address, port: DNS_PORT });
    }
  }
  return servers;
}

/** The system's name servers; the local host when the file is missing or names none. */
export async function systemDnsServers(path = '/etc/resolv.conf'): Promise<DnsServerAddress[]> {
  const servers = parseResolvConf(await readFile(path, 'utf8').catch(() => ''));
  return servers.length > 0 ? servers : [{ address: '127.0.0.1', port: DNS_PORT }];
}
