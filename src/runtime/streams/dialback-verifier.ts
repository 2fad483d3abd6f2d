import type { DialbackAnswer, DialbackCondition } from '../xmpp/dialback.ts';
import type { DomainPair, StreamEnding } from '../xmpp/session.ts';
import { OutboundStream } from './outbound-stream.ts';
import type { StreamServices } from './stream-services.ts';

export interface DialbackQuestion extends DomainPair {
  /** Id of the inbound stream the key came on. */
  readonly streamId: string;
  readonly key: string;
}

type Answered = (answer: DialbackAnswer) => void;

/** Anybody can make us ask, so everything about it is bounded. */
const MAX_QUESTIONS = 500;
const MAX_QUESTIONS_PER_PAIR = 20;
const MAX_LINES = 200;
/** Milliseconds an authoritative server has for an answer. */
const QUESTION_TIMEOUT = 30_000;
/** Milliseconds after a failure in which a server is not tried again. */
const RETRY_AFTER = 5_000;

/** A stream to one authoritative server. */
interface Line {
  readonly stream: OutboundStream;
  isReady: boolean;
  /** By id of the inbound stream. */
  readonly questions: Map<string, { readonly key: string; readonly askedAt: number; readonly answered: Answered }>;
}

/** Asks authoritative servers about dialback keys (XEP-0220 section 2.1.2), one stream per pair of domains. */
export class DialbackVerifier {
  readonly #lines = new Map<string, Line>();
  readonly #failures = new Map<string, { readonly condition: DialbackCondition; readonly until: number }>();
  readonly #services: StreamServices;
  #questions = 0;
  #isStopped = false;

  constructor(services: StreamServices) {
    this.#services = services;
  }

  /** `answered` is called once, never before this returns. */
  ask(question: DialbackQuestion, answered: Answered): void {
    const { streamId, key } = question;
    const pair = pairOf(question);
    const now = this.#services.now();
    const failure = this.#failures.get(pair);
    if (failure !== undefined && now < failure.until) {
      answerLater(answered, failure.condition);
      return;
    }
    const known = this.#lines.get(pair);
    const isFull = this.#questions >= MAX_QUESTIONS || (known?.questions.size ?? 0) >= MAX_QUESTIONS_PER_PAIR;
    if (isFull || known?.questions.has(streamId) === true || (known === undefined && !this.#hasRoom())) {
      answerLater(answered, 'resource-constraint');
      return;
    }
    const line = known ?? this.#open(question, pair);
    this.#questions += 1;
    line.questions.set(streamId, { key, askedAt: now, answered });
    if (line.isReady) line.stream.verify(streamId, key);
  }

  tick(now: number): void {
    for (const [pair, { until }] of this.#failures) if (now >= until) this.#failures.delete(pair);
    for (const line of this.#lines.values()) {
      for (const [streamId, { askedAt }] of line.questions) {
        if (now - askedAt < QUESTION_TIMEOUT) break;
        this.#answer(line, streamId, { type: 'error', condition: 'remote-server-timeout' });
      }
      line.stream.tick(now);
    }
  }

  reconsider(): void {
    this.#failures.clear();
    for (const { stream } of this.#lines.values()) stream.reconsider();
  }

  shutdown(): void {
    this.#isStopped = true;
    for (const { stream } of this.#lines.values()) stream.shutdown();
  }

  /** Room for one more line, if need be made by closing one that nobody waits for. */
  #hasRoom(): boolean {
    if (this.#isStopped) return false;
    if (this.#lines.size < MAX_LINES) return true;
    for (const { stream, questions } of this.#lines.values()) {
      if (questions.size > 0) continue;
      stream.shutdown();
      return true;
    }
    return false;
  }

  #open({ localDomain, remoteDomain }: DomainPair, pair: string): Line {
    const stream = new OutboundStream({ localDomain, remoteDomain, purpose: 'verify' }, this.#services, {
      onAdmitted: () => undefined,
      onReady: () => {
        line.isReady = true;
        for (const [streamId, { key }] of line.questions) stream.verify(streamId, key);
      },
      onVerified: (streamId, answer) => this.#answer(line, streamId, answer),
      onEnded: (ending) => this.#onEnded(pair, line, ending),
    });
    const line: Line = { stream, isReady: false, questions: new Map() };
    this.#lines.set(pair, line);
    setImmediate(() => void stream.open());
    return line;
  }

  #onEnded(pair: string, line: Line, ending: StreamEnding): void {
    this.#lines.delete(pair);
    if (line.questions.size === 0) return;
    const condition = conditionOf(ending);
    this.#failures.set(pair, { condition, until: this.#services.now() + RETRY_AFTER });
    for (const streamId of [...line.questions.keys()]) this.#answer(line, streamId, { type: 'error', condition });
  }

  #answer(line: Line, streamId: string, answer: DialbackAnswer): void {
    const question = line.questions.get(streamId);
    if (question === undefined) return;
    line.questions.delete(streamId);
    this.#questions -= 1;
    setImmediate(question.answered, answer);
  }
}

function pairOf({ localDomain, remoteDomain }: DomainPair): string {
  return `${remoteDomain} ${localDomain}`;
}

function answerLater(answered: Answered, condition: DialbackCondition): void {
  setImmediate(answered, { type: 'error', condition });
}

/** What a failed line means for the partner whose domain could not be verified (XEP-0220 section 2.5). */
function conditionOf(ending: StreamEnding): DialbackCondition {
  switch (ending.why) {
    case 'unreachable':
      return ending.code === 'dns-no-service' ? 'remote-server-not-found' : 'remote-connection-failed';
    case 'timeout':
      return 'remote-server-timeout';
    case 'refused':
      return 'policy-violation';
    case 'protocol':
    case 'peer-error':
    case 'peer-closed':
    case 'disconnected':
    case 'shutdown':
    case 'fault':
      return 'remote-connection-failed';
  }
}
