import { promises as dns } from 'node:dns';
import type { SipConfiguration } from '../../config/sip.ts';
import type { SipTarget } from '../sip/flow.ts';
import type { DnsData, DnsType } from './dns-message.ts';
import type { DnsAnswer, Resolver } from './dns-resolver.ts';
import { GatewayError } from './gateway-error.ts';

const MAX_RECORDS = 30;
const SRV_LABEL = { tls: '_sips._tcp', tcp: '_sip._tcp', udp: '_sip._udp' } as const;

/** A next hop as it is written, for the usual port of its transport where it has none. */
export function directTarget(hop: SipConfiguration['nextHops'][number]): SipTarget {
  const { fqdn, transport, priority, weight } = hop;
  return { fqdn, host: fqdn, port: hop.port ?? (transport === 'tls' ? 5061 : 5060), transport, priority, weight };
}

/** A next hop as hosts and ports (RFC 3263 section 4). Throws GatewayError when its SRV records cannot be read. */
export async function resolveTargets(
  hop: SipConfiguration['nextHops'][number],
  resolver: Resolver,
): Promise<readonly SipTarget[]> {
  const { fqdn, transport } = hop;
  if (!hop.useSrv) return [directTarget(hop)];
  const name = `${SRV_LABEL[transport]}.${fqdn}`;
  const answer = await resolver.resolve(name, 'SRV');
  switch (answer.outcome) {
    case 'found': {
      // A lone `.` says that the service is not offered (RFC 2782).
      const offered = answer.records.slice(0, MAX_RECORDS).filter(({ target, port: at }) => target !== '.' && at > 0);
      return offered.map((record) => ({
        fqdn,
        host: record.target,
        port: record.port,
        transport,
        priority: record.priority,
        weight: record.weight,
      }));
    }
    case 'nxdomain':
    case 'nodata':
      return [directTarget({ ...hop, port: undefined })];
    case 'timeout':
      throw new GatewayError('dns-timeout', { message: `${name}: no answer` });
    case 'servfail':
      throw new GatewayError('dns-failure', { message: `${name}: name servers fail` });
  }
}

/** Addresses of a host, IPv4 first. Throws GatewayError when there is none. */
export async function resolveAddresses(host: string, resolver: Resolver): Promise<readonly string[]> {
  const answers = await Promise.all([resolver.resolve(host, 'A'), resolver.resolve(host, 'AAAA')]);
  const found = answers.flatMap((answer) => (answer.outcome === 'found' ? answer.records : []));
  if (found.length > 0) return found;
  const failed = answers.some(({ outcome }) => outcome === 'timeout' || outcome === 'servfail');
  throw new GatewayError(failed ? 'dns-failure' : 'dns-no-service', { message: `no address for ${host}` });
}

/** The resolver of the operating system: addresses with the hosts file, SRV records from its name servers. */
export class SystemResolver implements Resolver {
  resolve<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsData[T]>>;
  async resolve(name: string, type: DnsType): Promise<DnsAnswer<unknown>> {
    try {
      const records = type === 'SRV' ? await lookUpSrv(name) : await lookUp(name, type);
      if (records.length > 0) return { outcome: 'found', records, ttl: 0, authenticated: false };
      return { outcome: 'nodata', ttl: 0, authenticated: false };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (code === 'ENOTFOUND') return { outcome: 'nxdomain', ttl: 0, authenticated: false };
      if (code === 'ENODATA') return { outcome: 'nodata', ttl: 0, authenticated: false };
      return { outcome: code === 'ETIMEOUT' ? 'timeout' : 'servfail' };
    }
  }
}

async function lookUp(name: string, type: 'A' | 'AAAA'): Promise<unknown[]> {
  const found = await dns.lookup(name, { all: true, family: type === 'A' ? 4 : 6 });
  return found.map(({ address }) => address);
}

async function lookUpSrv(name: string): Promise<unknown[]> {
  const found = await dns.resolveSrv(name);
  return found.map(({ name: target, port, priority, weight }) => ({
    priority,
    weight,
    port,
    target: target === '' ? '.' : target.toLowerCase(),
  }));
}
