/** @file Keeping a fixed rate: deadlines on a grid, so that lateness does not add up. */

/** Time as a loop sees it; a fake one in tests. */
export interface PacingClock {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Resolves at `atMs` or soon after, or when `signal` aborts. */
  sleepUntil(atMs: number, signal?: AbortSignal): Promise<void>;
}

/** The process's monotonic clock. */
export const systemPacing: PacingClock = {
  now: () => performance.now(),
  sleepUntil(atMs, signal) {
    const waitMs = atMs - performance.now();
    if (waitMs <= 0 || signal?.aborted === true) return Promise.resolve();
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", wake);
        resolve();
      };
      const timer = setTimeout(wake, Math.ceil(waitMs));
      signal?.addEventListener("abort", wake);
    });
  },
};

/** A grid of deadlines. */
export class Pacer {
  private readonly clock: PacingClock;
  private readonly periodMs: number;
  private dueMs: number | undefined;

  /** @param rateHz steps per second; 0 paces nothing */
  constructor(rateHz: number, clock: PacingClock) {
    this.clock = clock;
    this.periodMs = rateHz > 0 ? 1000 / rateHz : 0;
  }

  /** Wait for the next deadline; returns by how many milliseconds it had already been missed. Missed ones are skipped. */
  async next(signal?: AbortSignal): Promise<number> {
    if (this.periodMs === 0) return 0;
    const nowMs = this.clock.now();
    const dueMs = this.dueMs ?? nowMs;
    const lateMs = Math.max(0, nowMs - dueMs);
    const skipped = Math.floor(lateMs / this.periodMs);
    this.dueMs = dueMs + (skipped + 1) * this.periodMs;
    await this.clock.sleepUntil(dueMs, signal);
    return lateMs;
  }

  /** Begin a new grid now. */
  restart(): void {
    this.dueMs = undefined;
  }
}
