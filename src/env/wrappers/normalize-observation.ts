/** @file NormalizeObservation: observations centred and scaled by running statistics. */

import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { ObservationBatch } from "../env.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { boxOf, ObservationTransform, partOf } from "./observation-wrapper.ts";
import type { RunningMeanStdState } from "./running-mean-std.ts";
import { RunningMeanStd } from "./running-mean-std.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `NormalizeObservation`. */
export interface NormalizeObservationOptions extends KeyOption {
  /** Added to the variance, default 1e-8. */
  readonly epsilon?: number;
  /** False: use the statistics as they are (evaluation); also `setWrapperAttr(env, "updateRunningMean", false)`. */
  readonly updateRunningMean?: boolean;
}

class NormalizeObservationWrapper extends ObservationTransform {
  readonly statistics: RunningMeanStd;
  updateRunningMean: boolean;
  readonly #epsilon: number;

  constructor(env: AnyVectorEnv, options: NormalizeObservationOptions) {
    const from = boxOf(partOf(env, options.key), "NormalizeObservation");
    super(env, new Box(-Infinity, Infinity, from.shape, "float32"), options.key);
    this.statistics = new RunningMeanStd(from.flatdim());
    this.updateRunningMean = options.updateRunningMean ?? true;
    this.#epsilon = options.epsilon ?? 1e-8;
  }

  protected transform(input: ObservationBatch, mask: Uint8Array | undefined): void {
    const from = (input as NdArray).data;
    const to = (this.output as NdArray).data as Float32Array;
    const { mean, var: variance } = this.statistics;
    if (this.updateRunningMean) this.statistics.update(from, this.numEnvs, mask);
    const size = mean.length;
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask !== undefined && mask[i] === 0) continue;
      for (let j = 0; j < size; j++) {
        to[i * size + j] = (Number(from[i * size + j]) - mean[j]) / Math.sqrt(variance[j] + this.#epsilon);
      }
    }
  }

  override state(): RunningMeanStdState {
    return this.statistics.state;
  }

  override load(state: unknown): void {
    this.statistics.state = state as RunningMeanStdState;
  }
}

/**
 * (observation - mean) / sqrt(variance + epsilon) with running statistics over all rows, as float32.
 *
 * The statistics take in just the rows that were stepped or reset, so masks and all autoreset modes are right; they are
 * part of `saveWrappers`. @source Gymnasium 1.4 `NormalizeObservation` (whose statistics are of the observation's dtype)
 */
export function NormalizeObservation<E extends AnyEnv>(
  env: E,
  options: NormalizeObservationOptions = {},
): Observing<E, NdArray<"float32">> {
  return lift(env, (inner) => new NormalizeObservationWrapper(inner, options));
}
