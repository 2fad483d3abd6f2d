import type { Logger } from 'pino';
import { refusalOf } from '../policy/index.ts';
import type { BridgeObservation } from './bridge-services.ts';
import type { SipEvent } from './sip-event.ts';
import type { StreamObservation } from './streams/stream-services.ts';
import type { StreamEnding } from './xmpp/session.ts';

/** Lines of one event in any one second; what is over is counted and said once, so that a flood cannot fill the disk. */
const LINES_PER_SECOND = 100;
/** UTF-16 units of anything a peer may have written. */
const LONGEST_TEXT = 500;
/** And of the trace of a fault of ours. */
const LONGEST_TRACE = 4_000;

type Level = 'debug' | 'info' | 'warn' | 'error';

interface Budget {
  second: number;
  lines: number;
  dropped: number;
}

/**
 * Writes what happens as log lines: one for each admitted or refused stream and each refused stanza, with `audit: true`.
 * Never a message body, unless the configuration asks for it. Each event has its own budget: a flood of one hides none
 * of another.
 */
export class AuditLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  /** By the name of the event: there are as many as in this file and in {@link SipEvent}. */
  readonly #budgets = new Map<string, Budget>();

  /** @param now milliseconds of any clock */
  constructor(logger: Logger, now: () => number) {
    this.#logger = logger;
    this.#now = now;
  }

  onStream(event: StreamObservation): void {
    switch (event.type) {
      case 'stream-admitted': {
        const { direction, streamId, peerAddress, proof, tls } = event;
        const { localDomain, remoteDomain, method, certificateProves } = proof;
        const fields = { direction, streamId, peerAddress, localDomain, remoteDomain, method, certificateProves, tls };
        this.#write('info', event.type, { audit: true, ...fields }, 'stream admitted');
        break;
      }
      case 'pair-refused':
      case 'stream-ended': {
        const { direction, streamId, peerAddress, localDomain, remoteDomain, ending } = event;
        const fields = { direction, streamId, peerAddress, localDomain, remoteDomain, ...describeEnding(ending) };
        if (ending.why === 'refused') {
          const name = event.type === 'pair-refused' ? event.type : 'stream-refused';
          this.#write('warn', name, { audit: true, ...fields }, refusalOf(ending.reason).sentence);
        } else this.#write(levelOf(ending), event.type, fields, sentenceOf(ending));
        break;
      }
      case 'connection-refused': {
        const { peerAddress, reason } = event;
        this.#write('warn', event.type, { audit: true, peerAddress, reason }, 'connection refused');
        break;
      }
    }
  }

  onBridge(event: BridgeObservation): void {
    switch (event.type) {
      case 'stanza-refused': {
        const { type, direction, partner, from, to, kind, streamId, refused } = event;
        const { reason, path } = refused;
        const fields = { direction, partner, from, to, kind, streamId, reason, path };
        this.#write('warn', type, { audit: true, ...fields }, refusalOf(reason).sentence);
        break;
      }
      case 'pool-message-refused': {
        const { type, status, reason } = event;
        const fields = { from: shortened(event.from), to: shortened(event.to), status, reason };
        this.#write('warn', type, { audit: true, ...fields }, 'message of the pool refused');
        break;
      }
      case 'message-failed': {
        const { type, direction, partner, from, to, cause } = event;
        const fields = { direction, partner, from, to, cause: shortened(cause) };
        this.#write('info', type, fields, 'message not delivered');
        break;
      }
      case 'message-passed': {
        const { type, ...fields } = event;
        // Whoever wants all bodies wants all of them.
        this.#logger.info({ event: type, ...fields }, 'message');
        break;
      }
    }
  }

  onSip(event: SipEvent): void {
    // One for each message: counted, not written.
    if (event.event === 'message-received') return;
    const name = `sip-${event.event}`;
    const sentence = `SIP ${event.event.replaceAll('-', ' ')}`;
    switch (event.event) {
      case 'handler-failed': {
        const detail = event.error instanceof Error ? (event.error.stack ?? event.error.message) : String(event.error);
        this.#write('error', name, { detail: detail.slice(0, LONGEST_TRACE) }, sentence);
        break;
      }
      case 'peer-refused':
        this.#write('warn', name, { audit: true, peer: event.peer, reason: shortened(event.reason) }, sentence);
        break;
      case 'next-hop-down':
      case 'resolution-failed':
      case 'overload':
        this.#write('warn', name, fieldsOf(event), sentence);
        break;
      case 'next-hop-up':
        this.#write('info', name, fieldsOf(event), sentence);
        break;
      default:
        this.#write('debug', name, fieldsOf(event), sentence);
    }
  }

  /** Says what was left out in the seconds that are over. Called about once a second, and at the end. */
  tick(): void {
    const second = this.#second();
    for (const [event, budget] of this.#budgets) {
      if (budget.second !== second) this.#renew(event, budget, second);
    }
  }

  #write(level: Level, event: string, fields: object, message: string): void {
    if (!this.#logger.isLevelEnabled(level)) return;
    const second = this.#second();
    let budget = this.#budgets.get(event);
    if (budget === undefined) {
      budget = { second, lines: 0, dropped: 0 };
      this.#budgets.set(event, budget);
    } else if (budget.second !== second) this.#renew(event, budget, second);
    if (budget.lines >= LINES_PER_SECOND) {
      budget.dropped += 1;
      return;
    }
    budget.lines += 1;
    this.#logger[level]({ event, ...fields }, message);
  }

  #renew(event: string, budget: Budget, second: number): void {
    const { dropped: count } = budget;
    budget.second = second;
    budget.lines = 0;
    budget.dropped = 0;
    if (count > 0) this.#logger.warn({ event: 'lines-left-out', of: event, count }, 'log lines left out');
  }

  #second(): number {
    return Math.floor(this.#now() / 1_000);
  }
}

function fieldsOf({ event: _, ...fields }: SipEvent): object {
  return 'reason' in fields ? { ...fields, reason: shortened(fields.reason) } : fields;
}

function shortened(text: string): string {
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;
}

function describeEnding(ending: StreamEnding): object {
  const { why } = ending;
  switch (why) {
    case 'refused':
      return { reason: ending.reason, path: ending.path, detail: shortened(ending.detail) };
    case 'protocol':
    case 'peer-error':
      return { why, condition: shortened(ending.condition), detail: shortened(ending.detail) };
    case 'unreachable':
      return { why, code: ending.code, detail: shortened(ending.detail) };
    case 'timeout':
      return { why, what: ending.what };
    case 'disconnected':
      return { why, detail: shortened(ending.detail) };
    case 'fault':
      return { why, detail: ending.detail.slice(0, LONGEST_TRACE) };
    case 'peer-closed':
    case 'shutdown':
      return { why };
  }
}

function levelOf({ why }: StreamEnding): Level {
  if (why === 'fault') return 'error';
  return why === 'unreachable' ? 'warn' : 'info';
}

function sentenceOf({ why }: StreamEnding): string {
  if (why === 'unreachable') return "the partner's server cannot be reached";
  return why === 'fault' ? 'the stream was closed because of a fault of the gateway' : 'stream ended';
}
