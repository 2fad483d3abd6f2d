import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from './cleanup.ts';
import { scratchDirectory, stackOf } from './cleanup.ts';
import type { PeerProcess } from './process.ts';
import { startProcess } from './process.ts';

export type ZoneRecord =
  | {
      readonly type: 'SRV';
      /** For example `_xmpp-server._tcp.partner.example`. */
      readonly name: string;
      /** `.` announces that there is no such service (RFC 2782). */
      readonly target: string;
      readonly port?: number;
      readonly priority?: number;
      readonly weight?: number;
    }
  | { readonly type: 'A' | 'AAAA'; readonly name: string; readonly address: string };

export interface DnsmasqOptions {
  readonly address: string;
  /** @default 53, which programs that use glibc need */
  readonly port?: number;
  readonly records: readonly ZoneRecord[];
}

/** `_xmpp-server` (and, when `directTlsPort` is given, `_xmpps-server`) SRV records and the address of a server. */
export function xmppServerRecords(
  domain: string,
  address: string,
  ports: { readonly starttls?: number; readonly directTls?: number } = { starttls: 5269 },
): ZoneRecord[] {
  const target = `xmpp.${domain}`;
  const records: ZoneRecord[] = [{ type: 'A', name: target, address }];
  if (ports.starttls !== undefined) {
    records.push({ type: 'SRV', name: `_xmpp-server._tcp.${domain}`, target, port: ports.starttls });
  }
  if (ports.directTls !== undefined) {
    records.push({ type: 'SRV', name: `_xmpps-server._tcp.${domain}`, target, port: ports.directTls });
  }
  return records;
}

/** A DNS server with exactly the given records; other names under the same top-level domains do not exist. */
export class Dnsmasq {
  readonly address: string;
  readonly port: number;
  readonly #scope: Scope;
  readonly #file: string;
  #process: PeerProcess | undefined;

  constructor(scope: Scope, directory: string, address: string, port: number) {
    this.address = address;
    this.port = port;
    this.#scope = scope;
    this.#file = join(directory, 'dnsmasq.conf');
  }

  /** One line per query and answer. */
  log(): string {
    return this.#process?.log() ?? '';
  }

  /** Serves these records instead; a restart, so there is a moment without answers. */
  async serve(records: readonly ZoneRecord[]): Promise<void> {
    await this.stop();
    await writeFile(this.#file, configuration(this, records));
    this.#process = startProcess(this.#scope, {
      name: 'dnsmasq',
      command: 'dnsmasq',
      args: ['--no-daemon', `--conf-file=${this.#file}`],
    });
    await this.#process.waitForPort(this.address, this.port);
  }

  async stop(): Promise<void> {
    await this.#process?.stop();
  }
}

export async function startDnsmasq(scope: Scope, options: DnsmasqOptions): Promise<Dnsmasq> {
  const directory = await scratchDirectory(scope);
  const server = new Dnsmasq(stackOf(scope), directory, options.address, options.port ?? 53);
  await server.serve(options.records);
  return server;
}

function configuration(server: Dnsmasq, records: readonly ZoneRecord[]): string {
  const zones = new Set(records.map((record) => record.name.slice(record.name.lastIndexOf('.') + 1)));
  return [
    `listen-address=${server.address}`,
    `port=${server.port}`,
    'bind-interfaces',
    'no-resolv',
    'no-hosts',
    'no-poll',
    'log-queries',
    'log-facility=-',
    ...Array.from(zones, (zone) => `local=/${zone}/`),
    ...records.map(recordLine),
    '',
  ].join('\n');
}

function recordLine(record: ZoneRecord): string {
  if (record.type !== 'SRV') return `host-record=${record.name},${record.address}`;
  if (record.target === '.') return `srv-host=${record.name}`; // without a target dnsmasq says "."
  const { name, target, port = 5269, priority = 10, weight = 10 } = record;
  return `srv-host=${name},${target},${port},${priority},${weight}`;
}
