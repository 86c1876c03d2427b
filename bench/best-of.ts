/** @file The best of a few runs in processor time: what other programs on the machine disturb least. */

/** Microseconds of processor time per item of a run of `count` items, the best of `repeats` runs. */
export function bestOf(run: () => void, { count, repeats = 5 }: { count: number; repeats?: number }): number {
  let best = Infinity;
  for (let i = 0; i < repeats; i++) {
    const from = process.cpuUsage();
    run();
    const spent = process.cpuUsage(from);
    best = Math.min(best, (spent.user + spent.system) / count);
  }
  return best;
}
