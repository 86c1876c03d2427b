/** @file How long to wait before the next attempt to connect: doubling, bounded, and jittered so that robots do not march in step. */

/** Waiting times of one connection. */
export interface Backoff {
  /** Milliseconds to wait now; the next is up to twice as long. */
  next(): number;
  /** The connection is good: start again from the first. */
  reset(): void;
}

/** Full-jitter exponential backoff. `random` gives numbers in [0, 1). */
export function makeBackoff(
  { firstMs, mostMs }: { readonly firstMs: number; readonly mostMs: number },
  random: () => number = Math.random,
): Backoff {
  let ceilingMs = firstMs;
  return {
    next() {
      const waitMs = ceilingMs * (0.5 + 0.5 * random());
      ceilingMs = Math.min(mostMs, ceilingMs * 2);
      return waitMs;
    },
    reset() {
      ceilingMs = firstMs;
    },
  };
}
