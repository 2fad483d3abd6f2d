import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from '../certificates.ts';
import type { Scope } from './cleanup.ts';
import { scratchDirectory } from './cleanup.ts';
import type { PeerProcess } from './process.ts';
import { startProcess } from './process.ts';

export interface KamailioOptions {
  /** The pool's SIP domain. Users who registered are reached; others get 404. */
  readonly domain: string;
  readonly address: string;
  /** Where requests of the pool's users for any other domain go. */
  readonly gateway: { readonly address: string; readonly port: number; readonly transport: 'udp' | 'tcp' | 'tls' };
  /** Opens TLS on port 5061: both sides must show a certificate of `authorities`. */
  readonly tls?: { readonly certificate: Pick<CertificateFiles, 'chain' | 'key'>; readonly authorities: string };
}

/** UDP and TCP. */
export const SIP_PORT = 5060;
export const SIPS_PORT = 5061;

export interface Kamailio {
  readonly domain: string;
  readonly address: string;
  readonly process: PeerProcess;
}

/** Starts a SIP pool: registrar and proxy of one domain. Resolves when it listens. */
export async function startKamailio(scope: Scope, options: KamailioOptions): Promise<Kamailio> {
  const directory = await scratchDirectory(scope);
  const file = join(directory, 'kamailio.cfg');
  const tlsFile = join(directory, 'tls.cfg');
  await mkdir(join(directory, 'run'));
  await writeFile(file, configuration(options, tlsFile));
  if (options.tls !== undefined) await writeFile(tlsFile, tlsConfiguration(options.tls));
  const process = startProcess(scope, {
    name: `kamailio ${options.domain}`,
    command: 'kamailio',
    args: ['-DD', '-E', '-f', file, '-Y', join(directory, 'run'), '-w', directory, '-m', '64', '-M', '8'],
    directory,
  });
  await process.waitForPort(options.address, options.tls === undefined ? SIP_PORT : SIPS_PORT);
  await process.waitForPort(options.address, SIP_PORT);
  return { domain: options.domain, address: options.address, process };
}

function configuration(options: KamailioOptions, tlsFile: string): string {
  const { address, domain, gateway, tls } = options;
  const modules = ['tm', 'sl', 'pv', 'maxfwd', 'usrloc', 'registrar', 'siputils', 'textops', 'xlog'];
  if (tls !== undefined) modules.unshift('tls');
  return `#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
disable_core_dump=yes
tcp_source_ipv4=${address}
listen=udp:${address}:${SIP_PORT}
listen=tcp:${address}:${SIP_PORT}
${tls === undefined ? 'disable_tls=yes' : `enable_tls=yes\nlisten=tls:${address}:${SIPS_PORT}`}
${modules.map((module) => `loadmodule "${module}.so"`).join('\n')}
${tls === undefined ? '' : `modparam("tls", "config", "${tlsFile}")`}
modparam("usrloc", "db_mode", 0)
# A request that went out on a connection which broke is answered when this time is over.
modparam("tm", "fr_timer", 5000)

request_route {
  xlog("L_NOTICE", "$proto $si:$sp $rm $ru from $fu\\n");
  if (!mf_process_maxfwd_header("10")) {
    sl_send_reply("483", "Too Many Hops");
    exit;
  }
  if ($rd == "${domain}" || $rd == "${address}") {
    route(OWN_DOMAIN);
  } else if ($fd == "${domain}") {
    $du = "sip:${gateway.address}:${gateway.port};transport=${gateway.transport}";
    t_relay();
  } else {
    sl_send_reply("403", "Not Ours");
  }
}

route[OWN_DOMAIN] {
  if (is_method("REGISTER")) {
    if (!save("location")) sl_reply_error();
  } else if (is_method("OPTIONS") && $rU == $null) {
    sl_send_reply("200", "OK");
  } else if (!lookup("location")) {
    sl_send_reply("404", "Not Found");
  } else {
    t_relay();
  }
}

onreply_route {
  xlog("L_NOTICE", "$proto $si:$sp answers $rs to $rm\\n");
}
`;
}

function tlsConfiguration(tls: NonNullable<KamailioOptions['tls']>): string {
  const profile = `method = TLSv1.2+
verify_certificate = yes
require_certificate = yes
private_key = ${tls.certificate.key}
certificate = ${tls.certificate.chain}
ca_list = ${tls.authorities}
`;
  return `[server:default]\n${profile}\n[client:default]\n${profile}`;
}
