import { isIP, type Socket } from 'node:net';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { GatewayError } from './gateway-error.ts';

export interface OutboundTls {
  readonly context: SecureContext | undefined;
  /** Whether Node is to end the handshake over the chain of the peer; otherwise the caller judges it. */
  readonly isChainRequired: boolean;
  readonly timeoutMs: number;
}

/**
 * TLS as a client on a connected socket, with our certificate. Says nothing about the name of the peer. Throws
 * GatewayError; the socket is gone then.
 */
export function secureOutbound(plain: Socket, fqdn: string, options: OutboundTls): Promise<TLSSocket> {
  const { context, isChainRequired, timeoutMs } = options;
  return new Promise((resolve, reject) => {
    const fail = (message: string, cause?: unknown): void => {
      clearTimeout(timer);
      plain.destroy();
      reject(new GatewayError('tls-failure', { message, cause }));
    };
    const timer = setTimeout(() => fail('TLS handshake took too long'), timeoutMs);
    if (context === undefined) {
      fail('no certificate of ours');
      return;
    }
    const socket = connect({
      socket: plain,
      secureContext: context,
      ...(isIP(fqdn) === 0 ? { servername: fqdn } : {}),
      rejectUnauthorized: isChainRequired,
      // Node would accept wildcards and common names.
      checkServerIdentity: () => undefined,
    });
    const onClose = (): void => fail('closed during the TLS handshake');
    socket.once('error', (error) => fail(`TLS: ${error.message}`, error));
    socket.once('close', onClose);
    socket.once('secureConnect', () => {
      clearTimeout(timer);
      socket.off('close', onClose);
      resolve(socket);
    });
  });
}
