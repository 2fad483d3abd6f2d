import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { type Answer, AUTHORITATIVE_ANSWER, decode, encode, type Question, TRUNCATED_RESPONSE } from 'dns-packet';
import { canonicalName, type SrvRecord, UDP_PAYLOAD } from './dns-message.ts';
import type { DnsServerAddress } from './dns-transport.ts';

/** One record of a static zone. Names are absolute, `ttl` is in seconds (default 60). */
export type ZoneRecord = { readonly name: string; readonly ttl?: number } & (
  | { readonly type: 'A' | 'AAAA' | 'CNAME'; readonly data: string }
  | { readonly type: 'SRV'; readonly data: SrvRecord }
);

export interface Zone {
  /** Everything below these names is answered here; the rest is refused. */
  readonly origins: readonly string[];
  readonly records: readonly ZoneRecord[];
  /** For how long absence may be remembered, in seconds. @default 60 */
  readonly negativeTtl?: number;
}

const RCODE = { ok: 0, formatError: 1, nameError: 3, refused: 5 } as const;
const DEFAULT_TTL = 60;
const MAX_ALIASES = 8;
const MAX_CONNECTIONS = 64;
const IDLE_MS = 10_000;
const BIND_TRIES = 20;

/** A small authoritative name server for a zone held in memory. Serves the quickstart and the tests, not the Internet. */
export class DnsServer {
  #zone: Zone = { origins: [], records: [] };
  #records = new Map<string, ZoneRecord[]>();
  readonly #udp: UdpSocket;
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  /** Where it listens, UDP and TCP alike. */
  readonly address: DnsServerAddress;

  /** @param listen port 0 takes any port that is free for both UDP and TCP */
  static async start(zone: Zone, listen: DnsServerAddress = { address: '127.0.0.1', port: 0 }): Promise<DnsServer> {
    for (let tries = 1; ; tries += 1) {
      const udp = createSocket(listen.address.includes(':') ? 'udp6' : 'udp4');
      udp.bind(listen.port, listen.address);
      await once(udp, 'listening');
      const { port } = udp.address();
      const tcp = createServer();
      try {
        tcp.listen(port, listen.address);
        await once(tcp, 'listening');
        return new DnsServer(zone, udp, tcp);
      } catch (error) {
        udp.close();
        // The UDP port was free but the TCP port of the same number was not.
        if (listen.port !== 0 || tries === BIND_TRIES) throw error;
      }
    }
  }

  private constructor(zone: Zone, udp: UdpSocket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
    const { address, port } = tcp.address() as AddressInfo;
    this.address = { address, port };
    this.replaceZone(zone);
    udp.on('message', (bytes, peer) => {
      const answer = this.#answer(bytes, true);
      if (answer !== undefined) udp.send(answer, peer.port, peer.address);
    });
    udp.on('error', () => {});
    tcp.on('connection', (socket) => this.#serve(socket));
  }

  replaceZone(zone: Zone): void {
    this.#zone = zone;
    this.#records = new Map();
    for (const record of zone.records) {
      const name = canonicalName(record.name);
      const same = this.#records.get(name);
      if (same === undefined) this.#records.set(name, [record]);
      else same.push(record);
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await Promise.all([
      new Promise<void>((resolve) => this.#udp.close(resolve)),
      new Promise<void>((resolve) => this.#tcp.close(() => resolve())),
    ]);
  }

  #serve(socket: Socket): void {
    if (this.#connections.size >= MAX_CONNECTIONS) {
      socket.destroy();
      return;
    }
    this.#connections.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => this.#connections.delete(socket));
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    let buffered = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 2 && buffered.length >= buffered.readUInt16BE(0) + 2) {
        const length = buffered.readUInt16BE(0);
        const answer = this.#answer(buffered.subarray(2, length + 2), false);
        buffered = buffered.subarray(length + 2);
        if (answer === undefined) return socket.destroy();
        const prefix = Buffer.alloc(2);
        prefix.writeUInt16BE(answer.length);
        socket.write(Buffer.concat([prefix, answer]));
      }
    });
  }

  #answer(bytes: Buffer, isUdp: boolean): Buffer | undefined {
    try {
      const query = decode(bytes);
      const question = query.questions?.[0];
      if (query.flag_qr || question === undefined) return undefined;
      const { rcode, answers, authorities } = this.#look(question);
      const flags = AUTHORITATIVE_ANSWER | rcode | (query.flag_rd ? 0x0100 : 0);
      const response = { type: 'response' as const, id: query.id ?? 0, questions: [question] };
      const whole = encode({ ...response, flags, answers, authorities });
      const edns = query.additionals?.find((record) => record.type === 'OPT');
      const limit = edns?.type === 'OPT' ? Math.max(512, Math.min(edns.udpPayloadSize, UDP_PAYLOAD)) : 512;
      return isUdp && whole.length > limit ? encode({ ...response, flags: flags | TRUNCATED_RESPONSE }) : whole;
    } catch {
      return undefined;
    }
  }

  #look({ name, type }: Question): { rcode: number; answers: Answer[]; authorities: Answer[] } {
    let owner = canonicalName(name);
    const origin = this.#zone.origins
      .map(canonicalName)
      .find((candidate) => owner === candidate || owner.endsWith(`.${candidate}`));
    if (origin === undefined) return { rcode: RCODE.refused, answers: [], authorities: [] };

    const answers: Answer[] = [];
    for (let hops = 0; hops <= MAX_ALIASES; hops += 1) {
      const records = this.#records.get(owner) ?? [];
      const wanted = records.filter((record) => record.type === type);
      if (wanted.length > 0) {
        return { rcode: RCODE.ok, answers: [...answers, ...wanted.map(toAnswer)], authorities: [] };
      }
      const alias = records.find((record) => record.type === 'CNAME');
      if (alias?.type !== 'CNAME') break;
      answers.push(toAnswer(alias));
      owner = canonicalName(alias.data);
    }
    const minimum = this.#zone.negativeTtl ?? DEFAULT_TTL;
    const soa: Answer = {
      type: 'SOA',
      name: origin,
      ttl: minimum,
      data: {
        mname: `ns.${origin}`,
        rname: `hostmaster.${origin}`,
        serial: 1,
        refresh: 3600,
        retry: 600,
        expire: 86_400,
        minimum,
      },
    };
    return { rcode: this.#exists(owner) ? RCODE.ok : RCODE.nameError, answers, authorities: [soa] };
  }

  // RFC 8020: a name exists also when only something below it does.
  #exists(name: string): boolean {
    if (this.#records.has(name)) return true;
    for (const known of this.#records.keys()) if (known.endsWith(`.${name}`)) return true;
    return false;
  }
}

function toAnswer(record: ZoneRecord): Answer {
  const base = { name: record.name, ttl: record.ttl ?? DEFAULT_TTL, class: 'IN' as const };
  return record.type === 'SRV'
    ? { ...base, type: record.type, data: { ...record.data } }
    : { ...base, type: record.type, data: record.data };
}
