/** @file TimeLimit: truncate episodes after a number of steps. */

import { fail } from "../../core/errors.ts";
import { zeros } from "../../core/ndarray.ts";
import type { ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** Options of `TimeLimit`. */
export interface TimeLimitOptions {
  readonly maxEpisodeSteps: number;
}

class TimeLimitWrapper extends VectorWrapper {
  readonly maxEpisodeSteps: number;
  readonly #elapsed: Int32Array;
  readonly #truncations;

  constructor(env: AnyVectorEnv, maxEpisodeSteps: number) {
    super(env);
    this.maxEpisodeSteps = maxEpisodeSteps;
    this.#elapsed = new Int32Array(env.numEnvs);
    this.#truncations = zeros("bool", [env.numEnvs]);
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    const mask = options?.mask?.data;
    for (let i = 0; i < this.numEnvs; i++) if (mask === undefined || mask[i] !== 0) this.#elapsed[i] = 0;
    return batch;
  }

  protected override afterStep(batch: StepBatch, mask: Mask | undefined): StepBatch {
    const out = this.relay(batch);
    const truncations = this.#truncations.data;
    truncations.set(batch.truncations.data);
    out.truncations = this.#truncations;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask.data[i] === 0) continue;
      this.#elapsed[i] += 1;
      if (this.#elapsed[i] >= this.maxEpisodeSteps && batch.terminations.data[i] === 0) truncations[i] = 1;
    }
    return out;
  }

  protected override memory(): unknown {
    return this.#elapsed.slice();
  }

  protected override recall(memory: unknown): void {
    this.#elapsed.set(memory as Int32Array);
  }
}

/**
 * Truncate an episode when it has lasted `maxEpisodeSteps` steps. A step on which the task itself ends is not marked as
 * truncated too (Gymnasium's is). @throws INVALID_ARGUMENT unless the limit is a positive integer
 * @source Gymnasium 1.4 `TimeLimit`
 */
export function TimeLimit<E extends AnyEnv>(env: E, options: TimeLimitOptions | number): Same<E> {
  const limit = typeof options === "number" ? options : options.maxEpisodeSteps;
  if (!Number.isInteger(limit) || limit < 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such time limit",
      expected: "a positive integer",
      got: String(limit),
    });
  }
  return lift(env, (inner) => new TimeLimitWrapper(inner, limit));
}
