/**
 * What the SIP side costs, in messages per CPU second of this process (user and system, all threads): best of the
 * rounds, after a warm-up.
 *
 *   node --import tsx bench/sip.ts [messages]
 *
 * parse: a MESSAGE of about 560 bytes, 250 of them body, from a stream in chunks of 64 KiB, with every check of a
 * request; a 200 response likewise. format: the text of such a MESSAGE, flattened. send: `sendMessage` with all of its
 * transaction, against a connection that takes every message; answered: reading the 200s of 2000 requests under way. take: requests read from a stream, handed to a handler that answers
 * 200, and the responses formatted. TLS: two endpoints in this process over loopback with mutual TLS, so that one
 * message counts sender and receiver, request and response; with 64 sent per event-loop turn, as under load. A message
 * sent alone costs several times as much, most of it in the kernel.
 */
import { createAuthority, issue } from '../src/certificates/throwaway.ts';
import type { SipConfiguration } from '../src/config/sip.ts';
import type { SipFlow, SipTransport, SipTransportHandler } from '../src/runtime/sip/flow.ts';
import { formatPageMessage, type RequestLines } from '../src/runtime/sip/format.ts';
import { StreamFramer } from '../src/runtime/sip/stream-framer.ts';
import { SipEndpoint } from '../src/runtime/sip-endpoint.ts';

const messages = Number(process.argv[2] ?? 100_000);
const ROUNDS = 5;
/** Requests sent before their responses come. */
const UNDER_WAY = 2_000;
const BODY = 'Art thou not Romeo, and a Montague? '.repeat(7).slice(0, 250);
const page = (i: number) => ({
  requestUri: `sip:romeo${i % 200}@pool.example`,
  from: `sip:juliet${i % 200}@fabrikam.example;gr=balcony`,
  to: `sip:romeo${i % 200}@pool.example`,
  callId: `e0ffe42b28561960c6b12b944a092794b9683a${i % 1000}`,
  contentType: 'text/plain;charset=UTF-8',
  contentLanguage: 'en',
  body: BODY,
});

/** A connection that a bench feeds by hand. */
class Line implements SipTransport {
  readonly written: string[] = [];
  readonly #target = Buffer.alloc(1_000_000);
  handler: SipTransportHandler | undefined;
  readonly flow: SipFlow = {
    transport: 'tls',
    isOutbound: true,
    isTrusted: true,
    state: 'open',
    source: { address: '192.0.2.7', port: 5061 },
    peer: 'tls:192.0.2.7:5061',
    mayReuse: false,
    send: (message) => {
      this.written.push(message);
      return true;
    },
    close: () => {},
  };
  readonly framer = new StreamFramer({
    onMessage: (message) => this.handler?.onMessage(this.flow, message),
    onPing: () => {},
    onBroken: ({ message }) => {
      throw new Error(message);
    },
  });

  start(handler: SipTransportHandler): Promise<void> {
    this.handler = handler;
    return Promise.resolve();
  }
  stop(): Promise<void> {
    return Promise.resolve();
  }
  connect(): SipFlow {
    return this.flow;
  }
  sentBy(): string {
    return 'gateway.contoso.example:5061';
  }
  tick(): void {}
  read(bytes: Buffer, isFlushed: boolean): void {
    for (let i = 0; i < bytes.length; i += 65_536) {
      this.framer.write(bytes.subarray(i, i + 65_536));
      if (!isFlushed) continue;
      this.#target.write(this.written.join(''));
      this.written.length = 0;
    }
  }
}

const sip: SipConfiguration = {
  nextHops: [{ fqdn: 'pool.example', transport: 'tls', port: 5061, priority: 10, weight: 10, useSrv: false }],
  trustedAddresses: [],
  trustedTlsNames: ['peer.example'],
  dialect: 'rfc7572',
};

async function main(): Promise<void> {
  benchParse();
  benchFormat();
  await benchSend();
  await benchTake();
  await benchTls();
}

function requests(): Buffer {
  const lines: RequestLines = { viaStart: 'SIP/2.0/TLS peer.example:5061;branch=', viaEnd: ';alias' };
  const texts: string[] = [];
  for (let i = 0; i < messages; i++) {
    const message = page(i);
    texts.push(formatPageMessage(message, lines, `z9hG4bK5f3a9c.${i}`, `5f3a9c${i}`, message.callId, i + 1));
  }
  return Buffer.from(texts.join(''));
}

function responsesTo(written: readonly string[]): Buffer {
  return Buffer.from(
    written
      .map((request) => {
        const kept = request.split('\r\n').filter((line) => /^(Via|From|Call-ID|CSeq):/.test(line));
        const to = request.split('\r\n').find((line) => line.startsWith('To:'));
        return `SIP/2.0 200 OK\r\n${kept.join('\r\n').replace(';alias', ';alias;received=192.0.2.9')}\r\n${to};tag=b27e1a1d33761e85846fc98f5f3a7e58.dbb9\r\nServer: kamailio\r\nContent-Length: 0\r\n\r\n`;
      })
      .join(''),
  );
}

function benchParse(): void {
  const bytes = requests();
  console.log(`MESSAGE of ${Math.round(bytes.length / messages)} bytes`);
  measure('parse a MESSAGE', () => {
    let count = 0;
    const framer = new StreamFramer({
      onMessage: ({ kind }) => {
        if (kind === 'request') count++;
      },
      onPing: () => {},
      onBroken: () => {},
    });
    for (let i = 0; i < bytes.length; i += 65_536) framer.write(bytes.subarray(i, i + 65_536));
    if (count !== messages) throw new Error(`${count} of ${messages}`);
  });
}

function benchFormat(): void {
  const lines: RequestLines = { viaStart: 'SIP/2.0/TLS peer.example:5061;branch=', viaEnd: ';alias' };
  const target = Buffer.alloc(2_000);
  measure('format a MESSAGE', () => {
    for (let i = 0; i < messages; i++) {
      const message = page(i);
      target.write(
        formatPageMessage(message, lines, `z9hG4bK5f3a9c.${i}`, `5f3a9c${i}`, message.callId, i + 1),
        'latin1',
      );
    }
  });
}

async function benchSend(): Promise<void> {
  const line = new Line();
  const endpoint = new SipEndpoint({ sip, listen: [], transport: line, onMessage: () => {} });
  await endpoint.start();
  let answered = 0;
  const done = () => {
    answered++;
  };
  const sends: number[] = [];
  const answers: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    let sending = 0;
    let answering = 0;
    answered = 0;
    for (let sent = 0; sent < messages; sent += UNDER_WAY) {
      line.written.length = 0;
      const pages = Array.from({ length: UNDER_WAY }, (_, i) => page(sent + i));
      sending += cpu(() => {
        for (const message of pages) endpoint.sendMessage(message, done);
      });
      const bytes = responsesTo(line.written);
      answering += cpu(() => line.read(bytes, false));
    }
    if (answered < messages) throw new Error(`${answered} answers`);
    sends.push(sending);
    answers.push(answering);
  }
  print('send', sends);
  print('answered', answers);
  await endpoint.stop();
}

async function benchTake(): Promise<void> {
  const line = new Line();
  let taken = 0;
  const endpoint = new SipEndpoint({
    sip,
    listen: [],
    transport: line,
    onMessage: (_message, _peer, answer) => {
      taken++;
      answer(200);
    },
  });
  await endpoint.start();
  const bytes = requests();
  const rounds: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    taken = 0;
    rounds.push(cpu(() => line.read(bytes, true)));
    if (taken !== messages) throw new Error(`${taken} taken`);
  }
  print('take', rounds);
  await endpoint.stop();
}

async function benchTls(): Promise<void> {
  const authority = await createAuthority('Bench');
  const identity = async (name: string) => {
    const { chainPem, privateKeyPem } = await issue(authority, { dnsNames: [name] });
    return { cert: chainPem, key: privateKeyPem, ca: authority.certificatePem };
  };
  const pool = new SipEndpoint({
    sip: { ...sip, nextHops: [], trustedTlsNames: ['gateway.example'] },
    listen: [{ transport: 'tls', address: '127.0.0.1', port: 0 }],
    tls: await identity('pool.example'),
    onMessage: (_message, _peer, answer) => answer(200),
  });
  await pool.start();
  const gateway = new SipEndpoint({
    sip: { ...sip, nextHops: sip.nextHops.map((hop) => ({ ...hop, port: pool.port('tls') })) },
    listen: [],
    host: 'gateway.example',
    tls: await identity('gateway.example'),
    resolver: {
      resolve: async (_name, type) =>
        type === 'A'
          ? { outcome: 'found', records: ['127.0.0.1'] as never[], ttl: 1, authenticated: false }
          : { outcome: 'nodata', ttl: 1, authenticated: false },
    },
    onMessage: () => {},
  });
  await gateway.start();
  const pages = Array.from({ length: 1000 }, (_, i) => page(i));
  for (const perTurn of [64, 8, 1]) {
    const count = perTurn === 1 ? Math.min(messages, 20_000) : messages;
    const rounds: number[] = [];
    for (let round = 0; round <= ROUNDS; round++) {
      const before = process.cpuUsage();
      await new Promise<void>((resolve, reject) => {
        let sent = 0;
        let answered = 0;
        const done = ({ status }: { status: number }) => {
          if (status !== 200) reject(new Error(`status ${status}`));
          if (++answered === count) resolve();
        };
        const turn = () => {
          // As much under way as a busy gateway has, and not the whole run at once.
          for (let i = 0; i < perTurn && sent < count && sent - answered < 4_096; i++) {
            const message = pages[sent++ % pages.length];
            if (message !== undefined) gateway.sendMessage(message, done);
          }
          if (sent < count) setImmediate(turn);
        };
        turn();
      });
      const { user, system } = process.cpuUsage(before);
      rounds.push((user + system) / count);
    }
    print(`two endpoints, TLS, ${perTurn} a turn`, rounds);
  }
  await gateway.stop();
  await pool.stop();
}

function cpu(run: () => void): number {
  const before = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / messages;
}

function measure(label: string, run: () => void): void {
  print(
    label,
    Array.from({ length: ROUNDS + 1 }, () => cpu(run)),
  );
}

/** The first round is the warm-up. */
function print(label: string, rounds: readonly number[]): void {
  const best = Math.min(...rounds.slice(1));
  console.log(`${label.padEnd(32)} ${best.toFixed(2).padStart(6)} us  ${Math.round(1e6 / best)} messages/CPU s`);
}

await main();
