const BLOCKS = 254 * 256;

/** `127.x.y` of a process: test files run in processes of their own, so each has a /24 to itself. */
export function loopbackBlock(pid: number): string {
  const slot = pid % BLOCKS;
  return `127.${1 + Math.floor(slot / 256)}.${slot % 256}`;
}

let last = 0;

/** A loopback address nobody else has: every host can use the well-known ports. @throws Error after 254 */
export function nextAddress(): string {
  last += 1;
  if (last > 254) throw new Error('no loopback address left: 254 hosts were started by this process');
  return `${loopbackBlock(process.pid)}.${last}`;
}
