/** @file A policy at work, as someone watches it: one real environment and several dreams beside it, with the actions taken. */

import type { Pixels } from "./play-screen.ts";

/** One environment's newest moment. */
export interface WatchView {
  readonly frame: Pixels;
  /** What the policy did to get here, each in [-1, 1]; empty after a reset. */
  readonly action: readonly number[];
  /** What else to tell, as in `12.3 m/s`. */
  readonly note: string;
}

/** What one step shows. */
export interface WatchStep {
  readonly real: WatchView;
  readonly dreams: readonly WatchView[];
}

/** A policy in a simulator and in dreams, stepped together. */
export interface WatchWorld {
  readonly title: string;
  readonly actionNames: readonly string[];
  /** Step of the world's clock. */
  readonly stepSeconds: number;
  /** The next moment; environments that have ended begin anew. */
  step(): Promise<WatchStep>;
  close(): Promise<void>;
}
