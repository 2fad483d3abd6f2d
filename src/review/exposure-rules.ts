import type { ExposureFact } from './exposure.ts';
import type { RiskRule } from './rating.ts';
import { isLargeShare, type Thresholds } from './thresholds.ts';

export interface ExposureContext {
  readonly knownUsers: number;
  readonly thresholds: Thresholds;
}

/** A rule about a verdict that changed. The first row that applies rates it. */
export interface ExposureRule extends RiskRule {
  readonly appliesTo: (fact: ExposureFact, context: ExposureContext) => boolean;
}

export const EXPOSURE_RULES: readonly ExposureRule[] = [
  {
    id: 'stream-unproved',
    risk: 'critical',
    direction: 'broadening',
    reason: 'Anybody can pose as the partner.',
    appliesTo: (fact) => isStream(fact, 'opened', 'sasl-over-tls') && fact.certificate !== 'valid',
  },
  {
    id: 'stream-unencrypted',
    risk: 'high',
    direction: 'broadening',
    reason: 'Whoever controls DNS or the route can read everything and pose as the partner.',
    appliesTo: (fact) => isStream(fact, 'opened', 'tcp-dialback'),
  },
  {
    id: 'stream-dialback',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Whoever controls DNS can pose as the partner.',
    appliesTo: (fact) => isStream(fact, 'opened', 'tls-dialback'),
  },
  {
    id: 'stream-certificate',
    risk: 'low',
    direction: 'broadening',
    reason: 'The strongest proof there is.',
    appliesTo: (fact) => fact.kind === 'stream' && fact.change === 'opened',
  },
  {
    id: 'stream-refused',
    risk: 'low',
    direction: 'narrowing',
    reason: 'A partner that has no other way is cut off.',
    appliesTo: (fact) => fact.kind === 'stream',
  },
  {
    id: 'notes-readable',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Notes may say where people are and what they do.',
    appliesTo: (fact) => fact.kind === 'notes' && fact.change === 'opened',
  },
  {
    id: 'notes-hidden',
    risk: 'low',
    direction: 'narrowing',
    reason: 'Notes are for our own users only.',
    appliesTo: (fact) => fact.kind === 'notes',
  },
  {
    id: 'strangers-reach-many',
    risk: 'high',
    direction: 'broadening',
    reason: 'Many users, or all of a domain, can be written to by people they do not know.',
    appliesTo: (fact, context) =>
      isStanza(fact, 'opened', 'inbound') && fact.contact !== 'listed' && isWide(fact, context),
  },
  {
    id: 'strangers-reach-users',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Users can be written to by people they do not know.',
    appliesTo: (fact) => isStanza(fact, 'opened', 'inbound') && fact.contact !== 'listed',
  },
  {
    id: 'contacts-reach-many',
    risk: 'medium',
    direction: 'broadening',
    reason: 'Many users, or all of a domain, can be written to by contacts they have chosen.',
    appliesTo: (fact, context) => isStanza(fact, 'opened', 'inbound') && isWide(fact, context),
  },
  {
    id: 'contacts-reach-users',
    risk: 'low',
    direction: 'broadening',
    reason: 'Users can be written to by contacts they have chosen.',
    appliesTo: (fact) => isStanza(fact, 'opened', 'inbound'),
  },
  {
    id: 'many-write-out',
    risk: 'medium',
    direction: 'broadening',
    reason: 'What many users, or all of a domain, write can leave the organisation this way.',
    appliesTo: (fact, context) => isStanza(fact, 'opened', 'outbound') && isWide(fact, context),
  },
  {
    id: 'users-write-out',
    risk: 'low',
    direction: 'broadening',
    reason: 'What these users write can leave the organisation this way.',
    appliesTo: (fact) => isStanza(fact, 'opened', 'outbound'),
  },
  {
    id: 'many-cut-off',
    risk: 'high',
    direction: 'narrowing',
    reason: 'Many users, or all of a domain, lose something they may be using.',
    appliesTo: isWide,
  },
  {
    id: 'users-cut-off',
    risk: 'low',
    direction: 'narrowing',
    reason: 'These users lose something they may be using.',
    appliesTo: () => true,
  },
];

function isStream(fact: ExposureFact, change: ExposureFact['change'], method: string): boolean {
  return fact.kind === 'stream' && fact.change === change && fact.method === method;
}

function isStanza(fact: ExposureFact, change: ExposureFact['change'], traffic: ExposureFact['traffic']): boolean {
  return fact.kind === 'stanza' && fact.change === change && fact.traffic === traffic;
}

// A partner that is new, or gone, means something for all who may use XMPP: that is no alarm. How many people a pattern
// stands for is not known; a few patterns are taken for a group, a domain for everybody.
function isWide({ reach, standing }: ExposureFact, { knownUsers, thresholds }: ExposureContext): boolean {
  if (reach === undefined || standing !== 'kept') return false;
  if (reach.restOf.count > 0) return true;
  return isLargeShare(reach.users.count, knownUsers, thresholds.userShare, thresholds.smallest);
}
