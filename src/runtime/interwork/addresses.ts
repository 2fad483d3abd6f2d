import { normalizeDomain } from '../../config/domain.ts';
import { PARAM, USER } from '../sip/grammar.ts';
import { parseSipUri, percentDecode, percentEncode, uriParameter } from '../sip/uri.ts';
import { type Jid, parseJid } from '../xmpp/jid.ts';
import { escapeLocal, unescapeLocal } from './localpart-escape.ts';

// Users that read the same on both sides (RFC 7247 Table 1).
const PLAIN_LOCAL = /^[A-Za-z0-9\-_.!~*()=+$,;?]+$/;
const CONTROL = /[\0-\x1f\x7f]/;
const NON_ASCII = /[^\0-\x7f]/;
const ASCII_RUNS = /[\0-\x7f]+/g;
const SPECIAL = /[ "&'/:<>@\\]/;

/** The SIP URI of a user, whatever the device: `sip:user@sipDomain` (RFC 7247 section 6.5). */
export function bareJidToSipUri(jid: Jid, sipDomain: string): string {
  const { local } = jid;
  if (local === '') return `sip:${sipDomain}`;
  return `sip:${percentEncode(local.includes('\\') ? unescapeLocal(local) : local, USER)}@${sipDomain}`;
}

/**
 * The SIP URI of an XMPP address, a resource as the `gr` parameter. `sipDomain` is the SIP name of the domain, in
 * A-labels; a contact's is its XMPP domain.
 */
export function jidToSipUri(jid: Jid, sipDomain: string): string {
  const uri = bareJidToSipUri(jid, sipDomain);
  return jid.resource === '' ? uri : `${uri};gr=${percentEncode(jid.resource, PARAM)}`;
}

/** A SIP URI as far as XMPP can express it, not yet bound to an XMPP domain. */
export class SipAddress {
  /** Domain of the URI, lower-case A-labels. */
  readonly sipDomain: string;
  readonly #local: string;
  readonly #resource: string;
  #domain = '';
  #jid: Jid | undefined;

  constructor(local: string, sipDomain: string, resource: string) {
    this.sipDomain = sipDomain;
    this.#local = local;
    this.#resource = resource;
  }

  /** The JID in an XMPP domain; undefined when the user part or the resource cannot be part of one. */
  inDomain(domain: string): Jid | undefined {
    // An address keeps its last answer: a domain has one XMPP name until the configuration changes.
    if (domain !== this.#domain) {
      const bare = this.#local === '' ? domain : `${this.#local}@${domain}`;
      this.#jid = parseJid(this.#resource === '' ? bare : `${bare}/${this.#resource}`);
      this.#domain = domain;
    }
    return this.#jid;
  }
}

// Bounded by two generations: when the younger is full, the older is dropped. What has no address is not kept.
const GENERATION = 8192;
const LONGEST_KEPT = 256;
let recent = new Map<string, SipAddress>();
let older = new Map<string, SipAddress>();

/**
 * Reads a `sip:` URI for translation (RFC 7247 section 6.4). Undefined for everything that has no XMPP counterpart:
 * other schemes (`sips:` must not be translated, section 8), header parts, temporary GRUUs, octets that are not UTF-8,
 * control characters, a second `@`. Port, password and other parameters do not name anyone and are left out. The newest
 * few thousand are remembered.
 */
export function readSipAddress(uri: string): SipAddress | undefined {
  const known = recent.get(uri);
  if (known !== undefined) return known;
  if (uri.length > LONGEST_KEPT) return translateUri(uri);
  // A string of its own: a slice would keep the whole head of the request it was cut from.
  const key = Buffer.from(uri, 'utf8').toString('utf8');
  const address = older.get(key) ?? translateUri(key);
  if (address === undefined) return undefined;
  if (recent.size >= GENERATION) {
    older = recent;
    recent = new Map();
  }
  recent.set(key, address);
  return address;
}

function translateUri(text: string): SipAddress | undefined {
  const uri = parseSipUri(text);
  if (uri === undefined || uri.scheme !== 'sip' || uri.headers !== '') return undefined;
  const local = uri.user === '' ? '' : translateUser(uri.user);
  if (local === undefined) return undefined;
  const gr = uriParameter(uri, 'gr');
  // RFC 5627 section 3: `gr` without a value marks a temporary GRUU, which names no user.
  if (gr === '') return undefined;
  const resource = gr === undefined ? '' : decodePart(gr);
  if (resource === undefined) return undefined;
  const domain = normalizeDomain(uri.host);
  return domain === undefined ? undefined : new SipAddress(local, domain, resource);
}

function translateUser(user: string): string | undefined {
  if (PLAIN_LOCAL.test(user)) return user;
  const decoded = decodePart(user);
  // XEP-0106 section 4.2: no space first or last.
  if (decoded === undefined || decoded.startsWith(' ') || decoded.endsWith(' ')) return undefined;
  // A full-width form of a special character would become that character only after the escaping.
  if (NON_ASCII.test(decoded) && SPECIAL.test(decoded.replace(ASCII_RUNS, '').normalize('NFKC'))) return undefined;
  return escapeLocal(decoded);
}

/** Undefined for octets that are not UTF-8 and for control characters: neither has a place in an address. */
function decodePart(text: string): string | undefined {
  const decoded = percentDecode(text);
  return decoded === undefined || CONTROL.test(decoded) ? undefined : decoded;
}

/** The XMPP address of a SIP URI, in `xmppDomain` instead of the domain of the URI when given. */
export function sipUriToJid(uri: string, xmppDomain?: string): Jid | undefined {
  const address = readSipAddress(uri);
  return address?.inDomain(xmppDomain ?? address.sipDomain);
}

/** Whether a URI demands TLS on every hop, which XMPP cannot promise (RFC 7247 section 8). */
export function isSips(uri: string): boolean {
  return uri.length >= 5 && uri.slice(0, 5).toLowerCase() === 'sips:';
}
