import { stanzaErrorReply } from './interwork/errors.ts';
import { escapeAttribute, type XmlElement } from './xmpp/element.ts';
import { NS } from './xmpp/namespaces.ts';

const FEATURES = [NS.discoInfo, NS.ping].map((feature) => `<feature var='${feature}'/>`).join('');
/** XEP-0030 identity, from the registry of gateways. */
const DISCO_INFO = `<query xmlns='${NS.discoInfo}'><identity category='gateway' type='sip' name='XMPP federation gateway'/>${FEATURES}</query>`;
const DISCO_ITEMS = `<query xmlns='${NS.discoItems}'/>`;

/** The answer of a served domain itself to an iq: ping (XEP-0199) and disco (XEP-0030); undefined for answers of others. */
export function answerServerIq(stanza: XmlElement): string | undefined {
  const type = stanza.attr('type');
  if (type === 'result' || type === 'error') return undefined;
  if (type !== 'get' && type !== 'set') return stanzaErrorReply(stanza, 'bad-request');
  const [payload, ...others] = stanza.elements();
  if (payload === undefined || others.length > 0) return stanzaErrorReply(stanza, 'bad-request');
  if (type === 'get' && payload.ns === NS.ping && payload.name === 'ping') return result(stanza, '');
  const isQuery = type === 'get' && payload.name === 'query';
  if (isQuery && payload.ns === NS.discoInfo) {
    return payload.attr('node') === undefined ? result(stanza, DISCO_INFO) : stanzaErrorReply(stanza, 'item-not-found');
  }
  if (isQuery && payload.ns === NS.discoItems) return result(stanza, DISCO_ITEMS);
  return stanzaErrorReply(stanza, 'service-unavailable');
}

function result(stanza: XmlElement, payload: string): string {
  const from = escapeAttribute(stanza.attr('to') ?? '');
  const to = escapeAttribute(stanza.attr('from') ?? '');
  const id = escapeAttribute(stanza.attr('id') ?? '');
  return `<iq type='result' from='${from}' to='${to}' id='${id}'>${payload}</iq>`;
}
