import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import { connect, createSecureContext, type SecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import { NO_PEER_CERTIFICATE, type PeerCertificateFacts, type PeerTrust } from '../pki/peer-certificate.ts';
import { abortedError, GatewayError } from './gateway-error.ts';

/** ALPN protocol of direct TLS between XMPP servers (XEP-0368). */
export const XMPP_SERVER_ALPN = 'xmpp-server';

/** Forward secrecy and authenticated encryption only; AES-128 first, it costs least (RFC 9325 section 4.2). */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
].join(':');

/**
 * The TLS settings for one certificate, used as server and as client. TLS 1.2 or later; no session is ever resumed,
 * because a ticket would carry the authorization of an older configuration past a reload; no renegotiation, because
 * the peer's certificate is judged once. OpenSSL gets no trust anchors: the verdict is made in `pki`.
 *
 * @param identity PEM chain and key; without, a client that shows no certificate
 */
export function tlsSettings(identity?: { readonly chainPem: string; readonly keyPem: string }): SecureContextOptions {
  return {
    ...(identity === undefined ? {} : { cert: identity.chainPem, key: identity.keyPem }),
    ca: [],
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
  };
}

/** {@link tlsSettings}, ready for use. Throws when OpenSSL cannot use the certificate. */
export function tlsContext(identity?: { readonly chainPem: string; readonly keyPem: string }): SecureContext {
  return createSecureContext(tlsSettings(identity));
}

export interface SecureServerOptions {
  /** For a peer that asks for no name, or for one that {@link contextFor} does not know. */
  readonly context: SecureContext;
  /** By server name, for direct TLS: with STARTTLS the stream header has named the domain already. */
  readonly contextFor?: (serverName: string) => SecureContext | undefined;
  /** @default none */
  readonly alpnProtocols?: readonly string[];
  /**
   * Whether the connection carried clear text before. Whatever was received and not read by then is thrown away: it
   * was sent before the handshake and must not count as if it had come under its protection (RFC 6120 section 5.4.3.3).
   */
  readonly afterStartTls: boolean;
}

const established = new WeakSet<TLSSocket>();

/**
 * Starts TLS as a server on an accepted connection. The caller has taken its listeners off `socket` and drops what its
 * parser still holds; it listens for errors on the result. A certificate of the peer is asked for and never refused
 * here: see {@link channelFacts}.
 */
export function secureServer(socket: Socket, options: SecureServerOptions): TLSSocket {
  if (options.afterStartTls) discardUnread(socket);
  const { contextFor } = options;
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: options.context,
    requestCert: true,
    rejectUnauthorized: false,
    ...(options.alpnProtocols === undefined ? {} : { ALPNProtocols: [...options.alpnProtocols] }),
    ...(contextFor === undefined
      ? {}
      : {
          SNICallback: (name: string, done: (error: Error | null, context?: SecureContext) => void) =>
            done(null, contextFor(name.toLowerCase())),
        }),
  });
  secured.once('secure', () => established.add(secured));
  return secured;
}

export interface SecureClientOptions {
  readonly context: SecureContext;
  /** Sent as server name: the XMPP domain, not the SRV target (RFC 6120 section 13.7.2, XEP-0368). */
  readonly serverName: string;
  readonly alpnProtocols?: readonly string[];
  /** As in {@link SecureServerOptions}. */
  readonly afterStartTls: boolean;
}

/** Starts TLS as a client. As {@link secureServer} otherwise. */
export function secureClient(socket: Socket, options: SecureClientOptions): TLSSocket {
  if (options.afterStartTls) discardUnread(socket);
  const secured = connect({
    socket,
    secureContext: options.context,
    servername: options.serverName,
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
    ...(options.alpnProtocols === undefined ? {} : { ALPNProtocols: [...options.alpnProtocols] }),
  });
  secured.once('secure', () => established.add(secured));
  return secured;
}

function discardUnread(socket: Socket): void {
  socket.pause();
  while (socket.read() !== null);
}

/**
 * Waits for the end of the handshake. Rejects with `tls-failure` when the connection fails or closes first and with
 * `aborted` when the signal fires; the connection is destroyed then.
 */
export function handshake(secured: TLSSocket, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: GatewayError): void => {
      secured.off('secure', onSecure);
      secured.off('error', onError);
      secured.off('close', onClose);
      signal?.removeEventListener('abort', onAbort);
      if (error === undefined) {
        resolve();
      } else {
        secured.on('error', () => {}); // what a dying connection still has to say
        secured.destroy();
        reject(error);
      }
    };
    const onSecure = (): void => done();
    const onError = (cause: Error): void => done(new GatewayError('tls-failure', { message: cause.message, cause }));
    const onClose = (): void =>
      done(new GatewayError('tls-failure', { message: 'connection closed during handshake' }));
    const onAbort = (): void => done(signal === undefined ? new GatewayError('aborted') : abortedError(signal));
    if (established.has(secured)) return resolve();
    if (secured.destroyed) return onClose();
    if (signal?.aborted) return onAbort();
    secured.on('secure', onSecure);
    secured.on('error', onError);
    secured.on('close', onClose);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** What is known about a TLS connection after its handshake. */
export interface ChannelFacts {
  /** `TLSv1.2` or `TLSv1.3`; empty before the handshake has ended. */
  readonly protocol: string;
  /** IANA name of the cipher suite. */
  readonly cipher: string;
  /** ALPN protocol agreed on. */
  readonly alpn: string | undefined;
  /** Server name the peer asked for, or that it was asked for. */
  readonly serverName: string | undefined;
  readonly peer: PeerCertificateFacts;
}

/** @param now milliseconds since 1970 */
export function channelFacts(secured: TLSSocket, trust: PeerTrust, now: number): ChannelFacts {
  const isEstablished = established.has(secured) && !secured.destroyed;
  return {
    protocol: isEstablished ? (secured.getProtocol() ?? '') : '',
    cipher: isEstablished ? secured.getCipher().standardName : '',
    alpn: typeof secured.alpnProtocol === 'string' ? secured.alpnProtocol : undefined,
    serverName: serverNameOf(secured),
    peer: peerCertificateFacts(secured, trust, now),
  };
}

/**
 * The verdict on the peer's certificate. Before the handshake has ended, or after the connection has, nothing counts
 * as presented: an interrupted handshake authenticates nobody.
 *
 * @param now milliseconds since 1970
 */
export function peerCertificateFacts(secured: TLSSocket, trust: PeerTrust, now: number): PeerCertificateFacts {
  if (!established.has(secured) || secured.destroyed) return NO_PEER_CERTIFICATE;
  return trust.judge(sentChain(secured), now);
}

/** One more than is ever accepted, so that a longer chain is seen to be too long. */
const MAX_SENT = 9;

/** As read at the handshake: on the client side Node 20 takes the peer's certificate off OpenSSL's list when it is read. */
const chains = new WeakMap<TLSSocket, readonly Buffer[]>();

/** The certificates the peer of an established connection sent, DER, its own first. The same however often asked. */
export function sentChain(secured: TLSSocket): readonly Buffer[] {
  if (secured.destroyed) return [];
  const known = chains.get(secured);
  if (known !== undefined) return known;
  const chain: Buffer[] = [];
  let certificate = secured.getPeerX509Certificate();
  while (certificate !== undefined && chain.length < MAX_SENT) {
    chain.push(certificate.raw);
    certificate = certificate.issuerCertificate;
  }
  chains.set(secured, chain);
  return chain;
}

function serverNameOf(secured: TLSSocket): string | undefined {
  const { servername } = secured as { readonly servername?: unknown };
  return typeof servername === 'string' ? servername.toLowerCase() : undefined;
}
