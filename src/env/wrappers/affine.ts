/** @file Affine maps between boxes of bounds, elementwise; unbounded elements pass unchanged. */

import { fail } from "../../core/errors.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { isNdArray } from "../../core/ndarray.ts";
import type { Box } from "../../core/spaces/box.ts";

/** A bound for every element, or one for all. */
export type Bounds = number | ArrayLike<number> | NdArray;

/** `y = x * scale + offset`, elementwise. */
export interface Affine {
  readonly scale: Float64Array;
  readonly offset: Float64Array;
  readonly low: NdArray<"float64">;
  readonly high: NdArray<"float64">;
}

function boundsOf(bounds: Bounds, box: Box<NdArray["dtype"]>, name: string): Float64Array {
  const size = box.flatdim();
  if (typeof bounds === "number") return new Float64Array(size).fill(bounds);
  const numbers = Float64Array.from(isNdArray(bounds) ? (bounds.data as ArrayLike<number>) : bounds, Number);
  if (numbers.length === size) return numbers;
  return fail({
    code: "INVALID_SHAPE",
    what: `${name} does not fit`,
    expected: `one number or ${size}`,
    got: `${numbers.length}`,
  });
}

/**
 * The map from `box`'s bounds to [low, high].
 * @throws INVALID_ARGUMENT where low ≥ high, or where one side is infinite and its counterpart differs
 */
export function affineTo(box: Box<NdArray["dtype"]>, low: Bounds, high: Bounds): Affine {
  const [to, top] = [boundsOf(low, box, "the new minimum"), boundsOf(high, box, "the new maximum")];
  const scale = new Float64Array(to.length).fill(1);
  const offset = new Float64Array(to.length);
  for (let j = 0; j < to.length; j++) {
    const [a, b] = [Number(box.low.data[j]), Number(box.high.data[j])];
    const finite =
      Number.isFinite(a) && Number.isFinite(b) && Number.isFinite(to[j]) && Number.isFinite(top[j]);
    if (!(to[j] < top[j]) || (!finite && (a !== to[j] || b !== top[j]))) {
      fail({
        code: "INVALID_ARGUMENT",
        what: `element ${j} cannot be rescaled from [${a}, ${b}] to [${to[j]}, ${top[j]}]`,
        expected: "a minimum below the maximum; infinite bounds only where the space has the same",
      });
    }
    if (!finite) continue;
    scale[j] = (top[j] - to[j]) / (b - a);
    offset[j] = to[j] - a * scale[j];
  }
  const bound = (data: Float64Array): NdArray<"float64"> => ({ dtype: "float64", shape: box.shape, data });
  return { scale, offset, low: bound(to), high: bound(top) };
}
