/** @file DtypeObservation: observations in another dtype. */

import type { DType, NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { ArrayTransform, boxOf, partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `DtypeObservation`. */
export interface DtypeOptions<D extends DType = DType> extends KeyOption {
  readonly dtype: D;
}

class DtypeObservationWrapper extends ArrayTransform {
  constructor(env: AnyVectorEnv, options: DtypeOptions) {
    const from = boxOf(partOf(env, options.key), "DtypeObservation");
    super(env, from, new Box<DType>(from.low, from.high, from.shape, options.dtype), options.key);
  }

  protected row(input: Float64Array, from: number, output: Float64Array, to: number): void {
    for (let j = 0; j < this.toStride; j++) output[to + j] = input[from + j];
  }
}

/** Convert observations to another dtype; the bounds must fit it. @source Gymnasium 1.4 `DtypeObservation` */
export function DtypeObservation<E extends AnyEnv, D extends DType>(
  env: E,
  options: DtypeOptions<D>,
): Observing<E, NdArray<D>> {
  return lift(env, (inner) => new DtypeObservationWrapper(inner, options));
}
