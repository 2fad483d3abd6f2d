import type { Socket } from 'node:dgram';
import { createSocket } from 'node:dgram';
import type { Scope } from './cleanup.ts';
import { stackOf } from './cleanup.ts';
import { Inbox } from './inbox.ts';

/** A SIP message as a test looks at it: read with the simplest code that works, not the gateway's. */
export interface SipText {
  /** Request line or status line. */
  readonly startLine: string;
  /** Values in order of appearance, by long name in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  readonly body: string;
}

export interface ReceivedMessage extends SipText {
  readonly requestUri: string;
  /** Bare URIs, without display name and parameters. */
  readonly from: string;
  readonly to: string;
}

export interface SipReply extends SipText {
  readonly status: number;
  readonly reason: string;
}

export interface SipUserOptions {
  /** For example `sip:bob@pool.example`. */
  readonly uri: string;
  /** Own loopback address; UDP port 5060 there. */
  readonly address: string;
  readonly registrar: { readonly address: string; readonly port: number };
}

const PORT = 5060;
const WAIT_SECONDS = 10;
const LONG_NAMES: Readonly<Record<string, string>> = {
  c: 'content-type',
  f: 'from',
  i: 'call-id',
  l: 'content-length',
  m: 'contact',
  s: 'subject',
  t: 'to',
  v: 'via',
};

/** A registered SIP user agent on UDP that sends and receives page messages (RFC 3428). */
export class SipUser {
  readonly uri: string;
  /** What the next requests are answered with. */
  answer: { readonly status: number; readonly reason: string } = { status: 200, reason: 'OK' };
  readonly #socket: Socket;
  readonly #options: SipUserOptions;
  readonly #messages: Inbox<ReceivedMessage>;
  readonly #replies: Inbox<SipReply>;
  /** Answers by branch, for retransmissions. */
  readonly #answered = new Map<string, string>();
  #lastNumber = 0;

  constructor(options: SipUserOptions, socket: Socket) {
    this.uri = options.uri;
    this.#options = options;
    this.#socket = socket;
    this.#messages = new Inbox(options.uri, (message) => `${message.startLine} from ${message.from}: ${message.body}`);
    this.#replies = new Inbox(options.uri, (reply) => reply.startLine);
    socket.on('message', (datagram, source) => this.#receive(datagram, source));
  }

  /** @throws Error when the registrar refuses. */
  async register(seconds = 3600): Promise<void> {
    const domain = this.uri.slice(this.uri.indexOf('@') + 1);
    const contact = `<${this.uri.replace(/@.*/, `@${this.#options.address}:${PORT}`)}>`;
    const reply = await this.request('REGISTER', `sip:${domain}`, this.uri, [`Contact: ${contact};expires=${seconds}`]);
    if (reply.status !== 200) throw new Error(`${this.uri}: registration was answered ${reply.startLine}`);
  }

  /** @param headers whole header lines; `Content-Type: text/plain` is added unless one is there */
  sendMessage(to: string, body: string, headers: readonly string[] = []): Promise<SipReply> {
    const hasType = headers.some((line) => /^content-type:/i.test(line));
    const type = hasType ? [] : ['Content-Type: text/plain;charset=UTF-8'];
    return this.request('MESSAGE', to, to, [...headers, ...type], body);
  }

  /** Sends one request to the registrar and returns its final response. @throws Error when none arrives */
  request(method: string, uri: string, to: string, headers: readonly string[] = [], body = ''): Promise<SipReply> {
    const { address, registrar } = this.#options;
    this.#lastNumber += 1;
    const branch = `z9hG4bK-${process.pid}-${address}-${this.#lastNumber}`;
    const named = (name: string): boolean => headers.some((line) => line.toLowerCase().startsWith(`${name}:`));
    const lines = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP ${address}:${PORT};branch=${branch}`,
      'Max-Forwards: 70',
      `From: <${this.uri}>;tag=t${this.#lastNumber}`,
      `To: <${to}>`,
      ...(named('call-id') ? [] : [`Call-ID: ${branch}@${address}`]),
      `CSeq: 1 ${method}`,
      ...headers,
      `Content-Length: ${Buffer.byteLength(body)}`,
    ];
    this.#socket.send(`${lines.join('\r\n')}\r\n\r\n${body}`, registrar.port, registrar.address);
    const answers = (reply: SipReply): boolean => reply.status >= 200 && branchOf(reply) === branch;
    return this.#replies.next(`answer to ${method} ${uri}`, answers, WAIT_SECONDS);
  }

  /** The next MESSAGE; with `body`, the next one that says this. */
  nextMessage(body?: string, seconds = WAIT_SECONDS): Promise<ReceivedMessage> {
    const what = body === undefined ? 'MESSAGE' : `MESSAGE ${JSON.stringify(body)}`;
    return this.#messages.next(what, (message) => body === undefined || message.body === body, seconds);
  }

  /** Messages that arrived and were not asked for. */
  pending(): readonly ReceivedMessage[] {
    return this.#messages.pending();
  }

  #receive(datagram: Buffer, source: { readonly address: string; readonly port: number }): void {
    const message = readSip(datagram);
    if (message.startLine.startsWith('SIP/2.0 ')) {
      const [, status = '', ...reason] = message.startLine.split(' ');
      this.#replies.put({ ...message, status: Number(status), reason: reason.join(' ') });
      return;
    }
    const [method, requestUri = ''] = message.startLine.split(' ');
    const branch = branchOf(message);
    const known = this.#answered.get(branch);
    const isKnownMethod = method === 'MESSAGE' || method === 'OPTIONS';
    const { status, reason } = isKnownMethod ? this.answer : { status: 405, reason: 'Method Not Allowed' };
    const answer = known ?? answerTo(message, status, reason);
    this.#socket.send(answer, source.port, source.address);
    this.#answered.set(branch, answer);
    if (known !== undefined || method !== 'MESSAGE') return;
    this.#messages.put({ ...message, requestUri, from: uriOf(message, 'from'), to: uriOf(message, 'to') });
  }
}

/** Binds, registers, and unbinds with the scope. */
export async function connectSipUser(scope: Scope, options: SipUserOptions): Promise<SipUser> {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(PORT, options.address, resolve);
  });
  stackOf(scope).after(() => new Promise<void>((resolve) => socket.close(resolve)));
  const user = new SipUser(options, socket);
  await user.register();
  return user;
}

/** First value of a header, by long name in lower case. */
export function header(message: SipText, name: string): string | undefined {
  return message.headers.get(name)?.[0];
}

/** A response without body to a request. */
export function answerTo(request: SipText, status: number, reason: string): string {
  const copied = ['via', 'from', 'to', 'call-id', 'cseq'].flatMap((name) =>
    (request.headers.get(name) ?? []).map((value) => `${name}: ${value}${name === 'to' ? ';tag=answer' : ''}`),
  );
  return [`SIP/2.0 ${status} ${reason}`, ...copied, 'Content-Length: 0', '', ''].join('\r\n');
}

/** Takes one whole message apart. */
export function readSip(bytes: Buffer): SipText {
  const end = bytes.indexOf('\r\n\r\n');
  const [startLine = '', ...lines] = bytes.toString('latin1', 0, end < 0 ? bytes.length : end).split('\r\n');
  const headers = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const written = line.slice(0, colon).trim().toLowerCase();
    const name = LONG_NAMES[written] ?? written;
    const value = Buffer.from(line.slice(colon + 1).trim(), 'latin1').toString('utf8');
    headers.set(name, [...(headers.get(name) ?? []), value]);
  }
  const body = end < 0 ? '' : bytes.toString('utf8', end + 4);
  return { startLine, headers, body };
}

function branchOf(message: SipText): string {
  return /;branch=([^;,]+)/.exec(header(message, 'via') ?? '')?.[1] ?? '';
}

function uriOf(message: SipText, name: string): string {
  const value = header(message, name) ?? '';
  return /<([^>]*)>/.exec(value)?.[1] ?? value.replace(/;.*/, '');
}
