/** @file ReshapeObservation: array observations in another shape of the same size. */

import { fail } from "../../core/errors.ts";
import type { DType, NdArray } from "../../core/ndarray.ts";
import { sizeOf } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { ArrayTransform, boxOf, partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `ReshapeObservation`. */
export interface ReshapeOptions extends KeyOption {
  readonly shape: readonly number[];
}

class ReshapeObservationWrapper extends ArrayTransform {
  constructor(env: AnyVectorEnv, { shape, key }: ReshapeOptions) {
    const from = boxOf(partOf(env, key), "ReshapeObservation");
    if (sizeOf(shape) !== from.flatdim()) {
      fail({
        code: "INVALID_SHAPE",
        what: `observations of ${from.flatdim()} numbers do not fit shape [${shape.join(", ")}]`,
        expected: `a shape of ${from.flatdim()} elements, now [${from.shape.join(", ")}]`,
        got: `${sizeOf(shape)}`,
      });
    }
    const bound = (side: NdArray): NdArray => ({ ...side, shape });
    super(env, from, new Box<DType>(bound(from.low), bound(from.high), shape, from.dtype), key);
  }

  protected row(input: Float64Array, from: number, output: Float64Array, to: number): void {
    for (let j = 0; j < this.toStride; j++) output[to + j] = input[from + j];
  }
}

/** Give array observations another shape. @throws INVALID_SHAPE when the sizes differ @source Gymnasium 1.4 `ReshapeObservation` */
export function ReshapeObservation<E extends AnyEnv>(env: E, options: ReshapeOptions): Observing<E, NdArray> {
  return lift(env, (inner) => new ReshapeObservationWrapper(inner, options));
}
