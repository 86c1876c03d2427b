/** @file The policy contract: batched observations in, batched actions out. */

import type { NdArray } from "../core/ndarray.ts";
import type { ObservationBatch } from "../env/env.ts";
import type { Rng } from "../core/rng.ts";

/** Options of one decision. */
export interface ActOptions {
  /** The mean action instead of a sample. */
  readonly deterministic?: boolean;
  /** Needed unless deterministic. */
  readonly rng?: Rng;
  /** bool [N]: rows whose actions will be taken, all unless given; what costs time may leave the others at zero. */
  readonly running?: NdArray<"bool">;
}

/** A decision for N rows. */
export interface Decision {
  /** float32 [N, A] in [-1, 1] */
  readonly actions: NdArray<"float32">;
  /** float32 [N]: log density of the sampled actions, where the policy has one. */
  readonly logProbabilities?: NdArray<"float32">;
  /** float32 [N]: value estimates, where the policy has a critic. */
  readonly values?: NdArray<"float32">;
}

/** Anything that acts. Stateful policies (planners with a warm start) are told which rows begin a new episode. */
export interface Policy<O = ObservationBatch> {
  /** @param observations batch of the env's observations @param begins bool [N], rows whose episode begins now */
  act(observations: O, begins: NdArray<"bool">, options?: ActOptions): Promise<Decision>;
}
