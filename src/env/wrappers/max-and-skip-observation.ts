/** @file MaxAndSkipObservation: repeat actions and show the elementwise maximum of the last two frames. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { zeros } from "../../core/ndarray.ts";
import { copyArrayRows } from "../batch.ts";
import type { ResetBatch, StepBatch, VectorResetOptions } from "../env.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import { MultiStep } from "./multi-step.ts";
import { boxOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `MaxAndSkipObservation`. */
export interface MaxAndSkipOptions {
  /** Inner steps per step, at least 2; default 4. */
  readonly skip?: number;
}

class MaxAndSkipObservationWrapper extends MultiStep {
  readonly #previous: NdArray;
  readonly #output: NdArray;
  readonly #reset: ResetBatch;

  constructor(env: AnyVectorEnv, skip: number) {
    super(env, skip);
    const box = boxOf(env.singleObservationSpace, "MaxAndSkipObservation");
    this.#previous = zeros(box.dtype, [env.numEnvs, ...box.shape]);
    this.#output = zeros(box.dtype, [env.numEnvs, ...box.shape]);
    this.#reset = { observations: this.#output, infos: {} };
  }

  protected actionsAt(actions: unknown): unknown {
    return actions;
  }

  protected override afterReset(batch: ResetBatch, options: VectorResetOptions | undefined): ResetBatch {
    copyArrayRows(this.#output, batch.observations as NdArray, options?.mask?.data);
    this.#reset.infos = batch.infos;
    return this.#reset;
  }

  /** The newest frame against the one before it: of the same step, so never of an older one. */
  protected override look(batch: StepBatch, active: Uint8Array, j: number): void {
    const newest = batch.observations as NdArray;
    copyArrayRows(this.#output, newest, active);
    if (j > 0) this.#maximum(active);
    copyArrayRows(this.#previous, newest, active);
  }

  #maximum(active: Uint8Array): void {
    const output = this.#output.data as Float64Array;
    const previous = this.#previous.data as Float64Array;
    const stride = output.length / active.length;
    for (let i = 0; i < active.length; i++) {
      if (active[i] === 0) continue;
      for (let k = i * stride; k < (i + 1) * stride; k++)
        if (previous[k] > output[k]) output[k] = previous[k];
    }
  }

  protected override finish(batch: StepBatch): StepBatch {
    batch.observations = this.#output;
    return batch;
  }

  protected override memory(): unknown {
    return this.#output.data.slice();
  }

  protected override recall(memory: unknown): void {
    this.#output.data.set(memory as never);
  }
}

/**
 * Take every action `skip` times, sum the rewards, and show the maximum of the last two frames taken. When an episode
 * ends early these are the last two that there were (Gymnasium 1.4 shows a frame of an earlier step).
 * @throws INVALID_ARGUMENT unless skip is an integer ≥ 2 @source Gymnasium 1.4 `MaxAndSkipObservation`
 */
export function MaxAndSkipObservation<E extends AnyEnv>(env: E, options: MaxAndSkipOptions = {}): Same<E> {
  const skip = options.skip ?? 4;
  if (!Number.isInteger(skip) || skip < 2) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such frame skip",
      expected: "an integer ≥ 2",
      got: String(skip),
    });
  }
  return lift(env, (inner) => new MaxAndSkipObservationWrapper(inner, skip));
}
