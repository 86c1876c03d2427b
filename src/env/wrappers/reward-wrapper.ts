/** @file The base of wrappers that change rewards. */

import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import type { StepBatch } from "../env.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Base of wrappers that map the rewards of the stepped rows; the others stay 0. */
export abstract class RewardTransform extends VectorWrapper {
  readonly #rewards: NdArray<"float64">;

  constructor(env: AnyVectorEnv) {
    super(env);
    this.#rewards = zeros("float64", [env.numEnvs]);
  }

  /** Write the new rewards of the rows in `mask` (all when absent) to `out`. */
  protected abstract rewards(batch: StepBatch, mask: Uint8Array | undefined, out: Float64Array): void;

  protected override afterStep(batch: StepBatch, mask: Mask | undefined): StepBatch {
    const out = this.relay(batch);
    this.#rewards.data.fill(0);
    this.rewards(batch, mask?.data, this.#rewards.data);
    out.rewards = this.#rewards;
    return out;
  }
}
