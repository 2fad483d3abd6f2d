import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from '../settings.ts';

export interface AdminSources {
  metrics(): Promise<string>;
  /** JSON-ready; holds no secrets and no message text. */
  status(): unknown;
  /** Why the gateway should get no new connections, or undefined. */
  unreadiness(): string | undefined;
}

/** Read-only HTTP for those who run the gateway: `/healthz`, `/readyz`, `/metrics`, `/status`. */
export class AdminServer {
  readonly #server: Server;

  constructor(sources: AdminSources) {
    this.#server = createServer((request, response) => {
      const answer = (status: number, type: string, body: string): void => {
        response.writeHead(status, {
          'content-type': type,
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
        });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') return answer(405, TEXT, 'expected GET\n');
      switch (request.url?.split('?', 1)[0]) {
        case '/healthz':
          return answer(200, TEXT, 'ok\n');
        case '/readyz': {
          const reason = sources.unreadiness();
          return reason === undefined ? answer(200, TEXT, 'ready\n') : answer(503, TEXT, `${reason}\n`);
        }
        case '/status':
          return answer(200, 'application/json', `${JSON.stringify(sources.status(), null, 2)}\n`);
        case '/metrics':
          sources.metrics().then(
            (text) => answer(200, 'text/plain; version=0.0.4; charset=utf-8', text),
            () => answer(500, TEXT, 'metrics failed\n'),
          );
          return;
        default:
          return answer(404, TEXT, 'expected /healthz, /readyz, /status or /metrics\n');
      }
    });
    this.#server.requestTimeout = 10_000;
    this.#server.headersTimeout = 5_000;
    this.#server.maxConnections = 64;
  }

  /** Returns the port. */
  async listen({ address, port }: ListenAddress): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ port, ...(address === undefined ? {} : { host: address }) }, resolve);
    });
    const bound: AddressInfo | string | null = this.#server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : port;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}

const TEXT = 'text/plain; charset=utf-8';
