/** @file The base of wrappers that map batches of array actions. */

import { fail } from "../../core/errors.ts";
import type { DType, NdArray } from "../../core/ndarray.ts";
import { isNdArray, zeros } from "../../core/ndarray.ts";
import { Box } from "../../core/spaces/box.ts";
import type { Space } from "../../core/spaces/space.ts";
import type { AnyVectorEnv, Mask } from "./vector-wrapper.ts";
import { VectorWrapper } from "./vector-wrapper.ts";

/** The inner action space as a Box. @throws INVALID_ARGUMENT when it is none */
export function actionBoxOf(env: AnyVectorEnv, wrapper: string): Box<NdArray["dtype"]> {
  const space = env.singleActionSpace;
  if (space instanceof Box) return space as Box<NdArray["dtype"]>;
  return fail({
    code: "INVALID_ARGUMENT",
    what: `${wrapper} of actions that are no arrays`,
    expected: "a Box action space",
    got: String(space),
  });
}

/** Base of wrappers that write the inner actions from the given ones, row by row. */
export abstract class ActionTransform extends VectorWrapper {
  protected readonly inner: NdArray;
  /** Numbers per row of the inner actions. */
  protected readonly toStride: number;
  /** Numbers per row of the given actions. */
  protected readonly fromStride: number;

  constructor(env: AnyVectorEnv, space: Space, dtype?: DType) {
    super(env, { action: space });
    const batch = env.singleActionSpace.createEmpty(env.numEnvs) as NdArray;
    this.inner = dtype === undefined ? batch : zeros(dtype, batch.shape);
    this.toStride = batch.data.length / env.numEnvs;
    this.fromStride = (space.createEmpty(1) as NdArray).data.length;
  }

  /** Write the inner action of row `i`. */
  protected abstract row(input: Float64Array, output: Float64Array, i: number): void;

  protected override beforeStep(actions: unknown, mask: Mask | undefined): unknown {
    const given = actions as NdArray;
    if (!isNdArray(given) || given.data.length !== this.numEnvs * this.fromStride) {
      fail({
        code: "INVALID_SHAPE",
        what: "the batch of actions does not fit",
        expected: String(this.actionSpace),
        got: isNdArray(given) ? `${given.dtype} [${given.shape.join(", ")}]` : typeof given,
      });
    }
    for (let i = 0; i < this.numEnvs; i++) {
      if (mask === undefined || mask.data[i] !== 0)
        this.row(given.data as Float64Array, this.inner.data as Float64Array, i);
    }
    return this.inner;
  }
}
