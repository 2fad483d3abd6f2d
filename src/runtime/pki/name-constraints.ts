import { contextTag, type DerElement, DerError, DerReader, openDer, TAG } from './der.ts';
import { type AlternativeNames, NAME_FORM, readAsciiName, readOtherName, readRelativeNames } from './general-names.ts';

/** Name constraints (RFC 5280 section 4.2.1.10) of a certification authority. */
export interface NameConstraints {
  readonly permitted: Subtrees;
  readonly excluded: Subtrees;
}

interface Subtrees {
  readonly dns: readonly string[];
  /** `_service.domain`, `_service` or `domain` (RFC 4985 section 4). */
  readonly srv: readonly string[];
  /** Relative distinguished names of each base, as DER. */
  readonly directory: readonly (readonly Buffer[])[];
  /** Forms that are constrained in a way this code does not evaluate. */
  readonly unread: ReadonlySet<number>;
}

/** What is left of the comparisons allowed for one path; hostile chains could ask for millions. */
export interface ComparisonBudget {
  left: number;
}

interface ConstrainedNames {
  readonly names: AlternativeNames;
  readonly subjectNames: readonly Buffer[];
}

const MAX_SUBTREES = 1_000;

/** Reads the value of the extension; throws DerError. */
export function readNameConstraints(value: Buffer): NameConstraints {
  const reader = openDer(value, TAG.sequence);
  const permitted = reader.optional(contextTag(0, 'constructed'));
  const excluded = reader.optional(contextTag(1, 'constructed'));
  reader.end();
  return { permitted: readSubtrees(permitted), excluded: readSubtrees(excluded) };
}

function readSubtrees(field: DerElement | undefined): Subtrees {
  const dns: string[] = [];
  const srv: string[] = [];
  const directory: Buffer[][] = [];
  const unread = new Set<number>();
  const reader = new DerReader(field?.content ?? Buffer.alloc(0));
  for (let count = 0; !reader.done; count += 1) {
    if (count === MAX_SUBTREES) throw new DerError('too many subtrees');
    const subtree = reader.enter(TAG.sequence);
    const { tag, content } = subtree.read();
    // RFC 5280: minimum is zero, which DER leaves out, and maximum is absent.
    subtree.end();
    if (tag === NAME_FORM.dnsName) {
      const name = readAsciiName(content);
      if (name === undefined) unread.add(tag);
      else dns.push(name);
    } else if (tag === NAME_FORM.otherName) {
      const other = readOtherName(content);
      if (other.kind === 'srv') srv.push(other.text);
      else unread.add(tag);
    } else if (tag === NAME_FORM.directoryName) {
      directory.push(readRelativeNames(content));
    } else {
      unread.add(tag);
    }
  }
  return { dns, srv, directory, unread };
}

/**
 * Whether all names of a certificate are within the constraints. RFC 5280 constrains a name only by subtrees of its
 * own form; here dNSName subtrees also bind the domains of SRVName and XmppAddr, or an authority limited to
 * `example.com` could still issue an XmppAddr of any other domain. Forms that are constrained but not evaluated
 * refuse a certificate that has names of that form.
 */
export function isWithin(
  { permitted, excluded }: NameConstraints,
  { names, subjectNames }: ConstrainedNames,
  budget: ComparisonBudget,
): boolean {
  const spend = (count: number): boolean => {
    budget.left -= count;
    return budget.left >= 0;
  };
  const domainIsWithin = (name: string, isPermittedElsewhere: boolean): boolean =>
    spend(permitted.dns.length + excluded.dns.length + 1) &&
    (isPermittedElsewhere || permitted.dns.length === 0 || permitted.dns.some((base) => isBelow(name, base))) &&
    !excluded.dns.some((base) => mayReach(name, base));
  const srvIsWithin = (name: string): boolean => {
    if (!spend(permitted.srv.length + excluded.srv.length + 1)) return false;
    if (excluded.srv.some((base) => isServiceBelow(name, base))) return false;
    if (permitted.srv.length > 0 && !permitted.srv.some((base) => isServiceBelow(name, base))) return false;
    return domainIsWithin(splitService(name).domain, permitted.srv.length > 0);
  };

  const unread = (tag: number): boolean => permitted.unread.has(tag) || excluded.unread.has(tag);
  if ([...names.otherForms].some(unread)) return false;
  if (names.dnsNames.length > 0 && unread(NAME_FORM.dnsName)) return false;
  if (names.srvNames.length + names.xmppAddrs.length > 0 && unread(NAME_FORM.otherName)) return false;
  return (
    names.dnsNames.every((name) => domainIsWithin(name, false)) &&
    names.srvNames.every(srvIsWithin) &&
    names.xmppAddrs.every((name) => domainIsWithin(name, false)) &&
    directoryIsWithin(permitted.directory, excluded.directory, subjectNames, spend)
  );
}

/** `.example.com` covers only what is below it, `example.com` itself too, the empty base everything. */
function isBelow(name: string, base: string): boolean {
  if (base === '') return true;
  return name === base || name.endsWith(base.startsWith('.') ? base : `.${base}`);
}

/** Like isBelow, for exclusion: `*.example.com` reaches an excluded `mail.example.com` too. */
function mayReach(name: string, base: string): boolean {
  if (isBelow(name, base)) return true;
  const bare = base.startsWith('.') ? base.slice(1) : base;
  return name.startsWith('*.') && bare.slice(bare.indexOf('.') + 1) === name.slice(2);
}

function splitService(name: string): { service: string; domain: string } {
  if (!name.startsWith('_')) return { service: '', domain: name };
  const dot = name.indexOf('.');
  return dot < 0 ? { service: name, domain: '' } : { service: name.slice(0, dot), domain: name.slice(dot + 1) };
}

function isServiceBelow(name: string, base: string): boolean {
  const own = splitService(name);
  const limit = splitService(base);
  return (limit.service === '' || limit.service === own.service) && isBelow(own.domain, limit.domain);
}

// Distinguished names are compared byte by byte: an authority constrained by them writes them itself.
function directoryIsWithin(
  permitted: Subtrees['directory'],
  excluded: Subtrees['directory'],
  names: readonly Buffer[],
  spend: (count: number) => boolean,
): boolean {
  if (permitted.length === 0 && excluded.length === 0) return true;
  if (names.length === 0) return true;
  if (!spend((permitted.length + excluded.length) * names.length)) return false;
  const startsWith = (base: readonly Buffer[]): boolean => base.every((name, index) => names[index]?.equals(name));
  return (permitted.length === 0 || permitted.some(startsWith)) && !excluded.some(startsWith);
}
