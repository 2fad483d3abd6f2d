// Over 300 lines: the way of a request, from the call to its outcome, with every turn it can take.

import { CallSequence } from './sip/call-sequence.ts';
import {
  type ClientEvent,
  type ClientState,
  NEW_RELIABLE,
  NEW_UNRELIABLE,
  stepClient,
  TIMEOUT,
} from './sip/client-transaction.ts';
import type { SipFlow, SipTarget } from './sip/flow.ts';
import { formatPageMessage, formatRequest } from './sip/format.ts';
import { retryAfterSeconds } from './sip/hop-health.ts';
import type { SipResponse } from './sip/message.ts';
import type { SipPageMessage } from './sip/page-message.ts';
import { TimerWheel, WheelTimer } from './sip/timer-wheel.ts';
import { type Hop, type NextHopHealth, type NextHopOptions, NextHops } from './sip-next-hops.ts';

/** How a request ended. `status` is always usable for an error mapping, whatever the source. */
export interface SipOutcome {
  /** 200-699. */
  readonly status: number;
  readonly reason: string;
  /**
   * `response`: from the SIP side. `timeout`: no answer, the message may have arrived. `transport`: the connection broke
   * or takes nothing more. `no-next-hop`: none is up. `overload`: too many requests under way. `too-large`: over the
   * limit for UDP. `stopped`: this side is shutting down.
   */
  readonly source: 'response' | 'timeout' | 'transport' | 'no-next-hop' | 'overload' | 'too-large' | 'stopped';
}

export type OutcomeCallback = (outcome: SipOutcome) => void;

export interface SipClientOptions extends NextHopOptions {
  /** Unpredictable and unique to this process: part of every branch, tag and Call-ID. Token characters only. */
  readonly token: string;
  readonly maxPending: number;
  readonly maxDatagramBytes: number;
  readonly nowMs: number;
  /** Whole seconds of a clock that survives a restart, where CSeq numbers start. */
  readonly cseqSeconds: number;
}

const OUTCOMES = {
  timeout: { status: 408, reason: 'Request Timeout', source: 'timeout' },
  transport: { status: 503, reason: 'Connection Failed', source: 'transport' },
  'no-next-hop': { status: 503, reason: 'No Next Hop Is Up', source: 'no-next-hop' },
  overload: { status: 503, reason: 'Too Many Requests Under Way', source: 'overload' },
  'too-large': { status: 513, reason: 'Message Too Large', source: 'too-large' },
  stopped: { status: 503, reason: 'Shutting Down', source: 'stopped' },
} as const satisfies Record<string, SipOutcome>;

const TICK_MS = 100;
const REMEMBERED_CALLS = 10_000;
const PROBE_TIMEOUT_MS = 10_000;

class ClientTransaction {
  readonly method: 'MESSAGE' | 'OPTIONS';
  /** Undefined for OPTIONS. */
  readonly message: SipPageMessage | undefined;
  readonly done: OutcomeCallback;
  readonly callId: string;
  readonly cseq: number;
  readonly timer: WheelTimer<ClientTransaction>;
  resendTimer: WheelTimer<ClientTransaction> | undefined = undefined;
  readonly hop: Hop;
  /** Next hops that had this message before; undefined on the first attempt. */
  readonly tried: readonly Hop[] | undefined;
  state: ClientState = NEW_RELIABLE;
  id = 0;
  flow: SipFlow | undefined = undefined;
  /** Over UDP: what is sent again. */
  text = '';

  constructor(
    hop: Hop,
    message: SipPageMessage | undefined,
    callId: string,
    cseq: number,
    done: OutcomeCallback,
    tried?: readonly Hop[],
  ) {
    this.method = message === undefined ? 'OPTIONS' : 'MESSAGE';
    this.message = message;
    this.done = done;
    this.callId = callId;
    this.cseq = cseq;
    this.hop = hop;
    this.tried = tried;
    this.timer = new WheelTimer<ClientTransaction>(this);
  }
}

/** Requests towards the next hops. Time comes in through `tick`. */
export class SipClient {
  readonly #options: SipClientOptions;
  readonly #branchStart: string;
  readonly #wheel: TimerWheel<ClientTransaction>;
  // Keyed by the number that ends the branch: the rest of the branch is the same for all.
  readonly #pending = new Map<number, ClientTransaction>();
  readonly #calls = new CallSequence(REMEMBERED_CALLS);
  readonly #nextHops: NextHops;
  #active = 0;
  #lastId = 0;
  #nowMs: number;
  #cseqSeconds: number;
  #isStopping = false;

  constructor(options: SipClientOptions) {
    this.#options = options;
    this.#nextHops = new NextHops(options);
    this.#branchStart = `z9hG4bK${options.token}.`;
    this.#nowMs = options.nowMs;
    this.#cseqSeconds = options.cseqSeconds;
    this.#wheel = new TimerWheel(TICK_MS, 512, options.nowMs);
  }

  /** Requests that have no outcome yet. */
  get active(): number {
    return this.#active;
  }

  /** Replaces the next hops; requests under way are not disturbed. */
  setTargets(targets: readonly SipTarget[]): void {
    this.#nextHops.set(targets, this.#nowMs);
  }

  /** Lets every connection go once its requests are answered: the next request opens a new one. */
  renewConnections(): void {
    this.#nextHops.drainAll(this.#nowMs);
  }

  /**
   * Sends one page message. `done` is called exactly once, possibly before this returns. The message goes to another
   * next hop only when none of it was written, or when the answer was 503.
   */
  sendMessage(message: SipPageMessage, done: OutcomeCallback): void {
    if (this.#isStopping) {
      this.#settle(done, OUTCOMES.stopped);
      return;
    }
    if (this.#active >= this.#options.maxPending) {
      this.#options.observe({ event: 'overload', direction: 'to-sip' });
      this.#settle(done, OUTCOMES.overload);
      return;
    }
    const hop = this.#nextHops.current;
    if (hop === undefined) {
      this.#settle(done, OUTCOMES['no-next-hop']);
      return;
    }
    const { callId } = message;
    const transaction =
      callId === undefined || callId === ''
        ? new ClientTransaction(hop, message, `${this.#options.token}.${this.#lastId + 1}`, 1, done)
        : new ClientTransaction(hop, message, callId, this.#calls.next(callId, this.#cseqSeconds), done);
    this.#active++;
    this.#attempt(transaction);
  }

  onResponse(flow: SipFlow, response: SipResponse): void {
    const transaction = this.#find(response);
    // A response comes back over the connection its request took, or at least from a peer that may talk to us. Over
    // UDP the sender address proves nothing; the branch, which cannot be guessed, has to do.
    if (
      transaction === undefined ||
      (transaction.flow !== flow && flow.transport !== 'udp' && !flow.isTrusted) ||
      response.viaCount !== 1
    ) {
      this.#options.observe({ event: 'response-unmatched', peer: flow.peer });
      return;
    }
    transaction.hop.answeredMs = this.#nowMs;
    this.#step(transaction, response.status < 200 ? 'provisional' : 'final', response);
  }

  onOpen(flow: SipFlow): void {
    this.#nextHops.onOpen(flow, this.#nowMs);
  }

  onClosed(flow: SipFlow, wasOpen: boolean, reason: string): void {
    // Only these ever carry our requests.
    if (!flow.isOutbound && !flow.mayReuse) return;
    this.#nextHops.onClosed(flow, wasOpen, reason, this.#nowMs);
    const lost: ClientTransaction[] = [];
    for (const transaction of this.#pending.values()) if (transaction.flow === flow) lost.push(transaction);
    for (const transaction of lost) this.#lose(transaction, !wasOpen);
  }

  tick(nowMs: number, cseqSeconds: number): void {
    this.#nowMs = nowMs;
    this.#cseqSeconds = cseqSeconds;
    this.#wheel.advance(nowMs, (timer) => {
      const event = timer === timer.owner.resendTimer ? 'resend' : timer.name === 'linger' ? 'linger' : 'timeout';
      this.#step(timer.owner, event, undefined);
    });
    if (!this.#isStopping) for (const hop of this.#nextHops.due(nowMs)) this.#probe(hop);
  }

  /** From now on every new request is refused; those under way go on. */
  beginStop(): void {
    this.#isStopping = true;
    this.#abandon((transaction) => transaction.message === undefined);
  }

  /** Ends what is still under way. */
  abandon(): void {
    this.#abandon(() => true);
  }

  health(): readonly NextHopHealth[] {
    return this.#nextHops.health();
  }

  #abandon(isMeant: (transaction: ClientTransaction) => boolean): void {
    for (const transaction of [...this.#pending.values()].filter(isMeant)) {
      if (this.#forget(transaction)) this.#end(transaction, OUTCOMES.stopped);
    }
  }

  #find(response: SipResponse): ClientTransaction | undefined {
    const { branch } = response.via;
    if (branch === undefined || !branch.startsWith(this.#branchStart)) return undefined;
    const start = this.#branchStart.length;
    // Exactly as it was written: no leading zero, and never so long that it is rounded.
    if (branch.length - start > 15 || branch.charCodeAt(start) === 0x30) return undefined;
    let id = 0;
    for (let i = start; i < branch.length; i++) {
      const digit = branch.charCodeAt(i) - 0x30;
      if (digit < 0 || digit > 9) return undefined;
      id = id * 10 + digit;
    }
    const transaction = this.#pending.get(id);
    return transaction !== undefined && transaction.method === response.cseqMethod ? transaction : undefined;
  }

  #attempt(transaction: ClientTransaction): void {
    const flow = this.#nextHops.flowTo(transaction.hop, this.#nowMs);
    const id = ++this.#lastId;
    transaction.id = id;
    transaction.flow = flow;
    transaction.text = this.#format(transaction, this.#branchStart + id, id);
    if (flow.transport === 'udp') {
      transaction.state = NEW_UNRELIABLE;
      if (Buffer.byteLength(transaction.text) > this.#options.maxDatagramBytes) {
        this.#end(transaction, OUTCOMES['too-large']);
        return;
      }
    }
    this.#pending.set(id, transaction);
    this.#step(transaction, 'start', undefined);
    if (flow.transport !== 'udp') transaction.text = '';
  }

  #format(transaction: ClientTransaction, branch: string, id: number): string {
    const { message, hop, callId, cseq } = transaction;
    const tag = `${this.#options.token}${id}`;
    if (message !== undefined) return formatPageMessage(message, hop.lines, branch, tag, callId, cseq);
    const { fqdn, transport } = hop.target;
    return formatRequest({
      method: 'OPTIONS',
      uri: `sip:${fqdn}`,
      headers: [
        ['Via', hop.lines.viaStart + branch + hop.lines.viaEnd],
        // RFC 3261 section 11: whoever gets it answers it, and does not pass it on.
        ['Max-Forwards', '0'],
        ['From', `<sip:${this.#options.transport.sentBy(transport)}>;tag=${tag}`],
        ['To', `<sip:${fqdn}>`],
        ['Call-ID', callId],
        ['CSeq', `${cseq} OPTIONS`],
      ],
    });
  }

  #step(transaction: ClientTransaction, event: ClientEvent, response: SipResponse | undefined): void {
    const [state, effects] = stepClient(transaction.state, event);
    transaction.state = state;
    for (const effect of effects) {
      switch (effect.effect) {
        case 'send':
          if (transaction.flow?.send(transaction.text) !== true) {
            this.#lose(transaction, event === 'start');
            return;
          }
          break;
        case 'start':
          this.#startTimer(transaction, effect.timer, effect.afterMs);
          break;
        case 'stop':
          this.#stopTimer(transaction, effect.timer);
          break;
        case 'deliver':
          if (response !== undefined) this.#onFinal(transaction, response);
          break;
        case 'report':
          this.#onFailure(transaction, effect.failure);
          break;
      }
    }
    if (state.name === 'terminated') this.#pending.delete(transaction.id);
  }

  #startTimer(transaction: ClientTransaction, name: 'resend' | 'timeout' | 'linger', afterMs: number): void {
    if (name === 'resend') {
      transaction.resendTimer ??= new WheelTimer<ClientTransaction>(transaction);
      this.#wheel.start(transaction.resendTimer, this.#nowMs, afterMs);
      return;
    }
    transaction.timer.name = name;
    const delay = name === 'timeout' && transaction.message === undefined ? PROBE_TIMEOUT_MS : afterMs;
    this.#wheel.start(transaction.timer, this.#nowMs, delay);
  }

  #stopTimer(transaction: ClientTransaction, name: 'resend' | 'timeout'): void {
    if (name === 'timeout') this.#wheel.stop(transaction.timer);
    else if (transaction.resendTimer !== undefined) this.#wheel.stop(transaction.resendTimer);
  }

  #onFinal(transaction: ClientTransaction, response: SipResponse): void {
    const { hop, message } = transaction;
    const { status, reason } = response;
    if (status === 503) {
      const after = retryAfterSeconds(response.headers.first('retry-after'));
      // Without a time, 503 may be about this one message: it moves on, the next hop stays.
      if (message === undefined || after !== undefined) {
        this.#nextHops.report(hop, { event: 'unavailable', retryAfterSeconds: after }, this.#nowMs);
      }
      if (this.#tryNext(transaction)) return;
    } else if (hop.health.state !== 'up') this.#nextHops.report(hop, { event: 'answered' }, this.#nowMs);
    this.#end(transaction, { status, reason, source: 'response' });
  }

  #onFailure(transaction: ClientTransaction, failure: 'timeout' | 'transport'): void {
    const { hop, flow, timer } = transaction;
    if (failure === 'timeout') {
      const isProbe = transaction.message === undefined;
      // One user who never answers must not take the pool down with him: only a hop that was silent altogether is down.
      const sentMs = timer.deadline - (isProbe ? PROBE_TIMEOUT_MS : TIMEOUT);
      if (hop.answeredMs < sentMs) {
        this.#nextHops.report(hop, { event: 'failed', reason: 'no answer' }, this.#nowMs);
        if (!isProbe) hop.nextProbeMs = this.#nowMs;
        else if (hop.flow === flow) this.#nextHops.drain(hop, this.#nowMs);
      }
    }
    this.#end(transaction, OUTCOMES[failure]);
  }

  /** The connection of a request is gone, or takes nothing more. */
  #lose(transaction: ClientTransaction, nothingWritten: boolean): void {
    if (!this.#forget(transaction)) return;
    if (nothingWritten && this.#tryNext(transaction)) return;
    this.#end(transaction, OUTCOMES.transport);
  }

  /** Takes a transaction out of every table; false when it had its outcome before. */
  #forget(transaction: ClientTransaction): boolean {
    const { name } = transaction.state;
    this.#stopTimer(transaction, 'timeout');
    this.#stopTimer(transaction, 'resend');
    this.#pending.delete(transaction.id);
    transaction.state = { name: 'terminated' };
    return name === 'trying' || name === 'proceeding';
  }

  /** Sends a message to a next hop that is up and did not have it yet; a probe is about one hop and goes nowhere else. */
  #tryNext({ message, hop, tried = [], callId, cseq, done }: ClientTransaction): boolean {
    if (message === undefined || this.#isStopping) return false;
    const had = [...tried, hop];
    const next = this.#nextHops.after(had);
    if (next === undefined) return false;
    this.#attempt(new ClientTransaction(next, message, callId, cseq, done, had));
    return true;
  }

  #probe(hop: Hop): void {
    hop.isProbing = true;
    const callId = `${this.#options.token}.${this.#lastId + 1}`;
    const probe = new ClientTransaction(hop, undefined, callId, 1, () => {
      hop.isProbing = false;
    });
    this.#active++;
    this.#attempt(probe);
  }

  #end(transaction: ClientTransaction, outcome: SipOutcome): void {
    this.#active--;
    this.#settle(transaction.done, outcome);
  }

  #settle(done: OutcomeCallback, outcome: SipOutcome): void {
    try {
      done(outcome);
    } catch (error) {
      this.#options.observe({ event: 'handler-failed', error });
    }
  }
}
