/** What can go wrong between the gateway and the world. */
export type GatewayErrorCode =
  | 'aborted'
  /** The domain offers no XMPP service: no such name, target `.`, or nothing usable. */
  | 'dns-no-service'
  | 'dns-timeout'
  /** The name servers failed to answer the question. */
  | 'dns-failure'
  /** Only addresses that must not be dialled: private, loopback, link-local, our own. */
  | 'private-address'
  | 'connect-refused'
  | 'connect-timeout'
  | 'connect-failed'
  | 'tls-failure';

/** A failure of the network, DNS or TLS. Made in `net`, turned into an event or a refusal there. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: GatewayErrorCode;

  constructor(code: GatewayErrorCode, options: { readonly message?: string; readonly cause?: unknown } = {}) {
    super(options.message ?? code, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
  }
}

/** The error of an operation whose signal was aborted. */
export function abortedError(signal: AbortSignal): GatewayError {
  return new GatewayError('aborted', { cause: signal.reason });
}
