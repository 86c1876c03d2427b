/** @file How long to wait before the next attempt to connect. */

/** Bounds of the wait. */
export interface BackoffOptions {
  /** Default 250. */
  readonly firstMs?: number;
  /** Default 10000. */
  readonly lastMs?: number;
}

/**
 * Wait before attempt `attempt` (0 is the first): doubling from `firstMs` to `lastMs`, times a factor in [0.5, 1] taken
 * from `random` in [0, 1), so that robots which lost the same server do not come back in step.
 */
export function backoffMs(attempt: number, random: number, options: BackoffOptions = {}): number {
  const { firstMs = 250, lastMs = 10_000 } = options;
  return Math.min(lastMs, firstMs * 2 ** Math.min(attempt, 30)) * (0.5 + random / 2);
}
