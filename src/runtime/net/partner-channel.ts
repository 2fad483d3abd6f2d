import type { Socket } from 'node:net';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { FederationIndex, PartnerEntry } from '../../policy/index.ts';
import type { CertificateVerdict } from '../xmpp/session.ts';
import { dial } from './dial.ts';
import type { Resolver } from './dns-resolver.ts';
import type { TlsGeneration } from './tls-files.ts';
import { secureClient, secureServer, XMPP_SERVER_ALPN } from './tls-secure.ts';
import { lookUpXmppService } from './xmpp-service.ts';

/** The configuration and the certificates in force together. */
export interface TrustInForce {
  readonly index: FederationIndex;
  readonly tls: TlsGeneration;
}

const ALPN = [XMPP_SERVER_ALPN];

/** Secures an accepted socket: as the domain the stream header named, or by server name for direct TLS (XEP-0368). */
export function secureFromPartner(
  socket: Socket,
  localDomain: string | undefined,
  { index, tls }: TrustInForce,
): TLSSocket {
  const contextOf = (domain: string | undefined): SecureContext | undefined => {
    const served = domain === undefined ? undefined : index.servedDomain(domain);
    return served === undefined ? undefined : tls.context(served.certificate);
  };
  const fallback = tls.context(index.config.domains[0]?.certificate ?? '');
  const context = contextOf(localDomain) ?? fallback;
  return localDomain === undefined
    ? secureServer(socket, { context, contextFor: contextOf, alpnProtocols: ALPN, afterStartTls: false })
    : secureServer(socket, { context, afterStartTls: true });
}

/** Secures a socket we opened. */
export function secureToPartner(
  socket: Socket,
  localDomain: string,
  remoteDomain: string,
  isDirect: boolean,
  { index, tls }: TrustInForce,
): TLSSocket {
  const context = tls.context(index.servedDomain(localDomain)?.certificate ?? '');
  const alpn = isDirect ? { alpnProtocols: ALPN } : {};
  return secureClient(socket, { context, serverName: remoteDomain, ...alpn, afterStartTls: !isDirect });
}

/**
 * What the certificates a peer sent say for one domain, by the trust anchors of the partner that has the domain.
 *
 * @param chain DER, the peer's own first
 * @param now milliseconds since 1970
 */
export function judgePartner(
  chain: readonly Buffer[],
  remoteDomain: string,
  { index, tls }: TrustInForce,
  now: number,
): CertificateVerdict {
  const anchors = index.partnerOf(remoteDomain)?.partner.trustAnchors ?? [];
  const facts = tls.trustFor(anchors).judge(chain, now);
  if (facts.proves(remoteDomain)) return { proves: true, detail: '', refusal: 'certificate-not-valid' };
  if (!facts.valid)
    return { proves: false, detail: `certificate: ${facts.reason ?? 'not valid'}`, refusal: 'certificate-not-valid' };
  const names = facts.names.join(', ') || 'no name that counts';
  return {
    proves: false,
    detail: `certificate is for ${names}, not for ${remoteDomain}`,
    refusal: 'certificate-name-mismatch',
  };
}

export interface ConnectOptions {
  readonly resolver: Resolver;
  readonly allowPrivateAddresses: boolean;
  readonly outboundAddress: string | undefined;
  readonly timeoutMs: number;
  readonly isOwn: (address: string, port: number) => boolean;
  readonly signal: AbortSignal;
}

/** Finds a server of a partner's domain and connects to it: the one way streams to partners start. */
export async function connectToPartner(
  remoteDomain: string,
  { partner }: PartnerEntry,
  options: ConnectOptions,
): Promise<{ readonly socket: Socket; readonly isDirectTls: boolean }> {
  const { resolver, allowPrivateAddresses, outboundAddress: localAddress, timeoutMs, isOwn, signal } = options;
  const { proxyFqdn: fqdn, proxyPort: port, proxyDirectTls } = partner;
  const targets = await lookUpXmppService(remoteDomain, resolver, {
    override: fqdn === undefined ? undefined : { fqdn, port, directTls: proxyDirectTls },
    allowPrivateAddresses,
    directTls: partner.tlsNegotiation === 'NotSupported' ? 'never' : 'mixed',
    signal,
  });
  const { socket, target } = await dial({ targets, resolver, timeoutMs, signal, isOwn, localAddress });
  return { socket, isDirectTls: target.directTls };
}
