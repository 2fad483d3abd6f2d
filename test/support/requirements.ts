import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * What a system test needs from the machine. Pass the answer to `node:test`:
 *
 *     test('Prosody reaches us', { skip: missing('prosody', 'kamailio') }, ...)
 *
 * With `REQUIRE_SYSTEM_TESTS=1` (continuous integration) nothing may be skipped: it throws instead.
 */
export function missing(...programs: string[]): string | false {
  const absent = programs.filter((program) => !isPresent(program));
  if (absent.length === 0) return false;
  const message = `needs ${absent.map((program) => `${program} (${remedy(program)})`).join(', ')}`;
  if (process.env.REQUIRE_SYSTEM_TESTS === '1') throw new Error(`REQUIRE_SYSTEM_TESTS=1: ${message}`);
  return message;
}

/** Path of a program, also of one in an administrator's folder that is not on an ordinary user's PATH. */
export function programPath(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

/**
 * Folder of a Terraform filesystem mirror that holds hashicorp/aws, for tests that must not use the network:
 * `TF_PLUGIN_MIRROR`, else what the Terraform CLI configuration names, else the places where mirrors usually lie.
 */
export function pluginMirror(): string | undefined {
  const candidates = [process.env.TF_PLUGIN_MIRROR ?? '', ...configuredMirrors(), ...usualMirrors()];
  return candidates.find((folder) => folder !== '' && existsSync(join(folder, AWS_PROVIDER)));
}

const AWS_PROVIDER = 'registry.terraform.io/hashicorp/aws';

/** Things a test may ask for that are not one program on the PATH. */
const SPECIAL: Record<string, () => boolean> = {
  'terraform-aws': () => pluginMirror() !== undefined,
  'kamailio-tls': () => libraryFolders().some((folder) => existsSync(join(folder, 'kamailio/modules/tls.so'))),
  'lua-unbound': () => libraryFolders().some((folder) => existsSync(join(folder, 'lua/5.4/lunbound.so'))),
  'port-53': () => process.getuid?.() === 0 || Number(readFileSync(UNPRIVILEGED_PORTS, 'utf8')) <= 53,
  'private-mounts': () => spawnSync('unshare', ['--mount', '--propagation', 'private', 'true']).status === 0,
};

const UNPRIVILEGED_PORTS = '/proc/sys/net/ipv4/ip_unprivileged_port_start';

const REMEDIES: Record<string, string> = {
  prosody: 'apt-get install prosody lua-unbound',
  'lua-unbound': 'apt-get install lua-unbound',
  ejabberdctl: 'apt-get install ejabberd',
  kamailio: 'apt-get install kamailio',
  'kamailio-tls': 'apt-get install kamailio-tls-modules',
  dnsmasq: 'apt-get install dnsmasq-base',
  sipp: 'apt-get install sip-tester',
  openssl: 'apt-get install openssl',
  'port-53': 'run as root',
  'private-mounts': 'run as root, in a container with CAP_SYS_ADMIN',
  ip: 'apt-get install iproute2',
  terraform: 'install Terraform 1.11 or later',
  'terraform-aws': 'run `terraform providers mirror FOLDER` and set TF_PLUGIN_MIRROR=FOLDER',
};

function remedy(program: string): string {
  return REMEDIES[program] ?? `put ${program} on the PATH`;
}

function isPresent(program: string): boolean {
  return SPECIAL[program]?.() ?? programPath(program) !== undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function libraryFolders(): string[] {
  return ['/usr/lib', ...subfolders('/usr/lib').filter((folder) => folder.endsWith('-linux-gnu'))];
}

function configuredMirrors(): string[] {
  const files = [process.env.TF_CLI_CONFIG_FILE ?? '', join(homedir(), '.terraformrc')];
  const file = files.find((path) => path !== '' && existsSync(path));
  if (file === undefined) return [];
  const blocks = readFileSync(file, 'utf8').matchAll(/filesystem_mirror\s*\{[^}]*?path\s*=\s*"([^"]+)"/g);
  return Array.from(blocks, (block) => block[1] ?? '');
}

function usualMirrors(): string[] {
  const shares = ['/usr/local/share', '/usr/share', join(homedir(), '.local/share')];
  return [
    join(homedir(), '.terraform.d/plugins'),
    ...shares.map((share) => join(share, 'terraform/plugins')),
    ...subfolders('/opt'),
  ];
}

function subfolders(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(folder, entry.name));
}
