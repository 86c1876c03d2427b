/** @file RescaleAction: actions in a range of the caller's choice, mapped affinely to the environment's bounds. */

import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { actionBoxOf, ActionTransform } from "./action-wrapper.ts";
import type { Affine, Bounds } from "./affine.ts";
import { affineTo } from "./affine.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

/** Options of `RescaleAction`. */
export interface RescaleActionOptions {
  /** Default -1. */
  readonly minAction?: Bounds;
  /** Default 1. */
  readonly maxAction?: Bounds;
}

class RescaleActionWrapper extends ActionTransform {
  readonly #affine: Affine;

  constructor(env: AnyVectorEnv, options: RescaleActionOptions) {
    const box: Box<NdArray["dtype"]> = actionBoxOf(env, "RescaleAction");
    const affine = affineTo(box, options.minAction ?? -1, options.maxAction ?? 1);
    super(env, new Box(affine.low, affine.high, box.shape, box.dtype));
    this.#affine = affine;
  }

  protected row(input: Float64Array, output: Float64Array, i: number): void {
    const { scale, offset } = this.#affine;
    for (let j = 0; j < this.toStride; j++) {
      const k = i * this.toStride + j;
      output[k] = (input[k] - offset[j]) / scale[j];
    }
  }
}

/** Take actions in [minAction, maxAction] and map them to the environment's bounds. @source Gymnasium 1.4 `RescaleAction` */
export function RescaleAction<E extends AnyEnv>(env: E, options: RescaleActionOptions = {}): Same<E> {
  return lift(env, (inner) => new RescaleActionWrapper(inner, options));
}
