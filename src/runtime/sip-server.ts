import type { SipFlow } from './sip/flow.ts';
import { formatHeaders, formatResponse } from './sip/format.ts';
import type { SipFailure, SipRequest } from './sip/message.ts';
import { receivedMessage, type SipReceivedMessage } from './sip/page-message.ts';
import { refusalOf, transactionKey } from './sip/request-checks.ts';
import { newServerState, type ServerEvent, type ServerState, stepServer } from './sip/server-transaction.ts';
import { TimerWheel, WheelTimer } from './sip/timer-wheel.ts';
import { parseVia, type Via } from './sip/via.ts';
import type { SipObserver } from './sip-event.ts';

/** Answers one request. Status 200-699; the usual phrase when `reason` is left out. Later calls mean nothing. */
export type SipAnswer = (status: number, reason?: string) => void;

/**
 * A MESSAGE from a trusted peer, once for each transaction. May answer at once or later; without an answer within
 * 32 seconds the request is forgotten (RFC 4320: never a 408).
 */
export type SipMessageHandler = (message: SipReceivedMessage, peer: string, answer: SipAnswer) => void;

export interface SipServerOptions {
  readonly onMessage: SipMessageHandler;
  readonly observe: SipObserver;
  /** See SipClientOptions. */
  readonly token: string;
  /** Transactions kept at a time: not answered yet, or lingering over UDP for requests that come again. */
  readonly maxTransactions: number;
  /** Media types named in Accept. */
  readonly acceptTypes: readonly string[];
  /** Event packages named in Allow-Events. */
  readonly eventPackages: readonly string[];
  readonly nowMs: number;
}

const TICK_MS = 100;
const UNANSWERED_MS = 32_000;
const ALLOW = formatHeaders([['Allow', 'MESSAGE, OPTIONS']]);
/** Requests that only exist within a dialog, and there is none here. */
const DIALOG_ONLY = new Set(['BYE', 'NOTIFY', 'INFO', 'PRACK', 'UPDATE']);

class ServerTransaction {
  readonly flow: SipFlow;
  readonly request: SipRequest;
  readonly timer: WheelTimer<ServerTransaction>;
  resendTimer: WheelTimer<ServerTransaction> | undefined = undefined;
  /** '' on a reliable transport, where the same request does not come twice. */
  key = '';
  state: ServerState;
  response = '';

  constructor(flow: SipFlow, request: SipRequest) {
    this.flow = flow;
    this.request = request;
    this.state = newServerState(request.method === 'INVITE', flow.transport !== 'udp');
    this.timer = new WheelTimer<ServerTransaction>(this);
  }
}

/** Requests from the peers. Time comes in through `tick`. */
export class SipServer {
  readonly #options: SipServerOptions;
  readonly #wheel: TimerWheel<ServerTransaction>;
  readonly #transactions = new Map<string, ServerTransaction>();
  readonly #accept: string;
  readonly #allowEvents: string;
  #open = 0;
  #lastTag = 0;
  #nowMs: number;

  constructor(options: SipServerOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs;
    this.#wheel = new TimerWheel(TICK_MS, 512, options.nowMs);
    this.#accept = formatHeaders([['Accept', options.acceptTypes.join(', ')]]);
    this.#allowEvents =
      options.eventPackages.length === 0 ? '' : formatHeaders([['Allow-Events', options.eventPackages.join(', ')]]);
  }

  /** Requests the handler has not answered yet. */
  get active(): number {
    return this.#open;
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs;
    this.#wheel.advance(nowMs, (timer) => {
      const transaction = timer.owner;
      if (transaction.state.name === 'trying') this.#end(transaction);
      else if (timer === transaction.resendTimer) this.#step(transaction, 'resend');
      else this.#step(transaction, timer.name === 'linger' ? 'linger' : 'timeout');
    });
  }

  onRequest(flow: SipFlow, request: SipRequest): void {
    if (!flow.isTrusted) {
      this.#refuseStranger(flow, request);
      return;
    }
    const { method } = request;
    // RFC 3261 section 17.2.3: over UDP the same request may come again, and an ACK names the INVITE it is about.
    const isDatagram = flow.transport === 'udp';
    const key =
      isDatagram || method === 'INVITE' || method === 'ACK' || method === 'CANCEL' ? transactionKey(request) : '';
    const known = key === '' ? undefined : this.#transactions.get(`${method === 'ACK' ? 'INVITE' : method} ${key}`);
    if (known !== undefined) {
      this.#step(known, method === 'ACK' ? 'ack' : 'request');
      return;
    }
    // An ACK is never answered, whatever it is about.
    if (method === 'ACK') return;
    if (!this.#hasRoom()) {
      this.#options.observe({ event: 'overload', direction: 'from-sip' });
      // Over UDP silence makes the peer ask again later. A 503 would take the whole gateway out of the pool's routing.
      if (!isDatagram) this.#respond(flow, request, 500, 'Too Many Requests Under Way', 'Retry-After: 1\r\n');
      return;
    }
    const transaction = new ServerTransaction(flow, request);
    if (key !== '') {
      transaction.key = `${method} ${key}`;
      this.#transactions.set(transaction.key, transaction);
    }
    if (method === 'MESSAGE') this.#onMessage(transaction);
    else this.#answerOther(transaction, key);
  }

  /** Answers what could not be read as a request, where that is possible. */
  onFailure(flow: SipFlow, failure: SipFailure): void {
    const { status, message, answerable, breaksFraming } = failure;
    const { peer } = flow;
    this.#options.observe({ event: 'parse-failure', peer, status, message, closes: breaksFraming });
    if (answerable === undefined || !flow.isTrusted) return;
    const { headers } = answerable;
    const via = headers.first('via');
    const to = headers.first('to');
    const mayTag = to !== undefined && !/;[ \t]*tag[ \t]*=/i.test(to);
    const top = via === undefined ? undefined : parseVia(via);
    const tag = mayTag ? this.#newTag() : undefined;
    const response = formatResponse(status, message, headers, top, flow.source, tag);
    flow.send(response, top === undefined ? undefined : replyPort(flow, top));
  }

  /** A flow is gone: what came over it can no longer be answered. */
  onClosed(flow: SipFlow): void {
    // Strangers come and go, and never get as far as a transaction.
    if (!flow.isTrusted) return;
    for (const transaction of this.#transactions.values()) {
      if (transaction.flow !== flow) continue;
      if (transaction.state.name === 'trying') this.#end(transaction);
      else this.#step(transaction, 'transport-failed');
    }
  }

  // Only connections get an answer: over UDP the sender address may be forged, and a 403 would go to its owner.
  #refuseStranger(flow: SipFlow, request: SipRequest): void {
    this.#options.observe({
      event: 'peer-refused',
      peer: flow.peer,
      reason: `${request.method} from an untrusted peer`,
    });
    if (flow.transport === 'udp') return;
    if (request.method !== 'ACK') this.#respond(flow, request, 403, undefined, '');
    if (!flow.isOutbound) flow.close('not trusted');
  }

  #onMessage(transaction: ServerTransaction): void {
    const { flow, request } = transaction;
    const refusal = refusalOf(request, this.#options.token);
    if (refusal !== undefined) {
      this.#refuse(transaction, refusal.status, refusal.extra);
      return;
    }
    if (request.via.alias) flow.mayReuse = true;

    const { observe } = this.#options;
    this.#open++;
    transaction.timer.name = 'timeout';
    this.#wheel.start(transaction.timer, this.#nowMs, UNANSWERED_MS);
    observe({ event: 'message-received', peer: flow.peer, transport: flow.transport });
    const answer: SipAnswer = (status, reason) => {
      if (transaction.state.name !== 'trying') return;
      this.#open--;
      this.#wheel.stop(transaction.timer);
      const isFinal = status >= 200 && status <= 699;
      this.#answer(transaction, isFinal ? status : 500, reason, status === 415 ? this.#accept : '');
    };
    try {
      this.#options.onMessage(receivedMessage(request), flow.peer, answer);
    } catch (error) {
      observe({ event: 'handler-failed', error });
      answer(500);
    }
  }

  /** Every method but MESSAGE and ACK. */
  #answerOther(transaction: ServerTransaction, key: string): void {
    const { flow, request } = transaction;
    const { method } = request;
    if (method === 'OPTIONS') {
      const refusal = refusalOf(request, this.#options.token);
      if (refusal !== undefined) {
        this.#refuse(transaction, refusal.status, refusal.extra);
        return;
      }
      if (request.via.alias) flow.mayReuse = true;
      this.#answer(transaction, 200, undefined, ALLOW + this.#accept + this.#allowEvents);
      return;
    }
    if (method === 'CANCEL') {
      // RFC 3261 section 9.2: too late for an INVITE that has its final answer, but known.
      this.#answer(transaction, this.#transactions.has(`INVITE ${key}`) ? 200 : 481, undefined, '');
      return;
    }
    // RFC 3261 section 8.2.1: the method is looked at before anything else, so a bad body or Require does not matter.
    if (method === 'SUBSCRIBE') {
      this.#refuse(transaction, 489, this.#allowEvents);
      return;
    }
    if (DIALOG_ONLY.has(method)) {
      this.#refuse(transaction, 481, '');
      return;
    }
    this.#refuse(transaction, 405, ALLOW);
  }

  #refuse(transaction: ServerTransaction, status: number, extra: string): void {
    const { flow, request } = transaction;
    this.#options.observe({ event: 'request-refused', peer: flow.peer, method: request.method, status });
    this.#answer(transaction, status, undefined, extra);
  }

  #answer(transaction: ServerTransaction, status: number, reason: string | undefined, extra: string): void {
    transaction.response = this.#format(transaction.flow, transaction.request, status, reason, extra);
    this.#step(transaction, 'answer');
  }

  #respond(flow: SipFlow, request: SipRequest, status: number, reason: string | undefined, extra: string): void {
    flow.send(this.#format(flow, request, status, reason, extra), replyPort(flow, request.via));
  }

  #format(flow: SipFlow, request: SipRequest, status: number, reason: string | undefined, extra: string): string {
    const toTag = request.to.tag === undefined ? this.#newTag() : undefined;
    return formatResponse(status, reason, request.headers, request.via, flow.source, toTag, extra);
  }

  #newTag(): string {
    return this.#options.token + ++this.#lastTag;
  }

  #step(transaction: ServerTransaction, event: ServerEvent): void {
    const [state, effects] = stepServer(transaction.state, event);
    transaction.state = state;
    for (const effect of effects) {
      switch (effect.effect) {
        case 'send':
          transaction.flow.send(transaction.response, replyPort(transaction.flow, transaction.request.via));
          break;
        case 'start': {
          let { timer } = transaction;
          if (effect.timer === 'resend') timer = transaction.resendTimer ??= new WheelTimer(transaction);
          timer.name = effect.timer;
          this.#wheel.start(timer, this.#nowMs, effect.afterMs);
          break;
        }
        case 'stop': {
          const timer = effect.timer === 'resend' ? transaction.resendTimer : transaction.timer;
          if (timer !== undefined) this.#wheel.stop(timer);
          break;
        }
      }
    }
    if (state.name === 'terminated' && transaction.key !== '') this.#transactions.delete(transaction.key);
  }

  /** Whether one more transaction may be kept. The oldest makes room when it has its answer and only lingers. */
  #hasRoom(): boolean {
    const { maxTransactions } = this.#options;
    if (this.#open >= maxTransactions) return false;
    if (this.#transactions.size < maxTransactions) return true;
    const [oldest] = this.#transactions.values();
    if (oldest === undefined || oldest.state.name === 'trying') return false;
    this.#step(oldest, 'transport-failed');
    this.#transactions.delete(oldest.key);
    return true;
  }

  /** Forgets a request that was never answered. */
  #end(transaction: ServerTransaction): void {
    this.#open--;
    this.#wheel.stop(transaction.timer);
    transaction.state = { name: 'terminated' };
    if (transaction.key !== '') this.#transactions.delete(transaction.key);
  }
}

// RFC 3261 section 18.2.2: over UDP to the port in Via, unless the peer asks to be answered where it sent from.
function replyPort(flow: SipFlow, via: Via): number | undefined {
  return flow.transport === 'udp' && via.rportLength < 0 ? (via.port ?? 5060) : undefined;
}
