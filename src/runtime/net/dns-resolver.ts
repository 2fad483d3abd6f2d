import { randomInt } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import {
  canonicalName,
  type DnsData,
  type DnsReply,
  type DnsType,
  decodeReply,
  encodeQuestion,
  isQueryName,
  readContent,
} from './dns-message.ts';
import { type DnsServerAddress, exchangeTcp, exchangeUdp } from './dns-transport.ts';
import { abortedError } from './gateway-error.ts';

export type DnsAnswer<T> =
  | {
      readonly outcome: 'found';
      readonly records: readonly T[];
      /** Seconds, as received and clamped. */
      readonly ttl: number;
      /** AD bit: DNSSEC was validated by the server. Means something only on a trusted path to it. */
      readonly authenticated: boolean;
    }
  | { readonly outcome: 'nxdomain' | 'nodata'; readonly ttl: number; readonly authenticated: boolean }
  /** Nothing is known: no server answered in time, or none could. */
  | { readonly outcome: 'timeout' | 'servfail' };

/** What the rest of the gateway needs of DNS. */
export interface Resolver {
  /** Never rejects but with `aborted`, when the signal fires. */
  resolve<T extends DnsType>(name: string, type: T, signal?: AbortSignal): Promise<DnsAnswer<DnsData[T]>>;
}

export interface DnsResolverOptions {
  /** Asked in this order. */
  readonly servers: readonly DnsServerAddress[];
  /** Wait for one answer. @default 2000 */
  readonly timeoutMs?: number;
  /** Rounds through the servers. @default 2 */
  readonly attempts?: number;
  /** Remembered questions. @default 10000 */
  readonly cacheSize?: number;
  /** Monotonic clock in milliseconds. */
  readonly now?: () => number;
}

const MAX_TTL = 86_400;
const MAX_NEGATIVE_TTL = 3_600;
/** RFC 9520: a failure is remembered for at least a second, or a storm of retries hits servers in trouble. */
const FAILURE_TTL = 1;
const MAX_PENDING = 1_000;
const MAX_ALIAS_QUESTIONS = 8;

const RCODE = { ok: 0, formatError: 1, nameError: 3, notImplemented: 4 } as const;

/**
 * A stub resolver: UDP with TCP when truncated, random ports and identifiers, TTL and negative cache, and one question
 * on the wire for any number of callers. Names are absolute; the hosts file and search domains are not used.
 */
export class DnsResolver implements Resolver {
  readonly #servers: readonly DnsServerAddress[];
  readonly #timeoutMs: number;
  readonly #attempts: number;
  readonly #cacheSize: number;
  readonly #now: () => number;
  readonly #closed = new AbortController();
  // The key holds the type, which is what ties each entry to its kind of record.
  readonly #cache = new Map<string, { readonly answer: DnsAnswer<unknown>; readonly expires: number }>();
  readonly #pending = new Map<string, Promise<DnsAnswer<unknown>>>();

  constructor(options: DnsResolverOptions) {
    this.#servers = options.servers;
    this.#timeoutMs = options.timeoutMs ?? 2_000;
    this.#attempts = options.attempts ?? 2;
    this.#cacheSize = options.cacheSize ?? 10_000;
    this.#now = options.now ?? (() => performance.now());
    setMaxListeners(0, this.#closed.signal);
  }

  resolve<T extends DnsType>(name: string, type: T, signal?: AbortSignal): Promise<DnsAnswer<DnsData[T]>>;
  resolve(name: string, type: DnsType, signal?: AbortSignal): Promise<DnsAnswer<unknown>> {
    if (signal?.aborted) return Promise.reject(abortedError(signal));
    const question = canonicalName(name);
    const key = `${type} ${question}`;
    const cached = this.#cache.get(key);
    if (cached !== undefined && cached.expires > this.#now()) return Promise.resolve(cached.answer);

    let pending = this.#pending.get(key);
    if (pending === undefined) {
      if (!isQueryName(question)) return Promise.resolve({ outcome: 'nxdomain', ttl: 0, authenticated: false });
      if (this.#pending.size >= MAX_PENDING || this.#closed.signal.aborted)
        return Promise.resolve({ outcome: 'servfail' });
      pending = this.#lookUp(question, type).then((answer) => {
        this.#pending.delete(key);
        this.#remember(key, answer);
        return answer;
      });
      this.#pending.set(key, pending);
    }
    return signal === undefined ? pending : untilAborted(pending, signal);
  }

  /** Forgets everything learned, for example when the servers are known to have new data. */
  clear(): void {
    this.#cache.clear();
  }

  /** Gives up what is being asked; later questions fail. */
  close(): void {
    this.#closed.abort();
    this.#cache.clear();
  }

  #remember(key: string, answer: DnsAnswer<unknown>): void {
    const ttl = 'ttl' in answer ? answer.ttl : FAILURE_TTL;
    this.#cache.delete(key);
    if (ttl <= 0 || this.#closed.signal.aborted) return;
    if (this.#cache.size >= this.#cacheSize) {
      const oldest = this.#cache.keys().next();
      if (!oldest.done) this.#cache.delete(oldest.value);
    }
    this.#cache.set(key, { answer, expires: this.#now() + ttl * 1_000 });
  }

  async #lookUp<T extends DnsType>(name: string, type: T): Promise<DnsAnswer<DnsData[T]>> {
    let owner = name;
    let ttl = MAX_TTL;
    let authenticated = true;
    const asked = new Set<string>();
    while (asked.size < MAX_ALIAS_QUESTIONS && !asked.has(owner) && isQueryName(owner)) {
      asked.add(owner);
      const reply = await this.#ask(owner, type);
      if (reply.kind !== 'reply') return { outcome: reply.kind };
      authenticated &&= reply.packet.flag_ad;
      const content = readContent(reply.packet, owner, type);
      if (content.kind === 'loop') return { outcome: 'servfail' };
      ttl = Math.min(ttl, content.ttl);
      if (content.kind === 'found') return { outcome: 'found', records: content.records, ttl, authenticated };
      const isNameError = reply.rcode === RCODE.nameError;
      if (content.kind === 'absent' || isNameError) {
        const outcome = isNameError ? 'nxdomain' : 'nodata';
        return { outcome, ttl: content.kind === 'absent' ? Math.min(ttl, MAX_NEGATIVE_TTL) : 0, authenticated };
      }
      owner = content.target;
    }
    return { outcome: 'servfail' };
  }

  async #ask(
    name: string,
    type: DnsType,
  ): Promise<Extract<DnsReply, { kind: 'reply' }> | { readonly kind: 'timeout' | 'servfail' }> {
    let failure: 'timeout' | 'servfail' = 'timeout';
    for (let attempt = 0; attempt < this.#attempts; attempt += 1) {
      for (const server of this.#servers) {
        let reply = await this.#askServer(server, name, type, true);
        const isPlainOnly =
          typeof reply === 'object' && (reply.rcode === RCODE.formatError || reply.rcode === RCODE.notImplemented);
        // RFC 6891 section 7: a server of before EDNS.
        if (isPlainOnly) reply = await this.#askServer(server, name, type, false);
        if (typeof reply === 'object' && (reply.rcode === RCODE.ok || reply.rcode === RCODE.nameError)) return reply;
        if (reply !== 'timeout') failure = 'servfail';
        if (this.#closed.signal.aborted) return { kind: 'servfail' };
      }
    }
    return { kind: failure };
  }

  async #askServer(
    server: DnsServerAddress,
    name: string,
    type: DnsType,
    edns: boolean,
  ): Promise<Extract<DnsReply, { kind: 'reply' }> | 'timeout' | 'servfail'> {
    const question = { id: randomInt(65_536), name, type };
    const exchange = {
      server,
      message: encodeQuestion(question, edns),
      timeoutMs: this.#timeoutMs,
      signal: this.#closed.signal,
      accept: (bytes: Buffer) => {
        const reply = decodeReply(bytes, question);
        return reply.kind === 'mismatch' ? undefined : reply;
      },
    };
    const overUdp = await exchangeUdp(exchange);
    if (overUdp.outcome === 'timeout') return 'timeout';
    if (overUdp.outcome === 'answer' && overUdp.value.kind === 'reply') return overUdp.value;
    const overTcp = await exchangeTcp(exchange);
    if (overTcp.outcome === 'timeout') return 'timeout';
    return overTcp.outcome === 'answer' && overTcp.value.kind === 'reply' ? overTcp.value : 'servfail';
  }
}

/** The caller stops waiting; the question stays, others may wait for the same answer. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(abortedError(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
