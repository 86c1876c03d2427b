/** @file NormalizeReward: rewards scaled by the running deviation of the discounted return. */

import type { ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import { RewardTransform } from "./reward-wrapper.ts";
import type { RunningMeanStdState } from "./running-mean-std.ts";
import { RunningMeanStd } from "./running-mean-std.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `NormalizeReward`. */
export interface NormalizeRewardOptions {
  /** Discount of the return, default 0.99. */
  readonly gamma?: number;
  /** Added to the variance, default 1e-8. */
  readonly epsilon?: number;
  /** False: use the statistics as they are (evaluation). */
  readonly updateRunningMean?: boolean;
}

class NormalizeRewardWrapper extends RewardTransform {
  readonly statistics = new RunningMeanStd(1);
  updateRunningMean: boolean;
  readonly #returns: Float64Array;
  readonly #gamma: number;
  readonly #epsilon: number;

  constructor(env: AnyVectorEnv, options: NormalizeRewardOptions) {
    super(env);
    this.updateRunningMean = options.updateRunningMean ?? true;
    this.#returns = new Float64Array(env.numEnvs);
    this.#gamma = options.gamma ?? 0.99;
    this.#epsilon = options.epsilon ?? 1e-8;
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    const mask = options?.mask?.data;
    for (let i = 0; i < this.numEnvs; i++) if (mask === undefined || mask[i] !== 0) this.#returns[i] = 0;
    return batch;
  }

  protected rewards(batch: StepBatch, mask: Uint8Array | undefined, out: Float64Array): void {
    const { data } = batch.rewards;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      const goesOn = batch.terminations.data[i] === 0 ? 1 : 0;
      this.#returns[i] = this.#returns[i] * this.#gamma * goesOn + data[i];
    }
    if (this.updateRunningMean) this.statistics.update(this.#returns, this.numEnvs, mask);
    const scale = 1 / Math.sqrt(this.statistics.var[0] + this.#epsilon);
    for (let i = 0; i < this.numEnvs; i++) if (mask === undefined || mask[i] !== 0) out[i] = data[i] * scale;
  }

  override state(): RunningMeanStdState {
    return this.statistics.state;
  }

  override load(state: unknown): void {
    this.statistics.state = state as RunningMeanStdState;
  }

  protected override memory(): unknown {
    return { state: this.state(), returns: this.#returns };
  }

  protected override recall(memory: unknown): void {
    const { state, returns } = memory as { state: unknown; returns: Float64Array };
    this.load(state);
    this.#returns.set(returns);
  }
}

/**
 * reward / sqrt(variance of the discounted return + epsilon), not centred; statistics are part of `saveWrappers`.
 *
 * A masked reset clears the returns of its rows only (Gymnasium 1.4 clears all). @source Gymnasium 1.4 `NormalizeReward`
 */
export function NormalizeReward<E extends AnyEnv>(env: E, options: NormalizeRewardOptions = {}): Same<E> {
  return lift(env, (inner) => new NormalizeRewardWrapper(inner, options));
}
