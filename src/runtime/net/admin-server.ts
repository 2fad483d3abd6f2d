import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { ListenAddress } from '../settings.ts';

export interface AdminSources {
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** JSON-ready; holds no secrets and no message text. */
  status(): unknown;
  /** Why the gateway should get no new connections, or undefined. */
  unreadiness(): string | undefined;
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly allow?: string;
}

const TEXT = 'text/plain; charset=utf-8';
const PROMETHEUS = 'text/plain; version=0.0.4; charset=utf-8';
const MAX_CONNECTIONS = 64;

/** Read-only HTTP for those who run the gateway: `/healthz`, `/readyz`, `/metrics`, `/status`. */
export class AdminServer {
  readonly #server: Server;

  constructor(sources: AdminSources) {
    // Whoever does not finish asking is cut soon: the connections are few.
    const timeouts = { headersTimeout: 5_000, requestTimeout: 10_000, connectionsCheckingInterval: 2_000 };
    this.#server = createServer(timeouts, (request, response) => {
      answerTo(request, sources)
        .catch(() => text(500, 'this failed; the log may say more'))
        .then(({ status, type, body, allow }) => {
          response.writeHead(status, {
            'content-type': type,
            'content-length': Buffer.byteLength(body),
            'cache-control': 'no-store',
            'x-content-type-options': 'nosniff',
            ...(allow === undefined ? {} : { allow }),
          });
          response.end(request.method === 'HEAD' ? undefined : body);
        });
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** Resolves with the port. */
  async listen({ address, port }: ListenAddress): Promise<number> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, ...(address === undefined ? {} : { host: address }) }, () => {
        server.off('error', reject);
        // Out of file descriptors: connections wait until some are free again.
        server.on('error', () => undefined);
        resolve();
      });
    });
    const bound = server.address();
    return typeof bound === 'object' && bound !== null ? bound.port : port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answerTo({ method, url = '' }: IncomingMessage, sources: AdminSources): Promise<Answer> {
  if (method !== 'GET' && method !== 'HEAD') return { ...text(405, 'expected GET'), allow: 'GET, HEAD' };
  switch (url.split('?', 1)[0]) {
    case '/healthz':
      return text(200, 'ok');
    case '/readyz': {
      const reason = sources.unreadiness();
      return reason === undefined ? text(200, 'ready') : text(503, reason);
    }
    case '/status':
      return { status: 200, type: 'application/json', body: `${JSON.stringify(sources.status(), null, 2)}\n` };
    case '/metrics':
      return { status: 200, type: PROMETHEUS, body: await sources.metrics() };
    default:
      return text(404, 'expected /healthz, /readyz, /status or /metrics');
  }
}

function text(status: number, line: string): Answer {
  return { status, type: TEXT, body: `${line}\n` };
}
