/** Judgement: pure functions from facts and a configuration to a decision. */
export { ALLOW, type Decision, type Refused, refuse } from './decision.ts';
export { type Explanation, explainStanza, type GateOutcome, type StreamProof } from './explanation.ts';
export {
  type EffectivePolicy,
  type FederationIndex,
  indexFederation,
  type PartnerEntry,
  type ServedDomain,
} from './federation-index.ts';
export { type StreamSide, streamOutcome } from './outcome.ts';
export {
  type ReachCell,
  type ReachRow,
  reachMatrix,
  STANZA_KINDS,
  type UserClass,
  userClasses,
} from './reach-matrix.ts';
export {
  type DialbackErrorCondition,
  REFUSALS,
  type Refusal,
  type RefusalReason,
  type RefusalStanzaError,
  type RefusalStreamError,
  refusalOf,
} from './refusal.ts';
export { authorizeStanza, maySeeNotes, type StanzaFacts, type StanzaKind } from './stanza-policy.ts';
export { noDirection, type Party, stanzaBetween } from './stanza-question.ts';
export {
  AUTH_METHODS,
  type AuthMethod,
  admitStream,
  allowedMethods,
  isMethodAllowed,
  mayFederate,
  offerFeatures,
  type StreamFacts,
  type StreamOffer,
} from './stream-policy.ts';
