import { type Answer, AUTHENTIC_DATA, type DecodedPacket, decode, encode, RECURSION_DESIRED } from 'dns-packet';

export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  /** Lower case, no trailing dot; `.` stands for "no such service" (RFC 2782). */
  readonly target: string;
}

/** The record types the gateway asks for, and the shape of one record. */
export interface DnsData {
  readonly A: string;
  readonly AAAA: string;
  readonly SRV: SrvRecord;
}
export type DnsType = keyof DnsData;

export interface DnsQuestion {
  readonly id: number;
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly type: DnsType;
}

/** UDP payload that passes without fragmentation nearly everywhere (DNS flag day 2020). */
export const UDP_PAYLOAD = 1232;

const HEADER_BYTES = 12;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RESPONSE = 0x8000;
const MAX_DECODED_RECORDS = 4_000;
/** Records kept of one answer. Whoever publishes more gets fewer. */
const MAX_RECORDS = 64;
const MAX_ALIASES = 8;

const LABEL = /^[\x21-\x2d\x2f-\x7e]{1,63}$/;

/** Whether a name can be asked for: at most 253 printable ASCII characters in labels of 1 to 63. */
export function isQueryName(name: string): boolean {
  return name.length <= 253 && name.split('.').every((label) => LABEL.test(label));
}

/** A query that wants recursion and, where the server validates, the AD bit (RFC 6840 section 5.7). */
export function encodeQuestion({ id, name, type }: DnsQuestion, edns: boolean): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ name, type, class: 'IN' }],
    additionals: edns
      ? [
          {
            type: 'OPT',
            name: '.',
            udpPayloadSize: UDP_PAYLOAD,
            extendedRcode: 0,
            ednsVersion: 0,
            flags: 0,
            flag_do: false,
            options: [],
          },
        ]
      : [],
  });
}

export type DnsReply =
  | { readonly kind: 'reply'; readonly rcode: number; readonly packet: DecodedPacket }
  | { readonly kind: 'truncated' }
  /** Not an answer to this question: a stray or forged datagram. */
  | { readonly kind: 'mismatch' }
  | { readonly kind: 'malformed' };

export function decodeReply(bytes: Buffer, question: DnsQuestion): DnsReply {
  if (bytes.length < HEADER_BYTES || bytes.readUInt16BE(0) !== question.id) return { kind: 'mismatch' };
  const flags = bytes.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) === 0) return { kind: 'mismatch' };
  if ((flags & FLAG_TRUNCATED) !== 0) return { kind: 'truncated' };
  const records = bytes.readUInt16BE(6) + bytes.readUInt16BE(8) + bytes.readUInt16BE(10);
  const rcode = flags & 0xf;
  const questions = bytes.readUInt16BE(4);
  // Servers that refuse a query may leave the question out.
  if (questions > 1 || (questions === 0 && (rcode === 0 || rcode === 3))) return { kind: 'mismatch' };
  if (records > MAX_DECODED_RECORDS) return { kind: 'malformed' };
  try {
    const packet = decode(bytes);
    const asked = packet.questions?.[0];
    const isSame = asked === undefined || (asked.type === question.type && canonicalName(asked.name) === question.name);
    return isSame ? { kind: 'reply', rcode, packet } : { kind: 'mismatch' };
  } catch {
    return { kind: 'malformed' };
  }
}

export type DnsContent<T> =
  | { readonly kind: 'found'; readonly records: readonly T[]; readonly ttl: number }
  | { readonly kind: 'absent'; readonly ttl: number }
  /** The answer ends in an alias whose target has to be asked for. */
  | { readonly kind: 'alias'; readonly target: string; readonly ttl: number }
  | { readonly kind: 'loop' };

/** Picks the records for `name` out of a reply, along its aliases. TTLs are in seconds. */
export function readContent<T extends DnsType>(packet: DecodedPacket, name: string, type: T): DnsContent<DnsData[T]> {
  const answers = packet.answers ?? [];
  const aliases = new Map<string, { target: string; ttl: number }>();
  for (const answer of answers) {
    const owner = canonicalName(answer.name);
    if (answer.type === 'CNAME' && isInternet(answer) && !aliases.has(owner)) {
      aliases.set(owner, { target: canonicalName(answer.data), ttl: answer.ttl ?? 0 });
    }
  }

  let owner = name;
  let ttl = Number.POSITIVE_INFINITY;
  for (let hops = 0; ; hops += 1) {
    const alias = aliases.get(owner);
    if (alias === undefined) break;
    if (hops === MAX_ALIASES) return { kind: 'loop' };
    owner = alias.target;
    ttl = Math.min(ttl, alias.ttl);
  }

  const records: DnsData[T][] = [];
  for (const answer of answers) {
    if (answer.type !== type || !isInternet(answer) || canonicalName(answer.name) !== owner) continue;
    const data = readData(answer, type);
    if (data === undefined) continue;
    ttl = Math.min(ttl, answer.ttl ?? 0);
    records.push(data);
    if (records.length === MAX_RECORDS) break;
  }
  if (records.length > 0) return { kind: 'found', records, ttl };
  const negative = negativeTtl(packet);
  if (owner !== name && negative === undefined) return { kind: 'alias', target: owner, ttl };
  return { kind: 'absent', ttl: Math.min(ttl, negative ?? 0) };
}

/** RFC 2308 section 5; undefined without SOA record. */
function negativeTtl(packet: DecodedPacket): number | undefined {
  for (const record of packet.authorities ?? []) {
    if (record.type === 'SOA') return Math.min(record.ttl ?? 0, record.data.minimum ?? 0);
  }
  return undefined;
}

function isInternet(answer: Answer): boolean {
  return answer.type !== 'OPT' && 'class' in answer && answer.class === 'IN';
}

// The compiler cannot tie a type parameter to the record it selects, so each shape is checked.
function readData<T extends DnsType>(answer: Answer, type: T): DnsData[T] | undefined;
function readData(answer: Answer, type: DnsType): DnsData[DnsType] | undefined {
  if (answer.type !== type) return undefined;
  if (answer.type !== 'SRV') return answer.type === 'A' || answer.type === 'AAAA' ? answer.data : undefined;
  const { priority = 0, weight = 0, port, target } = answer.data;
  return { priority, weight, port, target: canonicalName(target) };
}

export function canonicalName(name: string): string {
  if (name === '.' || name === '') return '.';
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase();
}
