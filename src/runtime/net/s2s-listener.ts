import { createServer, type Server, type Socket } from 'node:net';
import type { ListenAddress } from '../settings.ts';

const BACKLOG = 511;

/** A TCP port for streams; what comes in is handed on as it is. */
export class S2sListener {
  readonly #server: Server;

  constructor(onSocket: (socket: Socket) => void) {
    this.#server = createServer({ noDelay: true }, onSocket);
  }

  /** Resolves with the address listened on. */
  async listen({ address, port }: ListenAddress): Promise<ListenAddress> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port, backlog: BACKLOG, ...(address === undefined ? {} : { host: address }) }, () => {
        server.off('error', reject);
        // Out of file descriptors: connections wait in the backlog until some are free again.
        server.on('error', () => undefined);
        resolve();
      });
    });
    const bound = server.address();
    return typeof bound === 'object' && bound !== null ? { address, port: bound.port } : { address, port };
  }

  /** Takes no more connections; those there are stay. */
  close(): void {
    this.#server.close();
  }
}
