/**
 * Puts SRV records into the order in which they are tried (RFC 2782): by priority, and within one priority at random
 * in proportion to the weights; a weight of 0 has a very small chance of coming first.
 *
 * @param random a whole number from 0 to its argument, both included
 */
export function orderSrv<T extends { readonly priority: number; readonly weight: number }>(
  records: readonly T[],
  random: (max: number) => number,
): T[] {
  const ordered: T[] = [];
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((one, other) => one - other);
  for (const priority of priorities) {
    // The weightless stand first, or a draw of 0 could never reach them.
    const left = records
      .filter((record) => record.priority === priority)
      .sort((one, other) => Number(one.weight > 0) - Number(other.weight > 0));
    while (left.length > 0) {
      const draw = random(left.reduce((sum, { weight }) => sum + weight, 0));
      let sum = 0;
      const index = left.findIndex(({ weight }) => {
        sum += weight;
        return sum >= draw;
      });
      ordered.push(...left.splice(Math.max(index, 0), 1));
    }
  }
  return ordered;
}
