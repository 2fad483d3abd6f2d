import { isUtf8 } from 'node:buffer';
import { normalizeDomain } from '../../config/domain.ts';
import { contextTag, DerError, DerReader, openDer, readOid, TAG } from './der.ts';

/** Names of a subject alternative name extension, taken from the DER and never from a printed form. */
export interface AlternativeNames {
  /** Lower case; only names of printable ASCII characters. */
  readonly dnsNames: readonly string[];
  /** SRVName (RFC 4985) in lower case, for example `_xmpp-server.example.com`. */
  readonly srvNames: readonly string[];
  /** XmppAddr (RFC 6120 section 13.7.1.4), only bare domains, as lower-case A-labels. */
  readonly xmppAddrs: readonly string[];
  /** Tags of the name forms that are present but prove nothing. */
  readonly otherForms: ReadonlySet<number>;
}

export const NO_NAMES: AlternativeNames = { dnsNames: [], srvNames: [], xmppAddrs: [], otherForms: new Set() };

/** Tags of GeneralName (RFC 5280 section 4.2.1.6). */
export const NAME_FORM = {
  otherName: contextTag(0, 'constructed'),
  dnsName: contextTag(2, 'primitive'),
  directoryName: contextTag(4, 'constructed'),
} as const;

const MAX_NAMES = 1_000;
const OID_SRV_NAME = '1.3.6.1.5.5.7.8.7';
const OID_XMPP_ADDR = '1.3.6.1.5.5.7.8.5';

/** Reads the value of the extension; throws DerError. */
export function readAlternativeNames(value: Buffer): AlternativeNames {
  const reader = openDer(value, TAG.sequence);
  const dnsNames: string[] = [];
  const srvNames: string[] = [];
  const xmppAddrs: string[] = [];
  const otherForms = new Set<number>();
  for (let count = 0; !reader.done; count += 1) {
    if (count === MAX_NAMES) throw new DerError('too many names');
    const { tag, content } = reader.read();
    if (tag === NAME_FORM.dnsName) {
      const name = readAsciiName(content);
      if (name !== undefined) dnsNames.push(name);
    } else if (tag === NAME_FORM.otherName) {
      const other = readOtherName(content);
      if (other.kind === 'srv') srvNames.push(other.text);
      else if (other.kind === 'xmpp') xmppAddrs.push(other.text);
      else otherForms.add(tag);
    } else {
      otherForms.add(tag);
    }
  }
  return { dnsNames, srvNames, xmppAddrs, otherForms };
}

export type OtherName = { readonly kind: 'srv' | 'xmpp'; readonly text: string } | { readonly kind: 'unknown' };

/** An otherName: SRVName is an IA5String, XmppAddr a UTF8String; anything else proves nothing. */
export function readOtherName(content: Buffer): OtherName {
  const reader = new DerReader(content);
  const oid = readOid(reader.read(TAG.oid).content);
  const value = reader.enter(contextTag(0, 'constructed'));
  reader.end();
  const { tag, content: bytes } = value.read();
  value.end();
  if (oid === OID_SRV_NAME && tag === TAG.ia5String) {
    const text = readAsciiName(bytes);
    if (text !== undefined) return { kind: 'srv', text };
  }
  if (oid === OID_XMPP_ADDR && tag === TAG.utf8String && bytes.length <= 1023 && isUtf8(bytes)) {
    const domain = normalizeDomain(bytes.toString('utf8'));
    if (domain !== undefined) return { kind: 'xmpp', text: domain };
  }
  return { kind: 'unknown' };
}

/** Lower case; undefined for anything but printable ASCII without space: NUL and raw UTF-8 never name a domain. */
export function readAsciiName(content: Buffer): string | undefined {
  if (content.length > 255 || content.some((octet) => octet <= 0x20 || octet >= 0x7f)) return undefined;
  return content.toString('latin1').toLowerCase();
}

/** The relative distinguished names of a Name, as DER; throws DerError. */
export function readRelativeNames(name: Buffer): Buffer[] {
  const reader = openDer(name, TAG.sequence);
  const names: Buffer[] = [];
  while (!reader.done) names.push(reader.read(TAG.set).raw);
  return names;
}
