import { normalizeDomain } from '../../config/domain.ts';
import { opaqueString, usernameCaseMapped } from './precis.ts';

/** An XMPP address in the normal form of RFC 7622: two addresses are the same exactly when `full` is equal. */
export interface Jid {
  /** Localpart, `''` when absent. */
  readonly local: string;
  /** Domainpart: lower-case A-labels. */
  readonly domain: string;
  /** Resourcepart, `''` when absent. */
  readonly resource: string;
  /** `local@domain` or `domain`. */
  readonly bare: string;
  /** The bare address and the resource. */
  readonly full: string;
}

const MAX_PART_BYTES = 1023;
const MAX_LENGTH = 3 * MAX_PART_BYTES + 2;
const ASCII = /^[\0-\x7f]*$/;
/** RFC 7622 section 3.3.1; the rest of ASCII an identifier excludes anyway. */
const FORBIDDEN_IN_LOCAL = /["&'/:<>@]/;

// A gateway sees the same few thousand addresses again and again. Two generations bound the memory without a list of
// uses: when the younger is full, the older is dropped. Malformed addresses are not kept: they would push out others.
const GENERATION = 8192;
const LONGEST_CACHED = 256;
let recent = new Map<string, Jid>();
let older = new Map<string, Jid>();

/**
 * An address in its normal form, or undefined when it is malformed (RFC 7622 section 3). Refused as well: IP literals
 * as domainparts, which no federation policy can name. A space may start a resourcepart (RFC 7622 erratum 4560).
 */
export function parseJid(text: string): Jid | undefined {
  const known = recent.get(text);
  if (known !== undefined) return known;
  const aged = older.get(text);
  if (aged !== undefined) {
    remember(aged.full === text ? aged.full : copyOf(text), aged);
    return aged;
  }
  if (text.length > MAX_LENGTH) return undefined;
  const own = copyOf(text);
  const jid = normalize(own);
  if (jid !== undefined && own.length <= LONGEST_CACHED) remember(own, jid);
  return jid;
}

/** The address of an account from parts that may need normalisation; undefined when a part is malformed or empty. */
export function bareJid(local: string, domain: string): Jid | undefined {
  // Without this a localpart could bring its own domainpart, or a domainpart a resource.
  if (local === '' || FORBIDDEN_IN_LOCAL.test(local) || domain.includes('/')) return undefined;
  return parseJid(`${local}@${domain}`);
}

function remember(text: string, jid: Jid): void {
  if (recent.size >= GENERATION) {
    older = recent;
    recent = new Map();
  }
  recent.set(text, jid);
}

/** A string of its own: a slice that is kept would keep the whole text it was cut from. */
function copyOf(text: string): string {
  const encoding = ASCII.test(text) ? 'latin1' : 'utf16le';
  return Buffer.from(text, encoding).toString(encoding);
}

function normalize(text: string): Jid | undefined {
  // The slash first (RFC 7622 section 3.1): `adatum.com/x@fabrikam.com` is a resource of adatum.com.
  const slash = text.indexOf('/');
  const beforeSlash = slash < 0 ? text : text.slice(0, slash);
  const at = beforeSlash.indexOf('@');
  const domain = normalizeDomain(beforeSlash.slice(at + 1));
  if (domain === undefined) return undefined;
  const local = at < 0 ? '' : normalizeLocal(beforeSlash.slice(0, at));
  if (local === undefined) return undefined;
  const resource = slash < 0 ? '' : normalizeResource(text.slice(slash + 1));
  if (resource === undefined) return undefined;
  const bare = at < 0 ? domain : `${local}@${domain}`;
  const full = slash < 0 ? bare : `${bare}/${resource}`;
  // The usual address is already normal: then one string serves for all.
  if (full !== text) return { local, domain, resource, bare, full };
  return { local, domain, resource, bare: slash < 0 ? text : beforeSlash, full: text };
}

function normalizeLocal(text: string): string | undefined {
  const local = usernameCaseMapped(text);
  return local === undefined || FORBIDDEN_IN_LOCAL.test(local) || isTooLong(local) ? undefined : local;
}

function normalizeResource(text: string): string | undefined {
  const resource = opaqueString(text);
  return resource === undefined || isTooLong(resource) ? undefined : resource;
}

function isTooLong(part: string): boolean {
  return part.length > MAX_PART_BYTES || Buffer.byteLength(part) > MAX_PART_BYTES;
}
