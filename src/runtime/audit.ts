import type { Logger } from 'pino';
import { refusalOf } from '../policy/index.ts';
import type { BridgeObservation } from './bridge.ts';
import type { SipEvent } from './sip-event.ts';
import type { StreamObservation } from './streams/stream-services.ts';
import type { StreamEnding } from './xmpp/session.ts';

/** Lines in any one second; what is over is counted and said once, so that a flood cannot fill the disk. */
const LINES_PER_SECOND = 200;

/**
 * Writes what happens as log lines: one for each admitted or refused stream and each refused stanza, with `audit: true`.
 * Never a message body, unless the configuration asks for it.
 */
export class AuditLog {
  readonly #logger: Logger;
  readonly #now: () => number;
  #second = 0;
  #lines = 0;
  #dropped = 0;

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
        return this.#write('info', { audit: true, event: event.type, ...fields }, 'stream admitted');
      }
      case 'pair-refused':
      case 'stream-ended': {
        const { direction, streamId, peerAddress, localDomain, remoteDomain, ending } = event;
        const fields = { direction, streamId, peerAddress, localDomain, remoteDomain, ...describeEnding(ending) };
        const isRefusal = ending.why === 'refused';
        const name = isRefusal ? 'stream-refused' : event.type;
        const level = ending.why === 'fault' ? 'error' : isRefusal || ending.why === 'unreachable' ? 'warn' : 'info';
        return this.#write(
          level,
          { ...(isRefusal ? { audit: true } : {}), event: name, ...fields },
          sentenceOf(ending),
        );
      }
      case 'connection-refused': {
        const { peerAddress, reason } = event;
        return this.#write('warn', { audit: true, event: event.type, peerAddress, reason }, 'connection refused');
      }
    }
  }

  onBridge(event: BridgeObservation): void {
    const { type, direction, partner, from, to } = event;
    const fields = { event: type, direction, partner, from, to };
    switch (event.type) {
      case 'stanza-refused': {
        const { kind, streamId, refused } = event;
        const { reason, path } = refused;
        return this.#write(
          'warn',
          { audit: true, ...fields, kind, streamId, reason, path },
          refusalOf(reason).sentence,
        );
      }
      case 'message-failed':
        return this.#write('info', { ...fields, cause: event.cause }, 'message not delivered');
      case 'message-passed':
        return this.#write('info', { ...fields, body: event.body }, 'message');
    }
  }

  onSip(event: SipEvent): void {
    const { event: name, ...fields } = event;
    switch (event.event) {
      case 'message-received':
        return;
      case 'peer-refused':
        return this.#write('warn', { audit: true, ...event, event: `sip-${name}` }, 'SIP peer refused');
      case 'handler-failed': {
        const detail = event.error instanceof Error ? event.error.stack : String(event.error);
        return this.#write('error', { event: `sip-${name}`, detail }, 'SIP handler failed');
      }
      case 'next-hop-down':
      case 'resolution-failed':
      case 'overload':
        return this.#write('warn', { event: `sip-${name}`, ...fields }, `SIP ${name.replaceAll('-', ' ')}`);
      case 'next-hop-up':
        return this.#write('info', { event: `sip-${name}`, ...fields }, 'SIP next hop up');
      default:
        return this.#write('debug', { event: `sip-${name}`, ...fields }, `SIP ${name.replaceAll('-', ' ')}`);
    }
  }

  #write(level: 'debug' | 'info' | 'warn' | 'error', fields: object, message: string): void {
    const second = Math.floor(this.#now() / 1_000);
    if (second !== this.#second) {
      if (this.#dropped > 0)
        this.#logger.warn({ event: 'log-lines-dropped', count: this.#dropped }, 'log lines dropped');
      this.#second = second;
      this.#lines = 0;
      this.#dropped = 0;
    }
    if (this.#lines >= LINES_PER_SECOND) {
      this.#dropped += 1;
      return;
    }
    this.#lines += 1;
    this.#logger[level](fields, message);
  }
}

function describeEnding(ending: StreamEnding): object {
  switch (ending.why) {
    case 'refused':
      return { reason: ending.reason, path: ending.path, detail: ending.detail };
    case 'protocol':
    case 'peer-error':
      return { why: ending.why, condition: ending.condition, detail: ending.detail };
    case 'unreachable':
      return { why: ending.why, code: ending.code, detail: ending.detail };
    case 'timeout':
      return { why: ending.why, what: ending.what };
    case 'disconnected':
    case 'fault':
      return { why: ending.why, detail: ending.detail };
    case 'peer-closed':
    case 'shutdown':
      return { why: ending.why };
  }
}

function sentenceOf(ending: StreamEnding): string {
  switch (ending.why) {
    case 'refused':
      return refusalOf(ending.reason).sentence;
    case 'unreachable':
      return "the partner's server cannot be reached";
    case 'fault':
      return 'the stream was closed because of a fault of the gateway';
    default:
      return 'stream ended';
  }
}
