import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { before, describe, type TestContext, test } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { type ConnectionHandler, StreamConnection } from '../../../src/runtime/net/stream-connection.ts';
import { secureClient, secureServer, tlsContext } from '../../../src/runtime/net/tls-secure.ts';
import { selfSigned, type ThrowawayCertificate } from '../../support/certificates.ts';
import { HEADER, LIMITS } from '../../support/xml-stream.ts';

let certificate: ThrowawayCertificate;

before(async () => {
  certificate = await selfSigned({ dnsNames: ['contoso.com'] });
});

const context = () => tlsContext({ chainPem: certificate.chainPem, keyPem: certificate.privateKeyPem });
const asServer = (raw: Socket): TLSSocket => secureServer(raw, { context: context(), afterStartTls: false });

/** Writes down what a connection says. */
class Recorder implements ConnectionHandler {
  readonly events: string[] = [];
  /** Called with each event as it happens. */
  react: (event: string) => void = () => undefined;
  #wake: () => void = () => undefined;

  onHeader(): void {
    this.#note('header');
  }

  onElement(element: { readonly name: string }): void {
    this.#note(element.name);
  }

  onEnd(): void {
    this.#note('end');
  }

  onBroken(condition: string): void {
    this.#note(`broken ${condition}`);
  }

  onSecured(): void {
    this.#note('secured');
  }

  onDisconnected(detail: string): void {
    this.#note(`gone: ${detail}`);
  }

  async until(event: string | RegExp): Promise<void> {
    const is = (each: string) => (typeof event === 'string' ? each === event : event.test(each));
    while (!this.events.some(is)) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #note(event: string): void {
    this.events.push(event);
    this.react(event);
    this.#wake();
  }
}

interface Ends {
  readonly accepted: Socket;
  readonly peer: Socket;
  /** What the peer has received, in clear. */
  readonly heard: { text: string };
}

async function socketPair(t: TestContext): Promise<Ends> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [accepted] = (await once(server, 'connection')) as [Socket];
  server.close();
  const heard = { text: '' };
  peer.on('error', () => undefined);
  peer.on('data', (chunk: Buffer) => {
    heard.text += chunk.toString('latin1');
  });
  t.after(() => {
    peer.destroy();
    accepted.destroy();
  });
  return { accepted, peer, heard };
}

async function connection(
  t: TestContext,
): Promise<Ends & { readonly it: StreamConnection; readonly handler: Recorder }> {
  const ends = await socketPair(t);
  const handler = new Recorder();
  const it = new StreamConnection(ends.accepted, handler, LIMITS, () => 0);
  return { ...ends, it, handler };
}

describe('writing', () => {
  test('what is said in one turn leaves as one write', async (t) => {
    const { it, accepted, peer, heard } = await connection(t);
    const write = t.mock.method(accepted, 'write');
    it.start();
    for (let i = 0; i < 100; i++) it.send(`${i} `);
    assert.equal(write.mock.callCount(), 0);
    while (!heard.text.endsWith('99 ')) await once(peer, 'data');
    assert.equal(write.mock.callCount(), 1);
  });

  test('last words leave before the end, and nothing leaves after it', async (t) => {
    const { it, peer, heard, handler } = await connection(t);
    it.start();
    it.send('a');
    it.close('b');
    it.close('c');
    it.send('d');
    await handler.until(/^gone/);
    assert.equal(heard.text, 'ab');
    it.send('e');
    it.close('f');
    it.pause();
    it.resume();
    assert.ok(peer.readableEnded);
    assert.deepEqual(handler.events, ['gone: the connection was closed'], 'said once');
  });

  test('what a peer sends after the end is dropped', async (t) => {
    const { it, peer, handler } = await connection(t);
    it.start();
    peer.write(`${HEADER}<a/>`);
    await handler.until('a');
    it.close('');
    peer.write('<b/>');
    await handler.until(/^gone/);
    assert.deepEqual(handler.events, ['header', 'a', 'gone: the connection was closed']);
  });

  test('a peer that does not read is noticed, then cut', async (t) => {
    const { it, peer, handler } = await connection(t);
    peer.pause();
    it.start();
    const text = 'x'.repeat(100_000);
    while (!it.isCongested) it.send(text);
    await new Promise(setImmediate);
    while (handler.events.length === 0) {
      it.send(text);
      await new Promise(setImmediate);
    }
    assert.deepEqual(handler.events, ['gone: the peer does not read what it asked for']);
  });
});

describe('reading', () => {
  test('a handler that restarts gets nothing more of the old stream', async (t) => {
    const { it, peer, handler } = await connection(t);
    handler.react = (event) => event === 'a' && it.restart();
    it.start();
    peer.write(`${HEADER}<a/><b/>`);
    await handler.until('a');
    peer.write(`${HEADER}<c/>`);
    await handler.until('c');
    assert.deepEqual(handler.events, ['header', 'a', 'header', 'c']);
  });

  test('pauses before and after the start', async (t) => {
    const { it, peer, handler } = await connection(t);
    it.pause();
    it.start();
    peer.write(`${HEADER}<a/>`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(handler.events, []);
    it.resume();
    await handler.until('a');
  });

  test('a flood comes in turns, with room for others in between', async (t) => {
    const { it, peer, handler } = await connection(t);
    let turns = 0;
    let isReading = true;
    const count = (): void => {
      turns += 1;
      if (isReading) setImmediate(count);
    };
    it.start();
    setImmediate(count);
    peer.write(`${HEADER}${`<a>${'x'.repeat(1_000)}</a>`.repeat(2_000)}<z/>`);
    await handler.until('z');
    isReading = false;
    assert.equal(handler.events.length, 2_002);
    assert.ok(turns > 20, `${turns} turns`);
  });
});

describe('TLS', () => {
  test('starts over: what was read before it is gone', async (t) => {
    const { it, peer, handler } = await connection(t);
    handler.react = (event) => {
      if (event === 'starttls') it.startTls((raw) => secureServer(raw, { context: context(), afterStartTls: true }));
    };
    it.start();
    peer.write(`${HEADER}<starttls/><a/>`);
    await handler.until('starttls');
    peer.removeAllListeners('data');
    const secured = secureClient(peer, { context: context(), serverName: 'contoso.com', afterStartTls: true });
    secured.on('error', () => undefined);
    await handler.until('secured');
    secured.write(`${HEADER}<b/>`);
    await handler.until('b');
    assert.deepEqual(handler.events, ['header', 'starttls', 'secured', 'header', 'b']);
  });

  test('closed in the middle of a handshake: not a word, and the end is told', async (t) => {
    const { it, peer, heard, handler } = await connection(t);
    it.start(asServer);
    it.pause();
    it.close('</stream:stream>');
    await handler.until(/^gone/);
    await once(peer, 'close');
    assert.equal(heard.text, '');
    assert.deepEqual(handler.events, ['gone: closed during the TLS handshake']);
  });

  test('the peer leaves in the middle of a handshake', async (t) => {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const { it, peer, handler } = await connection(t);
      it.start(asServer);
      peer[leave]();
      await handler.until(/^gone/);
      assert.equal(handler.events.length, 1);
    }
  });

  test('a context that cannot be had ends the connection', async (t) => {
    const { it, handler } = await connection(t);
    it.start(() => {
      throw new RangeError('certificate x was not loaded');
    });
    assert.deepEqual(handler.events, [], 'never before start returns');
    await handler.until(/^gone/);
    assert.deepEqual(handler.events, ['gone: TLS could not start: certificate x was not loaded']);
  });
});

describe('a socket that is gone already', () => {
  test('is told', async (t) => {
    const { accepted } = await socketPair(t);
    accepted.destroy();
    await once(accepted, 'close');
    const handler = new Recorder();
    const it = new StreamConnection(accepted, handler, LIMITS, () => 0);
    it.start();
    it.send('x');
    it.close('y');
    await handler.until(/^gone/);
    assert.equal(handler.events.length, 1);
  });

  test('errors at any time are heard by somebody', async (t) => {
    const { it, accepted, handler } = await connection(t);
    accepted.emit('error', new Error('before the start'));
    await handler.until('gone: before the start');
    accepted.emit('error', new Error('after the end'));
    it.close('');
    assert.equal(handler.events.length, 1);
  });
});
