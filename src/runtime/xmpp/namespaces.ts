/** Namespace names used on server-to-server streams, by the specification that defines them. */
export const NS = {
  /** XML 1.0 namespaces: always bound to `xml`, never to another prefix. */
  xml: 'http://www.w3.org/XML/1998/namespace',
  xmlns: 'http://www.w3.org/2000/xmlns/',
  /** RFC 6120: the stream root, `stream:features`, `stream:error`. */
  streams: 'http://etherx.jabber.org/streams',
  /** RFC 6120: content namespace of a server-to-server stream. */
  server: 'jabber:server',
  client: 'jabber:client',
  component: 'jabber:component:accept',
  tls: 'urn:ietf:params:xml:ns:xmpp-tls',
  sasl: 'urn:ietf:params:xml:ns:xmpp-sasl',
  stanzas: 'urn:ietf:params:xml:ns:xmpp-stanzas',
  streamErrors: 'urn:ietf:params:xml:ns:xmpp-streams',
  /** RFC 6121 section 2. */
  roster: 'jabber:iq:roster',
  /** XEP-0220. */
  dialback: 'jabber:server:dialback',
  dialbackFeature: 'urn:xmpp:features:dialback',
  /** XEP-0030. */
  discoInfo: 'http://jabber.org/protocol/disco#info',
  discoItems: 'http://jabber.org/protocol/disco#items',
  /** XEP-0045. */
  muc: 'http://jabber.org/protocol/muc',
  mucUser: 'http://jabber.org/protocol/muc#user',
  /** XEP-0071. */
  xhtmlIm: 'http://jabber.org/protocol/xhtml-im',
  xhtml: 'http://www.w3.org/1999/xhtml',
  /** XEP-0085. */
  chatStates: 'http://jabber.org/protocol/chatstates',
  /** XEP-0092. */
  version: 'jabber:iq:version',
  /** XEP-0115. */
  caps: 'http://jabber.org/protocol/caps',
  /** XEP-0153. */
  vcardUpdate: 'vcard-temp:x:update',
  /** XEP-0184. */
  receipts: 'urn:xmpp:receipts',
  /** XEP-0198. */
  streamManagement: 'urn:xmpp:sm:3',
  /** XEP-0199. */
  ping: 'urn:xmpp:ping',
  /** XEP-0202. */
  time: 'urn:xmpp:time',
  /** XEP-0203. */
  delay: 'urn:xmpp:delay',
  /** XEP-0205: application conditions of refused floods. */
  abuseErrors: 'urn:xmpp:errors',
  /** XEP-0280, XEP-0297. */
  carbons: 'urn:xmpp:carbons:2',
  forward: 'urn:xmpp:forward:0',
  /** XEP-0288. */
  bidi: 'urn:xmpp:bidi',
  bidiFeature: 'urn:xmpp:features:bidi',
  /** XEP-0308. */
  correct: 'urn:xmpp:message-correct:0',
  /** XEP-0334. */
  hints: 'urn:xmpp:hints',
  /** XEP-0359. */
  stanzaId: 'urn:xmpp:sid:0',
  /** XEP-0172. */
  nick: 'http://jabber.org/protocol/nick',
  /** XEP-0478. */
  streamLimits: 'urn:xmpp:stream-limits:0',
} as const;

export type Namespace = (typeof NS)[keyof typeof NS];
