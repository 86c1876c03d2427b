/** @file ActionChunk: one step takes k actions in a row, as policies that predict action chunks do. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { isNdArray, zeros } from "../../core/ndarray.ts";
import type { StepBatch } from "../env.ts";
import type { Acting, AnyEnv } from "./lift.ts";
import { lift } from "./lift.ts";
import { MultiStep } from "./multi-step.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `ActionChunk`. */
export interface ActionChunkOptions {
  /** Actions per step, at least 1. */
  readonly chunkSize: number;
}

class ActionChunkWrapper extends MultiStep {
  readonly #single: NdArray;

  constructor(env: AnyVectorEnv, chunkSize: number) {
    super(env, chunkSize, { action: env.singleActionSpace.batch(chunkSize) });
    const single = env.singleActionSpace.createEmpty(env.numEnvs);
    if (!isNdArray(single)) {
      fail({
        code: "NOT_SUPPORTED",
        what: "chunks of actions that are no arrays",
        expected: "a Box, Discrete, MultiDiscrete or MultiBinary action space",
        got: String(env.singleActionSpace),
      });
    }
    this.#single = single;
  }

  protected actionsAt(actions: unknown, j: number): unknown {
    const chunks = actions as NdArray;
    const n = this.numEnvs;
    const stride = this.#single.data.length / n;
    if (!isNdArray(chunks) || chunks.data.length !== n * this.steps * stride) {
      fail({
        code: "INVALID_SHAPE",
        what: "the batch of action chunks does not fit",
        expected: String(this.actionSpace),
        got: isNdArray(chunks) ? `[${chunks.shape.join(", ")}]` : typeof chunks,
      });
    }
    const from = chunks.data as Float64Array;
    const to = this.#single.data as Float64Array;
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < stride; k++) to[i * stride + k] = from[(i * this.steps + j) * stride + k];
    }
    return this.#single;
  }

  protected override finish(batch: StepBatch): StepBatch {
    const values = zeros("int32", [this.numEnvs]);
    values.data.set(this.taken.data);
    batch.infos = { ...batch.infos, chunkSteps: { values, mask: batch.valid } };
    return batch;
  }
}

/**
 * Take `chunkSize` actions [k, …] one after the other in one step; rewards are summed, the rest is of the last one. An
 * episode that ends within a chunk drops its remaining actions; `chunkSteps` in the info says how many were taken.
 * @throws INVALID_ARGUMENT unless chunkSize is a positive integer
 */
export function ActionChunk<E extends AnyEnv>(env: E, options: ActionChunkOptions): Acting<E, NdArray> {
  if (!Number.isInteger(options.chunkSize) || options.chunkSize < 1) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no such chunk",
      expected: "chunkSize ≥ 1",
      got: String(options.chunkSize),
    });
  }
  return lift(env, (inner) => new ActionChunkWrapper(inner, options.chunkSize));
}
