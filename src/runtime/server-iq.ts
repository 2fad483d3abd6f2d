import { stanzaErrorReply } from './interwork/errors.ts';
import { escapeAttribute, type XmlElement } from './xmpp/element.ts';
import { NS } from './xmpp/namespaces.ts';

const FEATURES = [NS.discoInfo, NS.discoItems, NS.ping].map((feature) => `<feature var='${feature}'/>`).join('');
/** XEP-0030 identity, from the registry of gateways. */
const DISCO_INFO = `<query xmlns='${NS.discoInfo}'><identity category='gateway' type='sip' name='XMPP federation gateway'/>${FEATURES}</query>`;
const DISCO_ITEMS = `<query xmlns='${NS.discoItems}'/>`;

/** The answer of a served domain itself to an iq: ping (XEP-0199) and disco (XEP-0030); undefined for answers of others. */
export function answerServerIq(stanza: XmlElement): string | undefined {
  const type = stanza.attr('type');
  if (type === 'result' || type === 'error') return undefined;
  const [payload, ...others] = stanza.elements();
  // RFC 6120 section 8.2.3: an id, and exactly one child.
  const isWhole = stanza.attr('id') !== undefined && payload !== undefined && others.length === 0;
  if (!isWhole || (type !== 'get' && type !== 'set')) return stanzaErrorReply(stanza, 'bad-request');
  if (type === 'get' && payload.ns === NS.ping && payload.name === 'ping') return result(stanza, '');
  const isDisco = payload.ns === NS.discoInfo || payload.ns === NS.discoItems;
  if (type === 'set' || !isDisco || payload.name !== 'query') return stanzaErrorReply(stanza, 'service-unavailable');
  if (payload.attr('node') !== undefined) return stanzaErrorReply(stanza, 'item-not-found');
  return result(stanza, payload.ns === NS.discoInfo ? DISCO_INFO : DISCO_ITEMS);
}

function result(stanza: XmlElement, payload: string): string {
  const from = escapeAttribute(stanza.attr('to') ?? '');
  const to = escapeAttribute(stanza.attr('from') ?? '');
  const id = escapeAttribute(stanza.attr('id') ?? '');
  return `<iq type='result' from='${from}' to='${to}' id='${id}'>${payload}</iq>`;
}
