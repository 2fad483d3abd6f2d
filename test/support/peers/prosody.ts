import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from '../certificates.ts';
import type { Scope } from './cleanup.ts';
import { scratchDirectory } from './cleanup.ts';
import type { PeerProcess } from './process.ts';
import { runToEnd, startProcess } from './process.ts';

/**
 * What the server does on server-to-server streams, as initiating and as receiving entity:
 * - `external`: TLS and SASL EXTERNAL required, no dialback
 * - `external-or-dialback`: TLS required, EXTERNAL where both certificates allow it, else dialback: how most servers are
 * - `tls-dialback`: TLS required, any certificate, the domain proved by dialback
 * - `plain-dialback`: no TLS
 * - `direct-tls`: as `external`, but it accepts direct TLS only, on port 5270, and tries direct TLS first
 */
export type StreamMode = 'external' | 'external-or-dialback' | 'tls-dialback' | 'plain-dialback' | 'direct-tls';

export interface PeerUser {
  readonly localpart: string;
  readonly password: string;
}

export interface XmppPeerOptions {
  readonly domain: string;
  readonly address: string;
  readonly mode: StreamMode;
  readonly certificate: Pick<CertificateFiles, 'chain' | 'key'>;
  /** File with the authorities it trusts. */
  readonly authorities: string;
  readonly resolver: { readonly address: string; readonly port: number };
  readonly users?: readonly PeerUser[];
  /** An external component (XEP-0114) on port 5347. */
  readonly component?: { readonly domain: string; readonly secret: string };
  /** @default 'debug' */
  readonly logLevel?: 'debug' | 'warn';
}

export const STARTTLS_PORT = 5269;
export const DIRECT_TLS_PORT = 5270;
export const CLIENT_PORT = 5222;
export const COMPONENT_PORT = 5347;

const DIALBACK_ONLY = 'dialback_only';

/** Another domain on the same server, with a certificate of its own and the same users. */
export interface VirtualHost {
  readonly domain: string;
  readonly certificate: XmppPeerOptions['certificate'];
}

export interface ProsodyOptions extends XmppPeerOptions {
  readonly virtualHosts?: readonly VirtualHost[];
}

/** As initiating entity Prosody takes EXTERNAL whenever it is offered; this hides the offer from it. */
const DIALBACK_ONLY_SOURCE = `
module:hook("stanza/http://etherx.jabber.org/streams:features", function (event)
  if event.origin.type ~= "s2sout_unauthed" then return end
  event.stanza:maptags(function (tag)
    if tag.attr.xmlns ~= "urn:ietf:params:xml:ns:xmpp-sasl" then return tag end
  end)
end, 1000)
`;

/** An XMPP server under test control. */
export interface XmppPeer {
  readonly domain: string;
  readonly address: string;
  readonly process: PeerProcess;
}

export interface Prosody extends XmppPeer {
  /** Runs a line of the administration shell, for example `s2s:show()`, and returns what it prints. */
  shell(line: string): Promise<string>;
}

/** Starts Prosody; resolves when it accepts streams. Needs `prosody` and `lua-unbound`. */
export async function startProsody(scope: Scope, options: ProsodyOptions): Promise<Prosody> {
  const directory = await scratchDirectory(scope);
  const file = join(directory, 'prosody.cfg.lua');
  await writeFile(file, configuration(options, directory));
  for (const { domain } of [options, ...(options.virtualHosts ?? [])]) {
    await writeUsers(directory, domain, options.users ?? []);
  }
  await writeFile(join(directory, `mod_${DIALBACK_ONLY}.lua`), DIALBACK_ONLY_SOURCE);
  const process = startProcess(scope, {
    name: `prosody ${options.domain}`,
    command: 'prosody',
    args: ['--config', file, '-F'],
    directory,
  });
  const port = options.mode === 'direct-tls' ? DIRECT_TLS_PORT : STARTTLS_PORT;
  await process.waitForPort(options.address, port);
  await process.waitForPort(options.address, CLIENT_PORT);
  const shell = (line: string): Promise<string> =>
    runToEnd({ name: 'prosodyctl', command: 'prosodyctl', args: ['--config', file, 'shell', line], directory });
  return { domain: options.domain, address: options.address, process, shell };
}

function configuration(options: ProsodyOptions, directory: string): string {
  const { address, domain, mode, resolver, component } = options;
  const isPlain = mode === 'plain-dialback';
  const needsCertificates = mode === 'external' || mode === 'direct-tls';
  const usesCertificates = needsCertificates || mode === 'external-or-dialback';
  const modules = ['roster', 'saslauth', 'disco', 'ping', 'admin_shell', 's2s', 'c2s', 'presence', 'message', 'iq'];
  if (!isPlain) modules.push('tls');
  modules.push(usesCertificates ? 's2s_auth_certs' : DIALBACK_ONLY);
  if (!needsCertificates) modules.push('dialback');
  const lines = [
    'run_as_root = true',
    `data_path = ${quote(directory)}`,
    `plugin_paths = { ${quote(directory)} }`,
    `pidfile = ${quote(join(directory, 'prosody.pid'))}`,
    `admin_socket = ${quote(join(directory, 'prosody.sock'))}`,
    `certificates = ${quote(directory)}`,
    `log = { { levels = { min = ${quote(options.logLevel ?? 'debug')} }, to = "console" } }`,
    `interfaces = { ${quote(address)} }`,
    `local_interfaces = { ${quote(address)} }`,
    `c2s_ports = { ${CLIENT_PORT} }`,
    `s2s_ports = { ${mode === 'direct-tls' ? '' : STARTTLS_PORT} }`,
    `s2s_direct_tls_ports = { ${mode === 'direct-tls' ? DIRECT_TLS_PORT : ''} }`,
    'c2s_require_encryption = false',
    'allow_unencrypted_plain_auth = true',
    'authentication = "internal_plain"',
    `s2s_require_encryption = ${!isPlain}`,
    `s2s_allow_encryption = ${!isPlain}`,
    `s2s_secure_auth = ${needsCertificates}`,
    // libunbound would not ask a server on loopback, and knows that `test.` does not exist.
    `unbound = { resolvconf = false; hoststxt = false; forward = ${quote(`${resolver.address}@${resolver.port}`)};`,
    '  options = { ["do-not-query-localhost:"] = "no"; ["local-zone:"] = "test. transparent" } }',
    `modules_enabled = { ${modules.map(quote).join('; ')} }`,
    // Left out of the list above, mod_s2s_auth_certs would still be loaded.
    `modules_disabled = { ${usesCertificates ? '' : '"s2s_auth_certs"'} }`,
    ...tlsLines(options, options),
    `VirtualHost ${quote(domain)}`,
    ...(options.virtualHosts ?? []).flatMap((host) => [
      `VirtualHost ${quote(host.domain)}`,
      ...tlsLines(host, options),
    ]),
  ];
  if (component !== undefined) {
    lines.splice(1, 0, `component_ports = { ${COMPONENT_PORT} }`, `component_interfaces = { ${quote(address)} }`);
    lines.push(`Component ${quote(component.domain)}`, `  component_secret = ${quote(component.secret)}`);
  }
  return `${lines.join('\n')}\n`;
}

function tlsLines({ certificate }: Pick<VirtualHost, 'certificate'>, { authorities }: ProsodyOptions): string[] {
  return [
    `ssl = { key = ${quote(certificate.key)}; certificate = ${quote(certificate.chain)};`,
    `  cafile = ${quote(authorities)} }`,
  ];
}

/** Accounts as `mod_storage_internal` keeps them: one file each, far quicker than `prosodyctl register`. */
async function writeUsers(directory: string, domain: string, users: readonly PeerUser[]): Promise<void> {
  const folder = join(directory, fileName(domain), 'accounts');
  await mkdir(folder, { recursive: true });
  await Promise.all(
    users.map((user) =>
      writeFile(join(folder, `${fileName(user.localpart)}.dat`), `return { ["password"] = ${quote(user.password)}; };`),
    ),
  );
}

function fileName(text: string): string {
  return text.replace(/[^A-Za-z0-9]/g, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
