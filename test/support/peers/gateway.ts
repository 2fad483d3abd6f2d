import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { App, TerraformStack } from 'cdktf';
import { FEDERATION_FILE, XmppFederation, type XmppFederationProps } from '../../../src/constructs/xmpp-federation.ts';
import type { StreamSnapshot } from '../../../src/runtime/streams/stream-services.ts';
import type { ThrowawayCertificate } from '../certificates.ts';
import { writeCertificate } from '../certificates.ts';
import type { Scope } from './cleanup.ts';
import { scratchDirectory } from './cleanup.ts';
import { SIP_PORT, SIPS_PORT } from './kamailio.ts';
import type { PeerProcess } from './process.ts';
import { startProcess } from './process.ts';
import { DIRECT_TLS_PORT, STARTTLS_PORT } from './prosody.ts';

export interface GatewayOptions {
  /** XMPP on ports 5269 and 5270, SIP on 5060 (UDP, TCP) and 5061 (TLS), health on 9269. */
  readonly address: string;
  readonly federation: XmppFederationProps;
  /** Certificates and trust anchors by the names that the federation has for them, and `sip`, which the pool sees. */
  readonly certificates: Readonly<Record<string, ThrowawayCertificate>>;
  /** File with the authorities it trusts. */
  readonly authorities: string;
  readonly resolver: { readonly address: string; readonly port: number };
}

/** A line of its log as JSON: `event`, `audit`, `reason` and so on. */
export interface LogLine {
  readonly event?: string;
  readonly audit?: boolean;
  readonly [field: string]: unknown;
}

export interface GatewayStatus {
  readonly digest: string;
  readonly configurationsRefused: number;
  readonly messagesUnderWay: number;
  readonly nextHops: readonly { readonly nextHop: string; readonly healthy: boolean; readonly reason: string }[];
  readonly streams: readonly StreamSnapshot[];
}

const ADMIN_PORT = 9269;
const WAIT_SECONDS = 10;
const CERTIFICATES = 'certificates';
const NODE = process.execPath;
const PROGRAM = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The gateway as users run it: a process of its own, on what a CDKTF app has synthesized. */
export class GatewayProcess {
  readonly address: string;
  readonly process: PeerProcess;
  readonly #directory: string;
  #syntheses = 0;

  constructor(address: string, directory: string, process: PeerProcess) {
    this.address = address;
    this.process = process;
    this.#directory = directory;
  }

  /** Everything logged so far, oldest first. */
  lines(): readonly LogLine[] {
    const lines = this.process.log().split('\n');
    return lines.filter((line) => line.startsWith('{') && line.endsWith('}')).map((line) => JSON.parse(line));
  }

  /** The first line with these fields, now or later, among those from number `since` on. @throws Error with the audit lines there are */
  async line(fields: LogLine, since = 0): Promise<LogLine> {
    return until(
      () =>
        this.lines()
          .slice(since)
          .find((line) => hasFields(line, fields)),
      () => {
        const audit = this.lines().filter((line) => line.audit === true || line.event?.startsWith('configuration'));
        return `no log line ${JSON.stringify(fields)} after ${since}; there are:\n${audit.map((line) => JSON.stringify(line)).join('\n')}`;
      },
    );
  }

  async status(): Promise<GatewayStatus> {
    const response = await fetch(`http://${this.address}:${ADMIN_PORT}/status`);
    const status: GatewayStatus = JSON.parse(await response.text());
    return status;
  }

  /** The open stream to or from a domain. @throws Error when there is none or more than one */
  async stream(direction: StreamSnapshot['direction'], remoteDomain: string): Promise<StreamSnapshot> {
    const { streams } = await this.status();
    const found = streams.filter((stream) => stream.direction === direction && isProvedFor(stream, remoteDomain));
    const [stream] = found;
    if (stream === undefined || found.length > 1) {
      throw new Error(`${found.length} ${direction} streams of ${remoteDomain} among ${JSON.stringify(streams)}`);
    }
    return stream;
  }

  /** Resolves when the status is as wanted. @throws Error with the last one */
  async statusWith(what: string, wanted: (status: GatewayStatus) => boolean): Promise<GatewayStatus> {
    let last: GatewayStatus | undefined;
    return until(
      async () => {
        last = await this.status();
        return wanted(last) ? last : undefined;
      },
      () => `the status never showed ${what}: ${JSON.stringify(last)}`,
    );
  }

  /** Synthesizes another federation, puts the file in place and waits until it is in force, by SIGHUP or by itself. */
  async reconfigure(federation: XmppFederationProps, how: 'signal' | 'file' = 'signal'): Promise<void> {
    await this.declare(federation);
    await this.#reload(how);
  }

  /** Synthesizes a federation and puts the file in place, at once and whole. */
  async declare(federation: XmppFederationProps): Promise<void> {
    this.#syntheses += 1;
    const synthesized = synthesize(join(this.#directory, `cdktf.out.${this.#syntheses}`), federation);
    await rename(synthesized, join(this.#directory, FEDERATION_FILE));
  }

  /** Something that no construct would write. */
  async writeConfiguration(text: string): Promise<void> {
    await writeFile(join(this.#directory, FEDERATION_FILE), text);
  }

  /** Replaces a certificate on disk and waits until it is in force. */
  async replaceCertificate(name: string, certificate: ThrowawayCertificate): Promise<void> {
    await writeCertificate(join(this.#directory, CERTIFICATES), name, certificate);
    await this.#reload('signal');
  }

  async #reload(how: 'signal' | 'file'): Promise<void> {
    const since = this.lines().length;
    if (how === 'signal') this.process.signal('SIGHUP');
    await this.line({ event: 'configuration-in-force' }, since);
  }
}

/** Starts the gateway; resolves when it listens. */
export async function startGateway(scope: Scope, options: GatewayOptions): Promise<GatewayProcess> {
  const { address, authorities, certificates, federation, resolver } = options;
  const directory = await scratchDirectory(scope);
  const folder = join(directory, CERTIFICATES);
  await mkdir(folder);
  for (const [name, certificate] of Object.entries(certificates)) await writeCertificate(folder, name, certificate);
  const config = join(directory, FEDERATION_FILE);
  await rename(synthesize(join(directory, 'cdktf.out'), federation), config);
  const process = startProcess(scope, {
    name: 'gateway',
    command: NODE,
    args: [
      ...['--import', 'tsx', PROGRAM, 'gateway', '--config', config, '--certificates', folder, '--ca', authorities],
      ...['--xmpp-listen', `${address}:${STARTTLS_PORT}`, '--xmpp-direct-tls-listen', `${address}:${DIRECT_TLS_PORT}`],
      ...['--sip-listen', `udp:${address}:${SIP_PORT},tcp:${address}:${SIP_PORT},tls:${address}:${SIPS_PORT}`],
      ...['--sip-certificate', 'sip', '--admin-listen', `${address}:${ADMIN_PORT}`, '--outbound-address', address],
      ...['--resolver', `${resolver.address}:${resolver.port}`, '--allow-private-addresses'],
    ],
    directory: ROOT,
  });
  await process.waitForLog(/"event":"listening"/);
  return new GatewayProcess(address, directory, process);
}

/** What `cdktf synth` does with a stack that declares this federation. Returns the path of the configuration. */
function synthesize(outdir: string, federation: XmppFederationProps): string {
  const app = new App({ outdir, stackTraces: false });
  new XmppFederation(new TerraformStack(app, 'edge'), 'Federation', federation);
  app.synth();
  return join(outdir, 'stacks', 'edge', FEDERATION_FILE);
}

function hasFields(line: LogLine, fields: LogLine): boolean {
  return Object.entries(fields).every(([name, value]) => line[name] === value);
}

function isProvedFor({ proofs }: StreamSnapshot, remoteDomain: string): boolean {
  return proofs.some((proof) => proof.remoteDomain === remoteDomain);
}

async function until<T>(attempt: () => Promise<T | undefined> | T | undefined, describe: () => string): Promise<T> {
  const deadline = performance.now() + WAIT_SECONDS * 1000;
  for (;;) {
    const found = await attempt();
    if (found !== undefined) return found;
    if (performance.now() > deadline) throw new Error(describe());
    await delay(20);
  }
}
