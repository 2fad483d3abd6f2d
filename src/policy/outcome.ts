import type { XmppAllowedPartner } from '../config/index.ts';
import { type AuthMethod, isMethodAllowed } from './stream-policy.ts';

/** One end of a stream: how it treats the other, and what it shows. */
export interface StreamSide {
  readonly partner: XmppAllowedPartner;
  /** Its own certificate, as the other end sees it. */
  readonly certificate: 'valid' | 'invalid' | 'missing';
  /** It ends a connection whose certificate is not valid, instead of falling back to dialback. */
  readonly strictCertificates: boolean;
}

/**
 * How a stream between two ends comes out: the method that proves the domain, or `none`.
 *
 * With `directTls` there is no way round TLS: no plain stream when it is refused or the receiver has no certificate.
 */
export function streamOutcome(
  initiator: StreamSide,
  receiver: StreamSide,
  options: { readonly directTls?: boolean } = {},
): AuthMethod | 'none' {
  const both = (method: AuthMethod): AuthMethod | 'none' =>
    isMethodAllowed(initiator.partner, method) && isMethodAllowed(receiver.partner, method) ? method : 'none';
  const withoutTls = options.directTls === true ? 'none' : both('tcp-dialback');

  const initiatorTls = initiator.partner.tlsNegotiation;
  const receiverTls = receiver.partner.tlsNegotiation;
  if (initiatorTls === 'NotSupported' || receiverTls === 'NotSupported') return withoutTls;
  if (receiver.certificate === 'missing') return withoutTls;
  if (receiver.certificate === 'invalid') return initiator.strictCertificates ? 'none' : both('tls-dialback');
  if (initiator.certificate === 'missing') return both('tls-dialback');
  if (initiator.certificate === 'invalid') return receiver.strictCertificates ? 'none' : both('tls-dialback');
  const sasl = both('sasl-over-tls');
  return sasl === 'none' ? both('tls-dialback') : sasl;
}
