import type { StanzaKind } from '../policy/index.ts';
import type { StanzaAtom, StreamAtom } from './atoms.ts';
import type { Sampled } from './model.ts';
import { counted, enumerated, MAX_NAMES, named, namedFirst } from './words.ts';

interface RemoteSide {
  readonly partners: Sampled;
  readonly remoteDomains: Sampled;
}

const VERBS: Readonly<Record<StanzaKind, string>> = {
  message: 'message',
  presence: 'send presence to',
  subscribe: 'subscribe to',
  iq: 'query',
};

/** "contoso.com to adatum.com: an unencrypted stream proved by dialback is now accepted" */
export function streamSentence(side: RemoteSide & { readonly localDomains: Sampled }, atom: StreamAtom): string {
  const [ours, theirs] = [namedFirst(side.localDomains), remoteInWords(side)];
  const accepted = atom.change === 'opened' ? 'is now accepted' : 'is no longer accepted';
  return `${ROUTE[atom.traffic](ours, theirs)}: ${streamInWords(atom)} ${accepted}`;
}

const ROUTE: Readonly<Record<StreamAtom['traffic'], (ours: string, theirs: string) => string>> = {
  both: (ours, theirs) => `${ours} with ${theirs}`,
  outbound: (ours, theirs) => `${ours} to ${theirs}`,
  inbound: (ours, theirs) => `${theirs} to ${ours}`,
};

function streamInWords({ method, certificate }: StreamAtom): string {
  switch (method) {
    case 'sasl-over-tls':
      return certificate === 'valid'
        ? 'an encrypted stream proved by certificate'
        : 'an encrypted stream whose certificate does not prove the domain';
    case 'tls-dialback':
      return `an encrypted stream proved by dialback${certificateInWords(certificate)}`;
    case 'tcp-dialback':
      return `an unencrypted stream proved by dialback${certificateInWords(certificate)}`;
  }
}

function certificateInWords(certificate: StreamAtom['certificate']): string {
  if (certificate === 'either') return '';
  return certificate === 'valid' ? ' with a valid certificate' : ' without a valid certificate';
}

/** "fabrikam.com: contacts may now message 1 240 users (policy Sales) without being on their list" */
export function stanzaSentence(side: RemoteSide, atom: StanzaAtom, users: string): string {
  const may = atom.change === 'opened' ? 'may now' : 'may no longer';
  const who = remoteInWords(side);
  if (atom.kind === 'notes') return `${who}: contacts ${may} read the presence notes of ${users}`;
  const isAnything = atom.kinds.length === Object.keys(VERBS).length;
  const verbs = isAnything ? 'reach' : enumerated(atom.kinds.map((kind) => VERBS[kind]));
  if (atom.traffic === 'outbound') return `${who}: ${users} ${may} ${verbs} contacts${OUTBOUND_CONTACT[atom.contact]}`;
  return `${who}: contacts ${may} ${verbs} ${users}${INBOUND_CONTACT[atom.contact]}`;
}

const INBOUND_CONTACT: Readonly<Record<StanzaAtom['contact'], string>> = {
  either: '',
  unlisted: ' without being on their list',
  listed: ' if on their list',
};

const OUTBOUND_CONTACT: Readonly<Record<StanzaAtom['contact'], string>> = {
  either: '',
  unlisted: ' not on their list',
  listed: ' on their list',
};

// One partner is named by its domains; several by their primary domains, or by how many they are.
function remoteInWords({ partners, remoteDomains }: RemoteSide): string {
  if (partners.count <= 1) return namedFirst(remoteDomains);
  const domains = remoteDomains.count === partners.count ? '' : counted(remoteDomains.count, 'domain');
  if (partners.count <= MAX_NAMES) return `${enumerated(partners.samples)}${domains === '' ? '' : ` (${domains})`}`;
  return named(partners, 'partner', domains === '' ? '' : ` with ${domains}`);
}
