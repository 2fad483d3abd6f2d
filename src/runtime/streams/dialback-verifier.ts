import type { DialbackAnswer } from '../xmpp/dialback.ts';
import { OutboundStream } from './outbound-stream.ts';
import type { StreamServices } from './stream-services.ts';

export interface DialbackQuestion {
  readonly localDomain: string;
  readonly remoteDomain: string;
  /** Id of the inbound stream the key came on. */
  readonly streamId: string;
  readonly key: string;
}

type Answered = (answer: DialbackAnswer) => void;

const MAX_QUESTIONS = 500;
const MAX_QUESTIONS_PER_PAIR = 20;

interface Line {
  readonly stream: OutboundStream;
  isReady: boolean;
  readonly questions: Map<string, { readonly key: string; readonly answered: Answered }>;
}

/** Asks authoritative servers about dialback keys (XEP-0220 section 2.1.2), one stream per pair of domains. */
export class DialbackVerifier {
  readonly #lines = new Map<string, Line>();
  readonly #services: StreamServices;
  #questions = 0;

  constructor(services: StreamServices) {
    this.#services = services;
  }

  /** `answered` is called once, never before this returns. */
  ask(question: DialbackQuestion, answered: Answered): void {
    const { localDomain, remoteDomain, streamId, key } = question;
    const pair = `${remoteDomain} ${localDomain}`;
    const line = this.#lines.get(pair) ?? this.#open(pair, localDomain, remoteDomain);
    if (
      this.#questions >= MAX_QUESTIONS ||
      line.questions.size >= MAX_QUESTIONS_PER_PAIR ||
      line.questions.has(streamId)
    ) {
      setImmediate(answered, { type: 'error', condition: 'resource-constraint' });
      return;
    }
    this.#questions += 1;
    line.questions.set(streamId, { key, answered });
    if (line.isReady) line.stream.verify(streamId, key);
  }

  tick(now: number): void {
    for (const { stream } of this.#lines.values()) stream.tick(now);
  }

  reconsider(): void {
    for (const { stream } of this.#lines.values()) stream.reconsider();
  }

  shutdown(): void {
    for (const { stream } of this.#lines.values()) stream.shutdown();
  }

  #open(pair: string, localDomain: string, remoteDomain: string): Line {
    const stream = new OutboundStream({ localDomain, remoteDomain, purpose: 'verify' }, this.#services, {
      onAdmitted: () => undefined,
      onReady: () => {
        line.isReady = true;
        for (const [streamId, { key }] of line.questions) stream.verify(streamId, key);
      },
      onVerified: (streamId, answer) => this.#answer(line, streamId, answer),
      onEnded: (ending) => {
        if (this.#lines.get(pair) === line) this.#lines.delete(pair);
        const condition = ending.why === 'unreachable' ? 'remote-server-not-found' : 'remote-connection-failed';
        for (const streamId of [...line.questions.keys()]) this.#answer(line, streamId, { type: 'error', condition });
      },
    });
    const line: Line = { stream, isReady: false, questions: new Map() };
    this.#lines.set(pair, line);
    setImmediate(() => void stream.open());
    return line;
  }

  #answer(line: Line, streamId: string, answer: DialbackAnswer): void {
    const question = line.questions.get(streamId);
    if (question === undefined) return;
    line.questions.delete(streamId);
    this.#questions -= 1;
    setImmediate(question.answered, answer);
  }
}
