/** @file ClipReward: rewards held within bounds. */

import { fail } from "../../core/errors.ts";
import type { StepBatch } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import { RewardTransform } from "./reward-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `ClipReward`; at least one bound. */
export interface ClipRewardOptions {
  readonly minReward?: number;
  readonly maxReward?: number;
}

class ClipRewardWrapper extends RewardTransform {
  readonly #min: number;
  readonly #max: number;

  constructor(env: AnyVectorEnv, options: ClipRewardOptions) {
    super(env);
    this.#min = options.minReward ?? -Infinity;
    this.#max = options.maxReward ?? Infinity;
  }

  protected rewards(batch: StepBatch, mask: Uint8Array | undefined, out: Float64Array): void {
    for (let i = 0; i < out.length; i++) {
      if (mask === undefined || mask[i] !== 0)
        out[i] = Math.min(Math.max(batch.rewards.data[i], this.#min), this.#max);
    }
  }
}

/** Clip rewards to [minReward, maxReward]. @throws INVALID_ARGUMENT for no or crossed bounds @source Gymnasium 1.4 `ClipReward` */
export function ClipReward<E extends AnyEnv>(env: E, options: ClipRewardOptions): Same<E> {
  const { minReward, maxReward } = options;
  if (
    (minReward === undefined && maxReward === undefined) ||
    (minReward ?? -Infinity) > (maxReward ?? Infinity)
  ) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such clipping of rewards",
      expected: "minReward, maxReward or both, in this order",
      got: `${minReward}, ${maxReward}`,
    });
  }
  return lift(env, (inner) => new ClipRewardWrapper(inner, options));
}
