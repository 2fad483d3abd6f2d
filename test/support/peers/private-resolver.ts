import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The command line that runs a program with a `resolv.conf` of its own. For programs that use glibc's resolver, which
 * knows neither another file nor another port than 53. The shell only mounts and makes way for the program, which
 * keeps the process id. Needs root.
 */
export async function withResolver(
  directory: string,
  address: string,
  command: string,
  args: readonly string[],
): Promise<{ readonly command: string; readonly args: readonly string[] }> {
  const file = join(directory, 'resolv.conf');
  await writeFile(file, `nameserver ${address}\noptions timeout:1 attempts:1\n`);
  const mountAndRun = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
  return {
    command: 'unshare',
    args: ['--mount', '--propagation', 'private', 'sh', '-c', mountAndRun, 'sh', file, command, ...args],
  };
}
