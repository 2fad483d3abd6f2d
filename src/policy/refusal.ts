/** Stream error conditions a refusal may carry (RFC 6120 section 4.9.3). */
export type RefusalStreamError =
  | 'host-unknown'
  | 'internal-server-error'
  | 'invalid-from'
  | 'not-authorized'
  | 'policy-violation'
  | 'remote-connection-failed'
  | 'resource-constraint';

/** Stanza error conditions a refusal may carry (RFC 6120 section 8.3.3). */
export type RefusalStanzaError =
  | 'forbidden'
  | 'internal-server-error'
  | 'item-not-found'
  | 'not-allowed'
  | 'not-authorized'
  | 'policy-violation'
  | 'remote-server-not-found'
  | 'resource-constraint'
  | 'service-unavailable';

/** Dialback error conditions (XEP-0220 section 2.5). */
export type DialbackErrorCondition =
  | 'forbidden'
  | 'internal-server-error'
  | 'item-not-found'
  | 'not-acceptable'
  | 'not-authorized'
  | 'policy-violation'
  | 'remote-connection-failed'
  | 'remote-server-not-found'
  | 'remote-server-timeout'
  | 'resource-constraint';

/** How one reason for saying no looks on each wire, and what it means to an operator. */
export interface Refusal {
  /** Condition that closes the stream, where the stream itself is refused. */
  readonly streamError: RefusalStreamError;
  /** Answer to a refused stanza. */
  readonly stanzaError: {
    readonly condition: RefusalStanzaError;
    readonly type: 'auth' | 'cancel' | 'modify' | 'wait';
  };
  /** Final response to a refused SIP request of one of our own users (RFC 3261 section 21). */
  readonly sipStatus: number;
  /** Error of a refused `<db:result/>` or `<db:verify/>`. */
  readonly dialbackError: DialbackErrorCondition;
  /** For logs and `explain`; never sent to a partner. */
  readonly sentence: string;
}

const UNKNOWN_USER = { condition: 'item-not-found', type: 'cancel' } as const;

/**
 * Every reason for saying no, one row each. The key is the metric label.
 *
 * The rows that depend on one of our users answer a partner exactly as for a user who does not exist.
 */
export const REFUSALS = {
  'federation-disabled': {
    streamError: 'policy-violation',
    stanzaError: { condition: 'service-unavailable', type: 'cancel' },
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: 'Federation is switched off for the whole organisation.',
  },
  'domain-not-served': {
    streamError: 'host-unknown',
    stanzaError: { condition: 'item-not-found', type: 'cancel' },
    sipStatus: 403,
    dialbackError: 'item-not-found',
    sentence: 'The local domain is not one this gateway serves.',
  },
  'partner-not-allowed': {
    streamError: 'policy-violation',
    stanzaError: { condition: 'forbidden', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: 'The remote domain is not an allowed partner.',
  },
  'partner-ambiguous': {
    streamError: 'policy-violation',
    stanzaError: { condition: 'forbidden', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: 'Two partners claim the remote domain, so neither has it.',
  },
  'own-domain-as-partner': {
    streamError: 'invalid-from',
    stanzaError: { condition: 'forbidden', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: 'The remote domain is one this gateway serves itself.',
  },
  'method-not-allowed': {
    streamError: 'not-authorized',
    stanzaError: { condition: 'not-authorized', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'not-authorized',
    sentence: "The partner's settings do not allow this way of proving the domain.",
  },
  'tls-required': {
    streamError: 'policy-violation',
    stanzaError: { condition: 'policy-violation', type: 'modify' },
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: "The partner's stream must be encrypted and is not.",
  },
  'tls-not-supported': {
    streamError: 'policy-violation',
    stanzaError: { condition: 'policy-violation', type: 'modify' },
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: "The partner's stream must not be encrypted and is.",
  },
  'certificate-not-valid': {
    streamError: 'not-authorized',
    stanzaError: { condition: 'not-authorized', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'not-authorized',
    sentence: 'The certificate does not chain to anything trusted for this partner, or is not valid now.',
  },
  'certificate-name-mismatch': {
    streamError: 'not-authorized',
    stanzaError: { condition: 'not-authorized', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'not-authorized',
    sentence: 'The certificate is valid but does not name the remote domain.',
  },
  'dialback-not-supported': {
    streamError: 'not-authorized',
    stanzaError: { condition: 'not-authorized', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'not-authorized',
    sentence: 'Server Dialback is switched off for this partner.',
  },
  'dialback-failed': {
    streamError: 'not-authorized',
    stanzaError: { condition: 'not-authorized', type: 'auth' },
    sipStatus: 480,
    dialbackError: 'forbidden',
    sentence: "The remote domain's own server did not confirm the dialback key.",
  },
  'connection-limit': {
    streamError: 'resource-constraint',
    stanzaError: { condition: 'resource-constraint', type: 'wait' },
    sipStatus: 480,
    dialbackError: 'resource-constraint',
    sentence: 'The gateway has as many streams open as it may.',
  },
  'partner-connection-limit': {
    streamError: 'resource-constraint',
    stanzaError: { condition: 'resource-constraint', type: 'wait' },
    sipStatus: 480,
    dialbackError: 'resource-constraint',
    sentence: 'The partner has as many streams open as it may.',
  },
  'user-federation-denied': {
    streamError: 'policy-violation',
    stanzaError: UNKNOWN_USER,
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: "The local user's policy does not enable federation.",
  },
  'user-xmpp-denied': {
    streamError: 'policy-violation',
    stanzaError: UNKNOWN_USER,
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: "The local user's policy does not enable XMPP.",
  },
  'contact-not-listed': {
    streamError: 'policy-violation',
    stanzaError: UNKNOWN_USER,
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: 'The partner is PublicUnverified and the local user has not listed this contact.',
  },
  'stanza-kind-not-allowed': {
    streamError: 'policy-violation',
    stanzaError: { condition: 'not-allowed', type: 'cancel' },
    sipStatus: 403,
    dialbackError: 'policy-violation',
    sentence: 'Stanzas of this kind do not pass between us and the partner.',
  },
  'rate-limited': {
    streamError: 'resource-constraint',
    stanzaError: { condition: 'resource-constraint', type: 'wait' },
    sipStatus: 480,
    dialbackError: 'resource-constraint',
    sentence: 'The partner sends more messages per second than it may.',
  },
  'not-verified-pair': {
    streamError: 'invalid-from',
    stanzaError: { condition: 'not-authorized', type: 'auth' },
    sipStatus: 403,
    dialbackError: 'not-authorized',
    sentence: 'This pair of domains has not been proved on this stream.',
  },
  'internal-error': {
    streamError: 'internal-server-error',
    stanzaError: { condition: 'internal-server-error', type: 'cancel' },
    sipStatus: 500,
    dialbackError: 'internal-server-error',
    sentence: 'The decision itself failed, so the answer is no.',
  },
} as const satisfies Record<string, Refusal>;

export type RefusalReason = keyof typeof REFUSALS;

/** The row of a reason, with the table's general types. */
export function refusalOf(reason: RefusalReason): Refusal {
  return REFUSALS[reason];
}
