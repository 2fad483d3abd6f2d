import {
  AUTH_METHODS,
  type AuthMethod,
  admitStream,
  authorizeStanza,
  type FederationIndex,
  maySeeNotes,
  type StanzaFacts,
  type StanzaKind,
} from '../policy/index.ts';

/** Everything the policy is asked about a pair of domains. Answers are sets of bits, one for each question. */
export const STREAM_QUESTIONS: readonly StreamQuestion[] = (['inbound', 'outbound'] as const).flatMap((direction) =>
  AUTH_METHODS.flatMap((method) =>
    [true, false].map((certificateProves) => ({ direction, method, certificateProves })),
  ),
);
export interface StreamQuestion {
  readonly direction: 'inbound' | 'outbound';
  readonly method: AuthMethod;
  readonly certificateProves: boolean;
}

export const STANZA_KINDS = ['message', 'presence', 'subscribe', 'iq'] as const satisfies readonly StanzaKind[];

/** Everything the policy is asked about one of our users and a remote domain. */
export const STANZA_QUESTIONS: readonly StanzaQuestion[] = (['inbound', 'outbound'] as const).flatMap((direction) =>
  [true, false].flatMap((contactListed) => STANZA_KINDS.map((kind) => ({ direction, contactListed, kind }))),
);
export type StanzaQuestion = Pick<StanzaFacts, 'direction' | 'contactListed' | 'kind'>;

/** The last question: whether the partner's contacts read the presence notes of the user. */
export const NOTES_BIT = 1 << STANZA_QUESTIONS.length;

export function streamAnswers(index: FederationIndex, localDomain: string, remoteDomain: string): number {
  let answers = 0;
  STREAM_QUESTIONS.forEach((question, i) => {
    if (admitStream({ ...question, localDomain, remoteDomain }, index).verdict === 'allow') answers |= 1 << i;
  });
  return answers;
}

export function stanzaAnswers(
  index: FederationIndex,
  localUser: string,
  localDomain: string,
  remoteDomain: string,
): number {
  let answers = 0;
  STANZA_QUESTIONS.forEach((question, i) => {
    const facts = { ...question, localUser, localDomain, remoteDomain };
    if (authorizeStanza(facts, index).verdict !== 'allow') return;
    answers |= 1 << i;
    if (question.kind === 'presence' && question.direction === 'outbound' && readsNotes(index, remoteDomain)) {
      answers |= NOTES_BIT;
    }
  });
  return answers;
}

function readsNotes(index: FederationIndex, remoteDomain: string): boolean {
  const entry = index.partnerOf(remoteDomain);
  return entry !== undefined && maySeeNotes(entry.partner);
}
