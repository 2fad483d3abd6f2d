/** Load process: a SIP pool over TLS that answers and sends MESSAGE as cheaply as it can. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { Arrivals } from './arrivals.ts';
import { ArrivalLog } from './arrivals.ts';
import { MARK, NUMBER_DIGITS, Template, templateBody } from './numbered.ts';
import type { TlsIdentity } from './raw-stream.ts';
import { serve } from './worker.ts';
import type { Batch } from './xmpp-load.ts';

export interface SipLoadSettings {
  readonly own: { readonly address: string; readonly fqdn: string; readonly identity: TlsIdentity };
  /** The gateway's SIP listener. */
  readonly target: { readonly address: string; readonly port: number; readonly fqdn: string };
  /** Domains of the pool's users and of the partner's. */
  readonly localDomain: string;
  readonly remoteDomain: string;
  /** What every body ends with. */
  readonly tail: string;
  /** Requests that may wait for their response at a time. */
  readonly window: number;
}

export interface SipLoadCalls {
  /** Listens on port 5061. */
  start(settings: SipLoadSettings): Promise<void>;
  arm(batch: Batch): void;
  settled(argument: null): Promise<Arrivals>;
  /** Resolves when every request has its final response; returns how often each status came. */
  send(batch: Batch): Promise<Readonly<Record<string, number>>>;
  readonly [name: string]: (argument: never) => unknown;
}

const PORT = 5061;
const SAMPLE_CHARACTERS = 600;
const CHUNK_MESSAGES = 64;
const STALL_SECONDS = 15;

const log = new ArrivalLog();
const statuses: Record<string, number> = {};
let settings: SipLoadSettings | undefined;
let outgoing: Socket | undefined;
let inFlight = 0;
let onResponses: () => void = () => undefined;

/** Handles every whole message in `text`; returns where the first incomplete one begins. */
function takeMessages(text: string, tail: string, answers: string[]): number {
  let at = 0;
  for (;;) {
    while (text.startsWith('\r\n', at)) at += 2; // keep-alive
    const headEnd = text.indexOf('\r\n\r\n', at);
    if (headEnd < 0) return at;
    const bodyStart = headEnd + 4;
    const end = bodyStart + contentLength(text, at, headEnd);
    if (end > text.length) return at;
    if (text.startsWith('SIP/2.0 ', at)) noteResponse(text.slice(at + 8, at + 11));
    else {
      if (text.startsWith('MESSAGE ', at)) noteMessage(text, at, bodyStart, end, tail);
      answers.push(answerTo(text, at, headEnd));
    }
    at = end;
  }
}

function contentLength(text: string, start: number, headEnd: number): number {
  const at = text.indexOf('\r\nContent-Length: ', start);
  if (at >= 0 && at < headEnd) return Number.parseInt(text.slice(at + 18, at + 26), 10);
  const other = /\r\n(?:content-length|l)\s*:\s*(\d+)/i.exec(text.slice(start, headEnd));
  return Number(other?.[1] ?? 0);
}

function noteMessage(text: string, start: number, bodyStart: number, end: number, tail: string): void {
  const digits = bodyStart + MARK.length;
  const number = text.startsWith(MARK, bodyStart) ? Number(text.slice(digits, digits + NUMBER_DIGITS)) : -1;
  const isIntact = end === digits + NUMBER_DIGITS + tail.length && text.startsWith(tail, digits + NUMBER_DIGITS);
  log.note(number, isIntact, () => text.slice(start, start + SAMPLE_CHARACTERS));
}

/** 200 with the lines that a response repeats (RFC 3261 section 8.2.6.2), copied as they are. */
function answerTo(text: string, start: number, headEnd: number): string {
  let answer = 'SIP/2.0 200 OK\r\n';
  for (let line = text.indexOf('\r\n', start) + 2; line < headEnd; ) {
    let lineEnd = text.indexOf('\r\n', line);
    if (lineEnd > headEnd) lineEnd = headEnd;
    switch (text[line]) {
      case 'V':
      case 'F':
      case 'v':
      case 'f':
      case 'i':
        answer += `${text.slice(line, lineEnd)}\r\n`;
        break;
      case 'T':
      case 't':
        if (/^To?:/i.test(text.slice(line, line + 3))) answer += `${text.slice(line, lineEnd)};tag=pool\r\n`;
        break;
      case 'C':
      case 'c':
        if (/^(?:CSeq|Call-ID):/i.test(text.slice(line, line + 8))) answer += `${text.slice(line, lineEnd)}\r\n`;
        break;
    }
    line = lineEnd + 2;
  }
  return `${answer}Content-Length: 0\r\n\r\n`;
}

function noteResponse(status: string): void {
  if (status < '200') return;
  statuses[status] = (statuses[status] ?? 0) + 1;
  inFlight -= 1;
}

function read(socket: Socket, tail: string): void {
  let rest = '';
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    const text = rest + chunk.toString('latin1');
    const answers: string[] = [];
    rest = text.slice(takeMessages(text, tail, answers));
    if (answers.length > 0) socket.write(answers.join(''), 'latin1');
    onResponses();
  });
}

async function start(given: SipLoadSettings): Promise<void> {
  settings = given;
  const server = createServer({ ...given.own.identity, requestCert: true, rejectUnauthorized: true }, (socket) => {
    socket.setNoDelay(true);
    read(socket, given.tail);
  });
  server.on('tlsClientError', (error) => log.stray(() => `TLS from the gateway: ${error}`));
  server.listen(PORT, given.own.address);
  await once(server, 'listening');
}

async function connectOut({ own, target, tail }: SipLoadSettings): Promise<Socket> {
  const { address, port, fqdn } = target;
  const socket = connect({ host: address, port, servername: fqdn, ...own.identity });
  socket.setNoDelay(true);
  await once(socket, 'secureConnect');
  read(socket, tail);
  return socket;
}

function requestTemplate({ own, localDomain, remoteDomain, tail }: SipLoadSettings): Template {
  const body = templateBody(tail);
  const lines = [
    `MESSAGE sip:rSSSS@${remoteDomain} SIP/2.0`,
    `Via: SIP/2.0/TLS ${own.fqdn}:${PORT};branch=z9hG4bKbenchNNNNNNNN`,
    'Max-Forwards: 70',
    `From: <sip:lRRRR@${localDomain}>;tag=fNNNNNNNN`,
    `To: <sip:rSSSS@${remoteDomain}>`,
    `Call-ID: NNNNNNNN@${own.fqdn}`,
    'CSeq: 1 MESSAGE',
    'Content-Type: text/plain;charset=UTF-8',
    `Content-Length: ${body.length}`,
  ];
  return new Template(`${lines.join('\r\n')}\r\n\r\n${body}`);
}

async function send({ first, count }: Batch): Promise<Readonly<Record<string, number>>> {
  if (settings === undefined) throw new Error('not started');
  if (outgoing === undefined || outgoing.destroyed) outgoing = await connectOut(settings);
  const socket = outgoing;
  const { window } = settings;
  const template = requestTemplate(settings);
  for (const status of Object.keys(statuses)) delete statuses[status];
  inFlight = 0;
  let sent = 0;
  await new Promise<void>((resolve, reject) => {
    const onClose = (): void => reject(new Error(`the gateway closed the connection after ${sent} requests`));
    socket.once('close', onClose);
    let before = -1;
    const watch = setInterval(() => {
      if (sent - inFlight === before)
        reject(new Error(`no response for ${STALL_SECONDS} s: ${inFlight} of ${sent} open`));
      before = sent - inFlight;
    }, STALL_SECONDS * 1000);
    onResponses = () => {
      while (sent < count && inFlight < window && !socket.writableNeedDrain) {
        const batch = Math.min(CHUNK_MESSAGES, count - sent, window - inFlight);
        socket.write(template.fill(first + sent, batch));
        sent += batch;
        inFlight += batch;
      }
      if (sent < count || inFlight > 0) return;
      onResponses = () => undefined;
      clearInterval(watch);
      socket.off('close', onClose);
      socket.off('drain', fill);
      resolve();
    };
    const fill = (): void => onResponses();
    socket.on('drain', fill);
    onResponses();
  });
  return { ...statuses };
}

const calls: SipLoadCalls = {
  start,
  arm: ({ first, count }) => log.arm(first, count),
  settled: () => log.settled(),
  send,
};

serve(calls);
