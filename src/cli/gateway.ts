import { Command, InvalidArgumentError, Option } from 'commander';
import { Gateway, StartError } from '../runtime/gateway.ts';
import { createLogger } from '../runtime/log.ts';
import {
  DEFAULT_SETTINGS,
  formatListenAddress,
  type HostSettings,
  type ListenAddress,
  LOG_LEVELS,
  type LogLevel,
  type NextHopOverride,
  parseAddress,
  parseHost,
  parseListenAddress,
  parseNextHop,
  parseResolver,
  parseSeconds,
  parseSipListenAddress,
  parseSwitch,
  type ResolverAddress,
  SettingError,
  type SipListenAddress,
} from '../runtime/settings.ts';
import { findingLine } from './federation-file.ts';
import { processTerminal } from './terminal.ts';

const ENVIRONMENT_PREFIX = 'XMPP_FEDERATION_';

/** What commander makes of the flags. What is not given is not there: defaults are those of {@link DEFAULT_SETTINGS}. */
interface GatewayFlags {
  readonly config: string;
  readonly certificates?: string;
  readonly ca?: string;
  readonly secrets?: string;
  readonly xmppListen?: readonly ListenAddress[];
  readonly xmppDirectTlsListen?: readonly ListenAddress[];
  readonly sipListen?: readonly SipListenAddress[];
  readonly sipNextHop?: readonly NextHopOverride[];
  readonly sipHost?: string;
  readonly sipCertificate?: string;
  readonly resolver?: readonly ResolverAddress[];
  readonly outboundAddress?: string;
  readonly allowPrivateAddresses?: boolean;
  readonly adminListen?: ListenAddress | 'off';
  readonly drainTimeout?: number;
  readonly logLevel?: LogLevel;
}

const DEFAULTS = {
  certificates: DEFAULT_SETTINGS.certificatesFolder,
  xmppListen: DEFAULT_SETTINGS.xmppListen.map(formatListenAddress).join(),
  sipListen: DEFAULT_SETTINGS.sipListen.map((listen) => `${listen.transport}:${formatListenAddress(listen)}`).join(),
  adminListen: DEFAULT_SETTINGS.adminListen === undefined ? 'off' : formatListenAddress(DEFAULT_SETTINGS.adminListen),
  drainTimeout: DEFAULT_SETTINGS.drainTimeout,
  logLevel: DEFAULT_SETTINGS.logLevel,
};

/** `xmpp-federation gateway`: runs until SIGTERM or SIGINT; SIGHUP reloads. */
export function gatewayCommand(run: (settings: HostSettings) => Promise<void> = runGateway): Command {
  return new Command('gateway')
    .description('run the gateway on a configuration')
    .addOption(option('--config <file>', 'federation configuration; read again when it changes').makeOptionMandatory())
    .addOption(
      option(
        '--certificates <folder>',
        `<name>.crt and <name>.key of each certificate, <name>.pem of each trust anchor (default: ${DEFAULTS.certificates})`,
      ),
    )
    .addOption(option('--ca <file>', "PEM bundle of trusted authorities (default: Node's own)"))
    .addOption(option('--secrets <folder>', 'a file for each named secret (default: a secret made up at each start)'))
    .addOption(
      list('--xmpp-listen <address>', `port for streams (default: ${DEFAULTS.xmppListen})`, parseListenAddress),
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
        `port for the pool, at the inside address of this host (default: ${DEFAULTS.sipListen})`,
        parseSipListenAddress,
      ),
    )
    .addOption(
      list('--sip-next-hop <transport:host:port>', 'use instead of the next hops of the configuration', parseNextHop),
    )
    .addOption(
      option(
        '--sip-host <name>',
        'host name or address of this gateway in SIP headers (default: the listening address)',
      ).argParser((text) => parsed(text, parseHost)),
    )
    .addOption(option('--sip-certificate <name>', 'certificate shown to the pool (default: that of the first domain)'))
    .addOption(
      list('--resolver <address>', "name server, address or address:port (default: the system's)", parseResolver),
    )
    .addOption(
      option(
        '--outbound-address <address>',
        'local address of connections to partners (default: the system chooses)',
      ).argParser((text) => parsed(text, parseAddress)),
    )
    .addOption(
      option('--allow-private-addresses [yes|no]', 'let DNS lead to private and loopback addresses (default: no)')
        .preset('yes')
        .argParser((text) => parsed(text, parseSwitch)),
    )
    .addOption(
      option(
        '--admin-listen <address>',
        `health, metrics and status over HTTP; off for none (default: ${DEFAULTS.adminListen})`,
      ).argParser((text) => (text === 'off' ? 'off' : parsed(text, parseListenAddress))),
    )
    .addOption(
      option(
        '--drain-timeout <seconds>',
        `time for messages under way to reach their end at a stop (default: ${DEFAULTS.drainTimeout})`,
      ).argParser((text) => parsed(text, parseSeconds)),
    )
    .addOption(option('--log-level <level>', `least level logged (default: ${DEFAULTS.logLevel})`).choices(LOG_LEVELS))
    .addHelpText(
      'after',
      `
Every flag can be given as an environment variable: --xmpp-listen is ${ENVIRONMENT_PREFIX}XMPP_LISTEN.
A flag that may be repeated is a list; in the environment, separate with commas. A flag beats its variable.

Signals: SIGHUP reloads configuration, certificates and secrets; SIGTERM and SIGINT drain and stop.
Exit status: 0 after a stop, 1 when the gateway could not start.`,
    )
    .action((flags: GatewayFlags) => run(settingsOf(flags)));
}

function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  return made.env(ENVIRONMENT_PREFIX + made.name().replaceAll('-', '_').toUpperCase());
}

/** A flag that may be repeated, with one value or several between commas. */
function list<T>(flags: string, description: string, parse: (text: string) => T): Option {
  return option(flags, `${description}; repeatable`).argParser((text: string, before: readonly T[] | undefined) => [
    ...(before ?? []),
    ...text.split(',').map((part) => parsed(part.trim(), parse)),
  ]);
}

function parsed<T>(text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (error instanceof SettingError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

function settingsOf(flags: GatewayFlags): HostSettings {
  const { adminListen = DEFAULT_SETTINGS.adminListen } = flags;
  return {
    configFile: flags.config,
    certificatesFolder: flags.certificates ?? DEFAULT_SETTINGS.certificatesFolder,
    caFile: flags.ca,
    secretsFolder: flags.secrets,
    xmppListen: flags.xmppListen ?? DEFAULT_SETTINGS.xmppListen,
    xmppDirectTlsListen: flags.xmppDirectTlsListen ?? DEFAULT_SETTINGS.xmppDirectTlsListen,
    sipListen: flags.sipListen ?? DEFAULT_SETTINGS.sipListen,
    sipNextHops: flags.sipNextHop ?? DEFAULT_SETTINGS.sipNextHops,
    sipHost: flags.sipHost,
    sipCertificate: flags.sipCertificate,
    resolvers: flags.resolver ?? DEFAULT_SETTINGS.resolvers,
    outboundAddress: flags.outboundAddress,
    allowPrivateAddresses: flags.allowPrivateAddresses ?? DEFAULT_SETTINGS.allowPrivateAddresses,
    adminListen: adminListen === 'off' ? undefined : adminListen,
    drainTimeout: flags.drainTimeout ?? DEFAULT_SETTINGS.drainTimeout,
    logLevel: flags.logLevel ?? DEFAULT_SETTINGS.logLevel,
  };
}

/** Starts the gateway and leaves the signals to it. Resolves when it runs, or when it cannot. */
async function runGateway(settings: HostSettings): Promise<void> {
  const logger = createLogger(settings.logLevel);
  process.on('uncaughtExceptionMonitor', (error) => logger.fatal({ event: 'crashed', detail: error.stack }, 'crashed'));
  let gateway: Gateway | undefined;
  // From the start: whoever sends it means a reload, not the end.
  process.on('SIGHUP', () => void gateway?.reload());
  try {
    gateway = await Gateway.start({ settings, logger });
  } catch (error) {
    const terminal = processTerminal();
    if (error instanceof StartError) {
      for (const finding of error.findings) terminal.stderr.write(findingLine(finding, terminal));
    }
    terminal.stderr.write(`xmpp-federation gateway: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
    return;
  }
  stopOnSignal(gateway);
}

function stopOnSignal(gateway: Gateway): void {
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
