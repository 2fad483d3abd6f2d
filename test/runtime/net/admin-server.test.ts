import assert from 'node:assert/strict';
import { request } from 'node:http';
import { connect } from 'node:net';
import test, { type TestContext } from 'node:test';
import { AdminServer, type AdminSources } from '../../../src/runtime/net/admin-server.ts';

interface Reply {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: string;
}

async function admin(t: TestContext, changes: Partial<AdminSources> = {}) {
  const server = new AdminServer({
    metrics: async () => 'up 1\n',
    status: () => ({ digest: 'sha256:0' }),
    unreadiness: () => undefined,
    ...changes,
  });
  const port = await server.listen({ address: '127.0.0.1', port: 0 });
  t.after(() => server.close());
  const ask = (path: string, method = 'GET'): Promise<Reply> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      });
      asked.on('error', reject).end();
    });
  return { server, port, ask };
}

test('health, readiness, status and metrics', async (t) => {
  let reason: string | undefined;
  const { ask } = await admin(t, { unreadiness: () => reason });
  const shown = async (path: string) => {
    const { status, headers, body } = await ask(path);
    return [status, headers['content-type'], body];
  };
  const text = 'text/plain; charset=utf-8';
  assert.deepEqual(await shown('/healthz'), [200, text, 'ok\n']);
  assert.deepEqual(await shown('/readyz'), [200, text, 'ready\n']);
  reason = 'stopping';
  assert.deepEqual(await shown('/readyz'), [503, text, 'stopping\n']);
  assert.deepEqual(await shown('/healthz'), [200, text, 'ok\n']);
  assert.deepEqual(await shown('/status?x=1'), [200, 'application/json', '{\n  "digest": "sha256:0"\n}\n']);
  assert.deepEqual(await shown('/metrics'), [200, 'text/plain; version=0.0.4; charset=utf-8', 'up 1\n']);
});

test('nothing is cached or guessed at', async (t) => {
  const { headers } = await (await admin(t)).ask('/status');
  assert.equal(headers['cache-control'], 'no-store');
  assert.equal(headers['x-content-type-options'], 'nosniff');
  assert.equal(headers['access-control-allow-origin'], undefined);
});

test('other paths and methods', async (t) => {
  const { ask } = await admin(t);
  for (const path of ['/', '/metrics/', '/../status', '/status%00', '//healthz']) {
    assert.deepEqual([(await ask(path)).status, path], [404, path]);
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
    const { status, headers, body } = await ask('/status', method);
    assert.deepEqual([status, headers.allow, body], [405, 'GET, HEAD', 'expected GET\n'], method);
  }
});

test('HEAD says how long the answer would be, and no more', async (t) => {
  const { ask } = await admin(t);
  const { status, headers, body } = await ask('/status', 'HEAD');
  assert.deepEqual([status, headers['content-length'], body], [200, '27', '']);
});

test('a failure is an answer, not the end of the gateway', async (t) => {
  const fail = (): never => {
    throw new Error('inner detail');
  };
  const { ask } = await admin(t, { status: fail, metrics: async () => fail(), unreadiness: fail });
  for (const path of ['/status', '/metrics', '/readyz']) {
    const { status, body } = await ask(path);
    assert.equal(status, 500);
    assert.doesNotMatch(body, /inner/);
  }
  assert.equal((await ask('/healthz')).status, 200);
});

test('what is no HTTP is cut off', async (t) => {
  const { port, ask } = await admin(t);
  const answer = await new Promise<string>((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write("<?xml version='1.0'?><stream:stream>\r\n\r\n"));
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', reject).on('close', () => resolve(text));
  });
  assert.match(answer, /^HTTP\/1\.1 400 /);
  assert.equal((await ask('/healthz')).status, 200);
});

test('a port in use is an error', async (t) => {
  const { port } = await admin(t);
  const other = new AdminServer({ metrics: async () => '', status: () => ({}), unreadiness: () => undefined });
  await assert.rejects(other.listen({ address: '127.0.0.1', port }), { code: 'EADDRINUSE' });
});

test('closing does not wait for idle connections', async (t) => {
  const { server, port } = await admin(t);
  const socket = connect(port, '127.0.0.1');
  await new Promise<void>((resolve) => socket.once('connect', resolve));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => {});
  await server.close();
  await closed;
});
