import { setMaxListeners } from 'node:events';
import { connect, isIP, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { isPublicAddress } from './address-guard.ts';
import type { Resolver } from './dns-resolver.ts';
import { abortedError, GatewayError, type GatewayErrorCode } from './gateway-error.ts';

/** A host and port to connect to. */
export interface DialTarget {
  /** Host name or IP literal. */
  readonly name: string;
  readonly port: number;
  /** Whether the address may be private, loopback or link-local: only when the operator named the target. */
  readonly mayBePrivate: boolean;
}

export interface DialOptions<T extends DialTarget> {
  /** In the order to try them; every address of one comes before any of the next. */
  readonly targets: readonly T[];
  readonly resolver: Resolver;
  /** For everything: look-ups and all attempts. @default 30000 */
  readonly timeoutMs?: number;
  /** Head start of one attempt over the next (RFC 8305 section 5). @default 250 */
  readonly staggerMs?: number;
  readonly signal?: AbortSignal;
  /** Never dialled, private or not: see `ownEndpoints`. */
  readonly isOwn?: (address: string, port: number) => boolean;
  /** Source address; only targets of its family are dialled then. @default chosen by the system */
  readonly localAddress?: string | undefined;
  /** Starts one attempt. @default a TCP socket with no-delay on */
  readonly open?: (address: string, port: number) => Socket;
}

export interface Dialled<T extends DialTarget> {
  /** Connected, no-delay on, not yet reading; ignores errors until the caller listens. */
  readonly socket: Socket;
  readonly target: T;
  readonly address: string;
  readonly family: 4 | 6;
}

/** RFC 8305 section 3: how long an IPv4 answer waits for the IPv6 one. */
const RESOLUTION_DELAY_MS = 50;
const MAX_ADDRESSES = 8;
const MAX_ATTEMPTS = 16;
const MAX_TOLD = 8;

/** Which of several failures tells most. */
const RANK: readonly GatewayErrorCode[] = [
  'connect-refused',
  'connect-timeout',
  'connect-failed',
  'private-address',
  'dns-timeout',
  'dns-failure',
];

/**
 * Connects to the first target that answers, racing addresses and families (RFC 8305). The one way to open a
 * connection, first try or retry. Throws GatewayError; nothing is left open then.
 */
export async function dial<T extends DialTarget>(options: DialOptions<T>): Promise<Dialled<T>> {
  const race = new Race<T>(options);
  return race.run();
}

interface Candidate<T> {
  readonly target: T;
  readonly address: string;
  readonly family: 4 | 6;
}

class Race<T extends DialTarget> {
  readonly #options: DialOptions<T>;
  readonly #stop = new AbortController();
  readonly #attempts = new Set<Socket>();
  readonly #failures: { readonly code: GatewayErrorCode; readonly what: string; readonly cause?: unknown }[] = [];
  #started = 0;
  #win: (dialled: Dialled<T>) => void = () => {};

  constructor(options: DialOptions<T>) {
    this.#options = options;
    // Each attempt listens for the end of the race as long as its head start lasts; the attempts are bounded.
    setMaxListeners(2 * MAX_ATTEMPTS, this.#stop.signal);
  }

  async run(): Promise<Dialled<T>> {
    const { signal, timeoutMs = 30_000 } = this.#options;
    if (signal?.aborted) throw abortedError(signal);
    return new Promise<Dialled<T>>((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        this.#stop.abort();
        for (const socket of this.#attempts) socket.destroy();
      };
      const fail = (error: unknown): void => {
        finish();
        reject(error);
      };
      const onAbort = (): void => fail(signal === undefined ? new GatewayError('aborted') : abortedError(signal));
      const timer = setTimeout(() => {
        this.#fail(this.#started > 0 ? 'connect-timeout' : 'dns-timeout', `nothing within ${timeoutMs} ms`);
        fail(this.#summary());
      }, timeoutMs);
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#win = (dialled) => {
        finish();
        resolve(dialled);
      };
      this.#tryAll().then(
        () => fail(this.#summary()),
        (error) => fail(error),
      );
    });
  }

  /** Resolves when everything was tried in vain; stays pending, or rejects unheard, once the race is over. */
  async #tryAll(): Promise<void> {
    const { targets, staggerMs = 250 } = this.#options;
    const running: Promise<void>[] = [];
    for (const target of targets) {
      for await (const candidate of this.#candidates(target)) {
        if (this.#stop.signal.aborted) return;
        if (this.#started === MAX_ATTEMPTS) {
          await Promise.all(running);
          return;
        }
        this.#started += 1;
        const attempt = this.#attempt(candidate);
        running.push(attempt);
        await Promise.race([attempt, delay(staggerMs, undefined, { signal: this.#stop.signal })]);
      }
    }
    await Promise.all(running);
  }

  /** Addresses of one target as they become known, families in turn, IPv6 first. */
  async *#candidates(target: T): AsyncGenerator<Candidate<T>> {
    const literal = isIP(target.name);
    if (literal !== 0) {
      const family = literal === 4 ? 4 : 6;
      if (this.#isAllowed(target, target.name)) yield { target, address: target.name, family };
      return;
    }
    const found: Record<4 | 6, string[]> = { 4: [], 6: [] };
    const isKnown: Record<4 | 6, boolean> = { 4: false, 6: false };
    const look = async (family: 4 | 6): Promise<void> => {
      found[family] = await this.#lookUp(target, family);
      isKnown[family] = true;
    };
    const six = look(6);
    const four = look(4);
    const both = Promise.all([six, four]);
    both.catch(() => {}); // aborted while nobody waits
    await Promise.race([
      six,
      four.then(() => Promise.race([six, delay(RESOLUTION_DELAY_MS, undefined, { signal: this.#stop.signal })])),
    ]);
    let turn: 4 | 6 = 6;
    while (true) {
      const other: 4 | 6 = turn === 6 ? 4 : 6;
      const family: 4 | 6 = found[turn].length > 0 ? turn : other;
      const address = found[family].shift();
      if (address !== undefined) {
        turn = family === 6 ? 4 : 6;
        yield { target, address, family };
      } else if (isKnown[4] && isKnown[6]) {
        return;
      } else {
        await both;
      }
    }
  }

  async #lookUp(target: T, family: 4 | 6): Promise<string[]> {
    const { localAddress } = this.#options;
    if (localAddress !== undefined && isIP(localAddress) !== family) return [];
    const answer = await this.#options.resolver.resolve(target.name, family === 4 ? 'A' : 'AAAA', this.#stop.signal);
    if (answer.outcome === 'found') {
      return answer.records.slice(0, MAX_ADDRESSES).filter((address) => this.#isAllowed(target, address));
    }
    if (answer.outcome === 'timeout') this.#fail('dns-timeout', `${target.name}: no answer`);
    else if (answer.outcome === 'servfail') this.#fail('dns-failure', `${target.name}: name servers fail`);
    return [];
  }

  #isAllowed(target: T, address: string): boolean {
    const isOwn = this.#options.isOwn?.(address, target.port) ?? false;
    if (!isOwn && (target.mayBePrivate || isPublicAddress(address))) return true;
    this.#fail('private-address', `${target.name}: ${address} is ${isOwn ? 'ourselves' : 'not a public address'}`);
    return false;
  }

  /** Resolves when the attempt has failed. */
  #attempt({ target, address, family }: Candidate<T>): Promise<void> {
    return new Promise((resolve) => {
      const { open, localAddress } = this.#options;
      const socket = open?.(address, target.port) ?? openSocket(address, target.port, localAddress);
      this.#attempts.add(socket);
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (!this.#attempts.delete(socket)) return;
        this.#fail(codeOf(error), `${address} port ${target.port}: ${error.code ?? error.message}`, error);
        resolve();
      });
      socket.once('connect', () => {
        this.#attempts.delete(socket);
        this.#win({ socket, target, address, family });
      });
    });
  }

  #fail(code: GatewayErrorCode, what: string, cause?: unknown): void {
    this.#failures.push({ code, what, cause });
  }

  #summary(): GatewayError {
    const rank = (code: GatewayErrorCode): number => (RANK.includes(code) ? RANK.indexOf(code) : RANK.length);
    const [worst] = [...this.#failures].sort((one, other) => rank(one.code) - rank(other.code));
    if (worst === undefined) {
      const names = this.#options.targets.map(({ name }) => name).join(', ');
      return new GatewayError('dns-no-service', { message: `no address for ${names}` });
    }
    const message = this.#failures
      .slice(0, MAX_TOLD)
      .map(({ what }) => what)
      .join('; ');
    return new GatewayError(worst.code, { message, cause: worst.cause });
  }
}

function openSocket(host: string, port: number, localAddress: string | undefined): Socket {
  return connect({ host, port, noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) });
}

function codeOf({ code }: NodeJS.ErrnoException): GatewayErrorCode {
  if (code === 'ECONNREFUSED') return 'connect-refused';
  return code === 'ETIMEDOUT' ? 'connect-timeout' : 'connect-failed';
}
