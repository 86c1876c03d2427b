/** @file The bounds of the queue that test actors and their learner share. */

/** Twelve trajectories at most, and what a silent learner holds comes back after a second. */
export const queueOptions = { capacity: 12, leaseSeconds: 1, maxHeld: 12 } as const;
