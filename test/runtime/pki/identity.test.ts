import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { NO_NAMES } from '../../../src/runtime/pki/general-names.ts';
import { provesDomain } from '../../../src/runtime/pki/identity.ts';

const dns = (...dnsNames: string[]) => ({ ...NO_NAMES, dnsNames });
const srv = (...srvNames: string[]) => ({ ...NO_NAMES, srvNames });
const xmpp = (...xmppAddrs: string[]) => ({ ...NO_NAMES, xmppAddrs });

const rows = [
  ['dNSName, exact', dns('a.example', 'b.example'), 'b.example', true],
  ['dNSName of another domain', dns('a.example'), 'b.example', false],
  ['dNSName of the parent', dns('example.com'), 'im.example.com', false],
  ['dNSName of a child', dns('im.example.com'), 'example.com', false],
  ['dNSName with trailing dot', dns('example.com.'), 'example.com', false],
  ['wildcard, one label', dns('*.example.com'), 'a.example.com', true],
  ['wildcard against its own parent', dns('*.example.com'), 'example.com', false],
  ['wildcard against two labels', dns('*.example.com'), 'a.b.example.com', false],
  ['wildcard within a label', dns('f*.example.com'), 'foo.example.com', false],
  ['wildcard with a suffix', dns('*o.example.com'), 'foo.example.com', false],
  ['wildcard that is not left-most', dns('a.*.example.com'), 'a.b.example.com', false],
  ['two wildcards', dns('*.*.example.com'), 'a.b.example.com', false],
  ['wildcard over a top-level domain', dns('*.example'), 'a.example', false],
  ['a bare wildcard', dns('*'), 'example', false],
  ['wildcard against an A-label', dns('*.example.com'), 'xn--bcher-kva.example.com', true],
  ['a wildcard as the domain itself', dns('*.example.com'), '*.example.com', false],
  ['IDN as A-label', dns('xn--bcher-kva.example'), 'xn--bcher-kva.example', true],
  ['IDN as U-label', dns('bücher.example'), 'xn--bcher-kva.example', false],
  ['SRVName of the server service', srv('_xmpp-server.example.com'), 'example.com', true],
  ['SRVName of the client service', srv('_xmpp-client.example.com'), 'example.com', false],
  ['SRVName of another service', srv('_sips.example.com'), 'example.com', false],
  ['SRVName without service', srv('example.com'), 'example.com', false],
  ['SRVName with wildcard', srv('_xmpp-server.*.example.com'), 'a.example.com', false],
  ['XmppAddr', xmpp('example.com'), 'example.com', true],
  ['XmppAddr of another domain', xmpp('example.com'), 'im.example.com', false],
  ['XmppAddr with wildcard', xmpp('*.example.com'), 'a.example.com', false],
  ['no names', NO_NAMES, 'example.com', false],
] as const;

describe('provesDomain', () => {
  for (const [name, names, domain, expected] of rows) {
    test(`${name}: ${expected ? 'yes' : 'no'}`, () => assert.equal(provesDomain(names, domain), expected));
  }
});
