/** @file ClipAction: hold actions within the environment's bounds. */

import type { NdArray } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import { actionBoxOf, ActionTransform } from "./action-wrapper.ts";
import type { AnyEnv, Same } from "./lift.ts";
import { lift } from "./lift.ts";
import type { AnyVectorEnv } from "./vector-wrapper.ts";

class ClipActionWrapper extends ActionTransform {
  readonly #box: Box<NdArray["dtype"]>;

  constructor(env: AnyVectorEnv) {
    const box = actionBoxOf(env, "ClipAction");
    super(env, new Box(-Infinity, Infinity, box.shape, box.dtype));
    this.#box = box;
  }

  protected row(input: Float64Array, output: Float64Array, i: number): void {
    const low = this.#box.low.data as Float64Array;
    const high = this.#box.high.data as Float64Array;
    for (let j = 0; j < this.toStride; j++) {
      const k = i * this.toStride + j;
      output[k] = Math.min(Math.max(input[k], low[j]), high[j]);
    }
  }
}

/** Clip actions to the environment's Box; the action space becomes unbounded. @source Gymnasium 1.4 `ClipAction` */
export function ClipAction<E extends AnyEnv>(env: E): Same<E> {
  return lift(env, (inner) => new ClipActionWrapper(inner));
}
