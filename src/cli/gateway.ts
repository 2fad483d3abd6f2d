import { Command, InvalidArgumentError, Option } from 'commander';
import { Gateway, StartError } from '../runtime/gateway.ts';
import { createLogger } from '../runtime/log.ts';
import {
  type HostSettings,
  type ListenAddress,
  LOG_LEVELS,
  type LogLevel,
  type NextHopOverride,
  parseListenAddress,
  parseNextHop,
  parseSipListenAddress,
  SettingError,
  type SipListenAddress,
} from '../runtime/settings.ts';
import { findingLine } from './federation-file.ts';
import { processTerminal } from './terminal.ts';

const ENVIRONMENT_PREFIX = 'XMPP_FEDERATION_';

interface GatewayFlags {
  readonly config: string;
  readonly xmppListen: readonly ListenAddress[];
  readonly xmppDirectTlsListen?: readonly ListenAddress[];
  readonly sipListen: readonly SipListenAddress[];
  readonly sipNextHop?: readonly NextHopOverride[];
  readonly sipHost?: string;
  readonly sipCertificate?: string;
  readonly resolver?: readonly string[];
  readonly certificates: string;
  readonly ca?: string;
  readonly secrets?: string;
  readonly adminListen: ListenAddress | 'off';
  readonly logLevel: LogLevel;
  readonly allowPrivateAddresses?: boolean;
  readonly outboundAddress?: string;
}

/** `xmpp-federation gateway`: runs until SIGTERM or SIGINT; SIGHUP reloads. */
export function gatewayCommand(): Command {
  return new Command('gateway')
    .description('run the gateway on a configuration')
    .addOption(option('--config <file>', 'federation configuration; read again when it changes').makeOptionMandatory())
    .addOption(
      option(
        '--certificates <folder>',
        '<name>.crt and <name>.key of each certificate, <name>.pem of each trust anchor',
      ).default('certificates'),
    )
    .addOption(option('--ca <file>', "PEM bundle of trusted authorities (default: Node's own)"))
    .addOption(option('--secrets <folder>', 'a file for each named secret (default: a secret made up at each start)'))
    .addOption(
      list('--xmpp-listen <address>', 'port for streams', parseListenAddress).default(
        [parseListenAddress('5269')],
        ':5269',
      ),
    )
    .addOption(
      list(
        '--xmpp-direct-tls-listen <address>',
        'port for streams with direct TLS, XEP-0368 (default: none)',
        parseListenAddress,
      ),
    )
    .addOption(
      list(
        '--sip-listen <transport:address>',
        'port for SIP: tls:5061, udp:192.0.2.1:5060',
        parseSipListenAddress,
      ).default([parseSipListenAddress('tls:5061')], 'tls:5061'),
    )
    .addOption(
      list('--sip-next-hop <transport:host:port>', 'use instead of the next hops of the configuration', parseNextHop),
    )
    .addOption(
      option(
        '--sip-host <name>',
        'host name or address of this gateway in SIP headers (default: the listening address)',
      ),
    )
    .addOption(option('--sip-certificate <name>', 'certificate shown to the pool (default: that of the first domain)'))
    .addOption(
      list('--resolver <address>', "name server, address or address:port (default: the system's)", (text) => text),
    )
    .addOption(option('--outbound-address <address>', 'local address of connections to partners'))
    .addOption(option('--allow-private-addresses', 'let DNS lead to private and loopback addresses'))
    .addOption(
      option('--admin-listen <address>', 'health, metrics and status over HTTP; off for none')
        .argParser((text) => (text === 'off' ? 'off' : parsed(text, parseListenAddress)))
        .default(parseListenAddress('127.0.0.1:9269'), '127.0.0.1:9269'),
    )
    .addOption(option('--log-level <level>', 'least level logged').choices(LOG_LEVELS).default('info'))
    .addHelpText(
      'after',
      `
Every flag can be given as an environment variable: --xmpp-listen is ${ENVIRONMENT_PREFIX}XMPP_LISTEN.
Flags that name a list may be repeated; in the environment, separate with commas.

Signals: SIGHUP reloads configuration, certificates and secrets; SIGTERM and SIGINT drain and stop.
Exit status: 0 after a stop, 1 when the gateway could not start.`,
    )
    .action(async (flags: GatewayFlags) => {
      await run(settingsOf(flags));
    });
}

function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(ENVIRONMENT_PREFIX + made.name().replaceAll('-', '_').toUpperCase());
}

function list<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return option(flags, `${description}; repeatable`).argParser((text: string, previous: unknown) => {
    const values = text.split(',').map((part) => parsed(part.trim(), parse));
    // The default is replaced by the first value given, not added to.
    const before = seen.get(flags) === true && Array.isArray(previous) ? previous : [];
    seen.set(flags, true);
    return [...before, ...values];
  });
}

const seen = new Map<string, boolean>();

function parsed<T>(text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof SettingError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function settingsOf(flags: GatewayFlags): HostSettings {
  return {
    configFile: flags.config,
    xmppListen: flags.xmppListen,
    xmppDirectTlsListen: flags.xmppDirectTlsListen ?? [],
    sipListen: flags.sipListen,
    sipNextHops: flags.sipNextHop ?? [],
    sipHost: flags.sipHost,
    sipCertificate: flags.sipCertificate,
    resolvers: flags.resolver ?? [],
    certificatesFolder: flags.certificates,
    caFile: flags.ca,
    secretsFolder: flags.secrets,
    adminListen: flags.adminListen === 'off' ? undefined : flags.adminListen,
    logLevel: flags.logLevel,
    allowPrivateAddresses: flags.allowPrivateAddresses ?? false,
    outboundAddress: flags.outboundAddress,
  };
}

async function run(settings: HostSettings): Promise<void> {
  const logger = createLogger(settings.logLevel);
  let gateway: Gateway;
  try {
    gateway = await Gateway.start({ settings, logger });
  } catch (error) {
    if (error instanceof StartError) {
      const terminal = processTerminal();
      for (const finding of error.findings) process.stderr.write(findingLine(finding, terminal));
    }
    process.stderr.write(`xmpp-federation gateway: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    return;
  }
  process.on('SIGHUP', () => void gateway.reload());
  let isStopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // A second signal means now.
      if (isStopping) process.exit(1);
      isStopping = true;
      void gateway.stop();
    });
  }
}
