import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Scope } from './cleanup.ts';
import { scratchDirectory } from './cleanup.ts';
import { withResolver } from './private-resolver.ts';
import { startProcess } from './process.ts';
import type { PeerUser, XmppPeer, XmppPeerOptions } from './prosody.ts';
import { CLIENT_PORT, COMPONENT_PORT, DIRECT_TLS_PORT, STARTTLS_PORT } from './prosody.ts';

export interface EjabberdOptions extends XmppPeerOptions {
  /** Further arguments of the Erlang VM. */
  readonly vmArguments?: readonly string[];
}

/**
 * Starts ejabberd (without `ejabberdctl`, so that the process id is the VM's); resolves when it is up. Needs root.
 * In mode `tls-dialback` it still offers and uses EXTERNAL where certificates allow it: show it, or give it, a
 * certificate of another authority to have dialback.
 */
export async function startEjabberd(scope: Scope, options: EjabberdOptions): Promise<XmppPeer> {
  if (options.resolver.port !== 53) throw new Error('ejabberd: the resolver must be on port 53');
  const directory = await scratchDirectory(scope);
  const file = join(directory, 'ejabberd.yml');
  await mkdir(join(directory, 'mnesia'));
  await writeFile(file, configuration(options));
  const vm = await withResolver(directory, options.resolver.address, 'erl', [
    '-noinput',
    ...['+P', '250000', ...(options.vmArguments ?? [])],
    ...['-mnesia', 'dir', JSON.stringify(join(directory, 'mnesia'))],
    ...['-s', 'ejabberd'],
    ...['-eval', registration(options.domain, options.users ?? [])],
  ]);
  const process = startProcess(scope, {
    name: `ejabberd ${options.domain}`,
    ...vm,
    directory,
    env: {
      ERL_LIBS: libraryFolder(),
      EJABBERD_CONFIG_PATH: file,
      EJABBERD_LOG_PATH: join(directory, 'ejabberd.log'),
      ERL_CRASH_DUMP: join(directory, 'erl_crash.dump'),
    },
  });
  await process.waitForPort(options.address, options.mode === 'direct-tls' ? DIRECT_TLS_PORT : STARTTLS_PORT);
  await process.waitForLog(/users are registered/);
  await process.waitForPort(options.address, CLIENT_PORT);
  return { domain: options.domain, address: options.address, process };
}

function configuration(options: XmppPeerOptions): string {
  const { address, component, mode } = options;
  const isPlain = mode === 'plain-dialback';
  const isProvedByCertificate = mode === 'external' || mode === 'direct-tls';
  const lines = [
    `hosts: [${quote(options.domain)}]`,
    `loglevel: ${options.logLevel === 'warn' ? 'warning' : 'debug'}`,
    'auth_method: internal',
    `certfiles: [${quote(options.certificate.chain)}, ${quote(options.certificate.key)}]`,
    `ca_file: ${quote(options.authorities)}`,
    `s2s_cafile: ${quote(options.authorities)}`,
    `s2s_use_starttls: ${isPlain ? 'false' : 'required'}`,
    'outgoing_s2s_families: [ipv4]',
    `outgoing_s2s_ipv4_address: ${quote(address)}`,
    'listen:',
    ...listener(address, CLIENT_PORT, 'ejabberd_c2s', ['starttls: true']),
    ...(mode === 'direct-tls'
      ? listener(address, DIRECT_TLS_PORT, 'ejabberd_s2s_in', ['tls: true'])
      : listener(address, STARTTLS_PORT, 'ejabberd_s2s_in')),
  ];
  if (component !== undefined) {
    lines.push(
      ...listener(address, COMPONENT_PORT, 'ejabberd_service', ['access: all', 'shaper_rule: none', 'hosts:']),
    );
    lines.push(`      ${quote(component.domain)}: { password: ${quote(component.secret)} }`);
  }
  lines.push('modules:', '  mod_disco: {}', '  mod_ping: {}', '  mod_roster: {}');
  if (!isProvedByCertificate) lines.push('  mod_s2s_dialback: {}');
  return `${lines.join('\n')}\n`;
}

function listener(address: string, port: number, module: string, more: readonly string[] = []): string[] {
  const [first, ...others] = [`port: ${port}`, `ip: ${quote(address)}`, `module: ${module}`, ...more];
  return [`  - ${first}`, ...others.map((line) => `    ${line}`)];
}

function registration(domain: string, users: readonly PeerUser[]): string {
  const calls = users.map(
    ({ localpart, password }) =>
      `ok = ejabberd_auth:try_register(${binary(localpart)},${binary(domain)},${binary(password)})`,
  );
  return [...calls, 'io:format("users are registered~n")'].join(', ').concat('.');
}

function binary(text: string): string {
  return `<<${JSON.stringify(text)}>>`;
}

/** Debian keeps ejabberd below the architecture's library folder. */
function libraryFolder(): string {
  const folders = readdirSync('/usr/lib').map((name) => join('/usr/lib', name));
  const candidates = folders.filter((folder) => folder.endsWith('-linux-gnu'));
  const found = candidates.find((folder) => readdirSync(folder).some((name) => name.startsWith('ejabberd-')));
  if (found === undefined) throw new Error(`no ejabberd-* in ${candidates.join(', ')}`);
  return found;
}

function quote(text: string): string {
  return JSON.stringify(text); // YAML reads JSON strings
}
