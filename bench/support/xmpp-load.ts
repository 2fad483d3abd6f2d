/** Load process: the partner's server, and an external component where the measured server needs one. */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import type { Arrivals } from './arrivals.ts';
import { ArrivalLog } from './arrivals.ts';
import { stanzaTemplate, Template } from './numbered.ts';
import { noteBodies, noteErrors } from './numbered-sink.ts';
import type { OpenStream, TlsIdentity } from './raw-stream.ts';
import { acceptStream, connectComponent, drained, openStream } from './raw-stream.ts';
import { serve } from './worker.ts';

export interface XmppLoadSettings {
  /** The partner's domain and address; it listens on port 5269. */
  readonly own: { readonly domain: string; readonly address: string; readonly identity: TlsIdentity };
  /** The measured server: the domain that messages go to and come from. */
  readonly target: { readonly domain: string; readonly address: string; readonly port: number };
  readonly component?: { readonly port: number; readonly secret: string };
  readonly stanzaBytes: number;
}

export interface Batch {
  readonly first: number;
  readonly count: number;
}

/** `inbound` and `outbound` as the measured server sees it: from and to the partner. */
export interface XmppLoadCalls {
  /** Listens, and connects as component; returns the tail that every body ends with. */
  start(settings: XmppLoadSettings): Promise<string>;
  arm(batch: Batch & { readonly direction: 'inbound' | 'outbound' }): void;
  settled(direction: 'inbound' | 'outbound'): Promise<Arrivals>;
  /** Resolves when everything was written. */
  send(batch: Batch & { readonly direction: 'inbound' | 'outbound' }): Promise<void>;
  /** Opens streams to the measured server, up to this many in all, and keeps them idle; returns how many there are. */
  idle(count: number): Promise<number>;
  readonly [name: string]: (argument: never) => unknown;
}

const CHUNK_MESSAGES = 64;
const HANDSHAKES_AT_ONCE = 10;

/** `inbound` messages arrive at the component, `outbound` ones at the partner. */
const logs = { inbound: new ArrivalLog(), outbound: new ArrivalLog() };
const idleStreams: OpenStream[] = [];
let settings: XmppLoadSettings | undefined;
let component: OpenStream | undefined;
let stream: OpenStream | undefined;

function current(): XmppLoadSettings {
  if (settings === undefined) throw new Error('not started');
  return settings;
}

function templateOf(direction: 'inbound' | 'outbound'): { readonly text: string; readonly tail: string } {
  const { own, target, stanzaBytes } = current();
  return direction === 'inbound'
    ? stanzaTemplate(own.domain, target.domain, '', stanzaBytes)
    : stanzaTemplate(target.domain, own.domain, '', stanzaBytes);
}

async function start(given: XmppLoadSettings): Promise<string> {
  settings = given;
  const { own, target } = given;
  const { tail } = templateOf('inbound');
  const server = createServer((socket) => {
    acceptStream(socket, own.domain, own.identity).then(
      (accepted) => {
        noteBodies(accepted, tail, logs.outbound);
        noteErrors(accepted, logs.outbound);
      },
      (error: unknown) => logs.outbound.stray(() => `stream not accepted: ${error}`),
    );
  });
  server.listen(5269, own.address);
  await once(server, 'listening');
  if (given.component !== undefined) {
    const { port, secret } = given.component;
    component = await connectComponent({ address: target.address, port }, { domain: target.domain, secret });
    noteBodies(component, tail, logs.inbound);
    noteErrors(component, logs.inbound);
  }
  return tail;
}

async function source(direction: 'inbound' | 'outbound'): Promise<Socket> {
  if (direction === 'outbound') {
    if (component === undefined) throw new Error('no component to send from');
    return component.socket;
  }
  if (stream === undefined || stream.socket.destroyed) {
    stream = await openStream(current().target, current().own);
    noteErrors(stream, logs.outbound);
  }
  return stream.socket;
}

async function send({
  direction,
  first,
  count,
}: Batch & { readonly direction: 'inbound' | 'outbound' }): Promise<void> {
  const socket = await source(direction);
  const template = new Template(templateOf(direction).text);
  for (let sent = 0; sent < count; sent += CHUNK_MESSAGES) {
    const chunk = template.fill(first + sent, Math.min(CHUNK_MESSAGES, count - sent));
    if (socket.destroyed) throw new Error(`the measured server closed the connection after ${sent} messages`);
    if (!socket.write(chunk)) await drained(socket);
  }
}

async function idle(count: number): Promise<number> {
  let isRefused = false;
  while (idleStreams.length < count && !isRefused) {
    const more = Math.min(HANDSHAKES_AT_ONCE, count - idleStreams.length);
    const opened = await Promise.allSettled(
      Array.from({ length: more }, () => openStream(current().target, current().own)),
    );
    for (const outcome of opened) {
      if (outcome.status === 'fulfilled') idleStreams.push(outcome.value);
      else isRefused = true;
    }
  }
  return idleStreams.filter(({ socket }) => !socket.destroyed).length;
}

const calls: XmppLoadCalls = {
  start,
  arm: ({ direction, first, count }) => logs[direction].arm(first, count),
  settled: (direction) => logs[direction].settled(),
  send,
  idle,
};

serve(calls);
