/** @file GrayscaleObservation: RGB frames to luminance. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { AnyEnv, Observing } from "./lift.ts";
import { lift } from "./lift.ts";
import type { KeyOption } from "./observation-wrapper.ts";
import { ArrayTransform, boxOf, partOf } from "./observation-wrapper.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `GrayscaleObservation`. */
export interface GrayscaleOptions extends KeyOption {
  /** Keep the channel axis: [H, W, 1] instead of [H, W]. */
  readonly keepDim?: boolean;
}

class GrayscaleObservationWrapper extends ArrayTransform {
  constructor(env: AnyVectorEnv, options: GrayscaleOptions) {
    const from = boxOf(partOf(env, options.key), "GrayscaleObservation");
    if (from.dtype !== "uint8" || from.shape.length !== 3 || from.shape[2] !== 3) {
      fail({
        code: "INVALID_SHAPE",
        what: "GrayscaleObservation of no RGB frame",
        expected: "uint8 [H, W, 3]",
        got: String(from),
      });
    }
    const shape = options.keepDim === true ? [...from.shape.slice(0, 2), 1] : from.shape.slice(0, 2);
    super(env, from, new Box(0, 255, shape, "uint8"), options.key);
  }

  protected row(input: Float64Array, from: number, output: Float64Array, to: number): void {
    for (let p = 0; p < this.toStride; p++) {
      const i = from + 3 * p;
      output[to + p] = Math.trunc(0.2125 * input[i] + 0.7154 * input[i + 1] + 0.0721 * input[i + 2]);
    }
  }
}

/**
 * Turn uint8 [H, W, 3] into trunc(0.2125 R + 0.7154 G + 0.0721 B), uint8 [H, W].
 * @throws INVALID_SHAPE for other observations @source Gymnasium 1.4 `GrayscaleObservation`
 */
export function GrayscaleObservation<E extends AnyEnv>(
  env: E,
  options: GrayscaleOptions = {},
): Observing<E, NdArray<"uint8">> {
  return lift(env, (inner) => new GrayscaleObservationWrapper(inner, options));
}
