import type { AuthMethod, StanzaKind } from '../policy/index.ts';
import { NOTES_BIT, STANZA_KINDS, STANZA_QUESTIONS, STREAM_QUESTIONS } from './questions.ts';

/** One way of proving a stream that was opened or closed. */
export interface StreamAtom {
  readonly kind: 'stream';
  readonly change: 'opened' | 'closed';
  readonly traffic: 'inbound' | 'outbound' | 'both';
  readonly method: AuthMethod;
  readonly certificate: 'valid' | 'invalid' | 'either';
}

/** Kinds of stanza, or the reading of notes, that were opened or closed. */
export interface StanzaAtom {
  readonly kind: 'stanza' | 'notes';
  readonly change: 'opened' | 'closed';
  readonly traffic: 'inbound' | 'outbound';
  readonly kinds: readonly StanzaKind[];
  readonly contact: 'listed' | 'unlisted' | 'either';
}

const CHANGES = ['opened', 'closed'] as const;

/** What differs between two sets of answers about streams, with answers that say the same twice taken together. */
export function streamAtoms(before: number, after: number): readonly StreamAtom[] {
  return CHANGES.flatMap((change) => {
    const bits = changedBits(before, after, change);
    const byTraffic = new Map<string, StreamAtom>();
    for (const direction of ['inbound', 'outbound'] as const) {
      for (const atom of certificateAtoms(bits, change, direction)) {
        const key = `${atom.method} ${atom.certificate}`;
        const other = byTraffic.get(key);
        byTraffic.set(key, other === undefined ? atom : { ...atom, traffic: 'both' });
      }
    }
    return [...byTraffic.values()];
  });
}

function certificateAtoms(
  bits: number,
  change: StreamAtom['change'],
  traffic: 'inbound' | 'outbound',
): readonly StreamAtom[] {
  const certificates = new Map<AuthMethod, StreamAtom['certificate']>();
  STREAM_QUESTIONS.forEach(({ direction, method, certificateProves }, i) => {
    if (direction !== traffic || (bits & (1 << i)) === 0) return;
    const certificate = certificateProves ? 'valid' : 'invalid';
    certificates.set(method, certificates.has(method) ? 'either' : certificate);
  });
  return Array.from(certificates, ([method, certificate]) => ({
    kind: 'stream',
    change,
    traffic,
    method,
    certificate,
  }));
}

/** What differs between two sets of answers about stanzas. */
export function stanzaAtoms(before: number, after: number): readonly StanzaAtom[] {
  return CHANGES.flatMap((change) => {
    const bits = changedBits(before, after, change);
    const atoms: StanzaAtom[] = (['inbound', 'outbound'] as const).flatMap((traffic) => {
      const byContact = contactsByKind(bits, traffic);
      return (['either', 'unlisted', 'listed'] as const).flatMap((contact): readonly StanzaAtom[] => {
        const kinds = STANZA_KINDS.filter((kind) => byContact.get(kind) === contact);
        return kinds.length === 0 ? [] : [{ kind: 'stanza', change, traffic, kinds, contact }];
      });
    });
    if ((bits & NOTES_BIT) !== 0) {
      atoms.push({ kind: 'notes', change, traffic: 'outbound', kinds: ['presence'], contact: 'either' });
    }
    return atoms;
  });
}

function contactsByKind(bits: number, traffic: 'inbound' | 'outbound'): ReadonlyMap<StanzaKind, StanzaAtom['contact']> {
  const contacts = new Map<StanzaKind, StanzaAtom['contact']>();
  STANZA_QUESTIONS.forEach(({ direction, kind, contactListed }, i) => {
    if (direction !== traffic || (bits & (1 << i)) === 0) return;
    contacts.set(kind, contacts.has(kind) ? 'either' : contactListed ? 'listed' : 'unlisted');
  });
  return contacts;
}

function changedBits(before: number, after: number, change: 'opened' | 'closed'): number {
  return change === 'opened' ? after & ~before : before & ~after;
}
