import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { connect as connectTls } from 'node:tls';
import { SaxesParser } from 'saxes';
import type { Scope } from './cleanup.ts';
import { stackOf } from './cleanup.ts';
import { Inbox } from './inbox.ts';

/** An element as a test looks at it. Read with another parser than the gateway's, so that mistakes do not cancel out. */
export interface Stanza {
  readonly name: string;
  readonly ns: string;
  /** By name as written, `xml:lang` included. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly Stanza[];
  /** Own text, without that of children. */
  readonly text: string;
}

export interface XmppUserOptions {
  /** Bare JID. */
  readonly jid: string;
  readonly password: string;
  readonly address: string;
  /** @default 5222 */
  readonly port?: number;
  /** STARTTLS with any certificate; the peers allow passwords on loopback without. @default false */
  readonly starttls?: boolean;
}

export interface OutgoingMessage {
  readonly to: string;
  readonly body: string;
  readonly id?: string;
  /** @default 'chat' */
  readonly type?: string;
  readonly subject?: string;
  readonly thread?: string;
  readonly language?: string;
  /** Further children, as XML. */
  readonly extra?: string;
}

const WAIT_SECONDS = 10;
const CLIENT_NS = 'jabber:client';
const STANZA_ERRORS_NS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

export function child(stanza: Stanza, name: string): Stanza | undefined {
  return stanza.children.find((element) => element.name === name);
}

/** Text of the body, or `undefined`. */
export function bodyOf(stanza: Stanza): string | undefined {
  return child(stanza, 'body')?.text;
}

/** Condition of a stanza of type error, as in RFC 6120 section 8.3.3. */
export function errorCondition(stanza: Stanza): string | undefined {
  return child(stanza, 'error')?.children.find((element) => element.ns === STANZA_ERRORS_NS && element.name !== 'text')
    ?.name;
}

/** Text of a stanza of type error; Prosody tells there why a stream to another server failed. */
export function errorText(stanza: Stanza): string {
  return child(stanza, 'error')?.children.find((element) => element.name === 'text')?.text ?? '';
}

/** A logged-in XMPP client. */
export class XmppUser {
  readonly jid: string;
  readonly #inbox: Inbox<Stanza>;
  #socket: Socket | TLSSocket;
  #lastId = 0;

  constructor(jid: string, socket: Socket) {
    this.jid = jid;
    this.#socket = socket;
    this.#inbox = new Inbox(jid, describeStanza);
  }

  send(xml: string): void {
    this.#socket.write(xml);
  }

  /** Returns the id of the message. */
  sendMessage(message: OutgoingMessage): string {
    this.#lastId += 1;
    const { to, body, type = 'chat', id = `m${this.#lastId}`, subject, thread, language, extra = '' } = message;
    const lang = language === undefined ? '' : ` xml:lang='${escapeXml(language)}'`;
    const before = subject === undefined ? '' : `<subject>${escapeXml(subject)}</subject>`;
    const after = thread === undefined ? '' : `<thread>${escapeXml(thread)}</thread>`;
    this.send(
      `<message to='${escapeXml(to)}' type='${escapeXml(type)}' id='${escapeXml(id)}'${lang}>` +
        `${before}<body>${escapeXml(body)}</body>${after}${extra}</message>`,
    );
    return id;
  }

  next(what: string, wanted: (stanza: Stanza) => boolean, seconds = WAIT_SECONDS): Promise<Stanza> {
    return this.#inbox.next(what, wanted, seconds);
  }

  /** The next message that is no error; with `body`, the next one that says this. */
  nextMessage(body?: string, seconds = WAIT_SECONDS): Promise<Stanza> {
    const what = body === undefined ? 'message' : `message ${JSON.stringify(body)}`;
    const isWanted = (text: string | undefined): boolean => text !== undefined && (body === undefined || text === body);
    return this.next(
      what,
      (it) => it.name === 'message' && it.attributes.type !== 'error' && isWanted(bodyOf(it)),
      seconds,
    );
  }

  /** The error that answers the stanza with this id. */
  nextError(id: string, seconds = WAIT_SECONDS): Promise<Stanza> {
    return this.next(`error for ${id}`, (it) => it.attributes.type === 'error' && it.attributes.id === id, seconds);
  }

  /** Stanzas that arrived and were not asked for. */
  pending(): readonly Stanza[] {
    return this.#inbox.pending();
  }

  close(): void {
    this.#socket.end('</stream:stream>');
    this.#socket.destroySoon();
  }

  /** Negotiates the session (RFC 6120): STARTTLS when asked for, SASL PLAIN, resource, presence. */
  async logIn(options: XmppUserOptions): Promise<void> {
    const [localpart = '', domain = ''] = options.jid.split('@');
    await this.#open(domain);
    if (options.starttls === true) {
      this.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
      await this.next('proceed', (it) => it.name === 'proceed');
      await this.#secure(domain);
      await this.#open(domain);
    }
    const proof = Buffer.from(`\0${localpart}\0${options.password}`).toString('base64');
    this.send(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>${proof}</auth>`);
    const answer = await this.next('SASL outcome', (it) => it.name === 'success' || it.name === 'failure');
    if (answer.name === 'failure') throw new Error(`${options.jid}: ${describeStanza(answer)}`);
    await this.#open(domain);
    await this.#request("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>test</resource></bind>");
    this.send('<presence/>');
    await this.next('own presence', (it) => it.name === 'presence');
  }

  async #open(domain: string): Promise<void> {
    this.#read(this.#socket);
    this.send(
      `<?xml version='1.0'?><stream:stream to='${domain}' version='1.0' xmlns='${CLIENT_NS}' ` +
        `xmlns:stream='http://etherx.jabber.org/streams'>`,
    );
    await this.next('stream features', (it) => it.name === 'features');
  }

  async #request(payload: string): Promise<void> {
    this.#lastId += 1;
    const id = `q${this.#lastId}`;
    this.send(`<iq type='set' id='${id}'>${payload}</iq>`);
    const answer = await this.next('iq result', (it) => it.name === 'iq' && it.attributes.id === id);
    if (answer.attributes.type !== 'result') throw new Error(`${this.jid}: ${describeStanza(answer)}`);
  }

  async #secure(domain: string): Promise<void> {
    this.#socket.removeAllListeners('data');
    const secured = connectTls({ socket: this.#socket, servername: domain, rejectUnauthorized: false });
    await new Promise<void>((resolve, reject) => secured.once('secureConnect', resolve).once('error', reject));
    this.#socket = secured;
  }

  /** Every stream restart begins a new document. */
  #read(socket: Socket): void {
    socket.removeAllListeners('data').removeAllListeners('error');
    socket.on('error', () => undefined); // a closed connection shows as what does not arrive
    const decoder = new TextDecoder();
    const parser = stanzaParser((stanza) => this.#inbox.put(stanza));
    socket.on('data', (chunk: Buffer) => parser.write(decoder.decode(chunk, { stream: true })));
  }
}

export async function connectXmppUser(scope: Scope, options: XmppUserOptions): Promise<XmppUser> {
  const socket = connect({ host: options.address, port: options.port ?? 5222, noDelay: true });
  stackOf(scope).after(() => {
    socket.destroy();
  });
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  const user = new XmppUser(options.jid, socket);
  await user.logIn(options);
  return user;
}

interface OpenElement {
  readonly name: string;
  readonly ns: string;
  readonly attributes: Record<string, string>;
  readonly children: OpenElement[];
  text: string;
}

/** Calls back for every child of the document's root. */
function stanzaParser(onStanza: (stanza: Stanza) => void): SaxesParser<{ xmlns: true }> {
  const parser = new SaxesParser({ xmlns: true });
  const open: OpenElement[] = [];
  parser.on('opentag', (tag) => {
    const attributes = Object.fromEntries(Object.values(tag.attributes).map(({ name, value }) => [name, value]));
    const element: OpenElement = { name: tag.local, ns: tag.uri, attributes, children: [], text: '' };
    open.at(-1)?.children.push(element);
    open.push(element);
  });
  parser.on('text', (text) => {
    const current = open.at(-1);
    if (current !== undefined && open.length > 1) current.text += text;
  });
  parser.on('closetag', () => {
    const element = open.pop();
    if (element === undefined || open.length !== 1) return;
    open[0]?.children.pop(); // the root would keep every stanza
    onStanza(element);
  });
  return parser;
}

function describeStanza(stanza: Stanza): string {
  const attributes = Object.entries(stanza.attributes).map(([name, value]) => ` ${name}='${value}'`);
  return `<${stanza.name}${attributes.join('')}>${stanza.text}${stanza.children.map(describeStanza).join('')}</${stanza.name}>`;
}

function escapeXml(text: string): string {
  return text.replace(/[&<>'"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
