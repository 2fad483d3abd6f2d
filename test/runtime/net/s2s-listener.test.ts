import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import { S2sListener } from '../../../src/runtime/net/s2s-listener.ts';

test('hands on what comes in, until it is closed', async (t) => {
  let connections = 0;
  const listener = new S2sListener((socket) => {
    connections += 1;
    socket.on('error', () => undefined);
    socket.end('x');
  });
  t.after(() => listener.close());
  const { address, port } = await listener.listen({ address: '127.0.0.1', port: 0 });
  assert.equal(address, '127.0.0.1');
  assert.ok(port > 0);
  const socket = connect(port, '127.0.0.1');
  const [chunk] = await once(socket, 'data');
  assert.equal(String(chunk), 'x');
  assert.equal(connections, 1);
  listener.close();
  const late = connect(port, '127.0.0.1');
  const [error] = await once(late, 'error');
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNREFUSED');
});

test('a port that is taken is an error of whoever asked', async (t) => {
  const [first, second] = [new S2sListener(() => undefined), new S2sListener(() => undefined)];
  t.after(() => first.close());
  const { port } = await first.listen({ address: '127.0.0.1', port: 0 });
  await assert.rejects(second.listen({ address: '127.0.0.1', port }), { code: 'EADDRINUSE' });
  second.close();
});
