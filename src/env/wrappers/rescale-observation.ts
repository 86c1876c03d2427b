/** @file RescaleObservation: observations mapped affinely to a range of the caller's choice. */

import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { Affine, Bounds } from "./affine.ts";
import { affineTo } from "./affine.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { ArrayTransform, boxOf, partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `RescaleObservation`. */
export interface RescaleObservationOptions extends KeyOption {
  readonly minObs: Bounds;
  readonly maxObs: Bounds;
}

class RescaleObservationWrapper extends ArrayTransform {
  readonly #affine: Affine;

  constructor(env: AnyVectorEnv, options: RescaleObservationOptions) {
    const from = boxOf(partOf(env, options.key), "RescaleObservation");
    const affine = affineTo(from, options.minObs, options.maxObs);
    const dtype = from.dtype === "float64" ? "float64" : "float32";
    super(env, from, new Box<NdArray["dtype"]>(affine.low, affine.high, from.shape, dtype), options.key);
    this.#affine = affine;
  }

  protected row(input: Float64Array, from: number, output: Float64Array, to: number): void {
    const { scale, offset } = this.#affine;
    for (let j = 0; j < this.toStride; j++) output[to + j] = Number(input[from + j]) * scale[j] + offset[j];
  }
}

/** Map observations affinely from their bounds to [minObs, maxObs]. @source Gymnasium 1.4 `RescaleObservation` */
export function RescaleObservation<E extends AnyEnv>(
  env: E,
  options: RescaleObservationOptions,
): Observing<E, NdArray> {
  return lift(env, (inner) => new RescaleObservationWrapper(inner, options));
}
