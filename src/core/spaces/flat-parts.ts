/** @file What Tuple and Dict share: their children in order, flattened one after the other into one array. */

import { resultType } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { isNdArray, zeros } from "../ndarray.ts";
import { Box } from "./box.ts";
import type { Element, FlatData, Space } from "./space.ts";

function joined(boxes: readonly Box<DType>[], side: "low" | "high"): (number | bigint)[] {
  return boxes.flatMap((box) => {
    const flags = side === "low" ? box.boundedBelow : box.boundedAbove;
    const values = Array.from(box[side].data as ArrayLike<number | bigint>);
    return values.map((value, i) => (flags[i] === 1 ? value : side === "low" ? -Infinity : Infinity));
  });
}

/** dtype of arrays that hold all of the boxes, and NumPy's label for it. */
export function commonDType(boxes: readonly Box<DType>[]): { dtype: DType; elementDtype: DType } {
  const dtype = resultType(boxes.map((box) => box.dtype));
  const elementDtype = dtype === "int64" ? resultType(boxes.map((box) => box.elementDtype)) : dtype;
  return { dtype, elementDtype };
}

/** The Box of several flattenable spaces in a row. */
export function flatBoxOf(spaces: readonly Space[]): Box<DType> {
  const boxes = spaces.map((space) => space.flatSpace() as Box<DType>);
  const types = commonDType(boxes);
  const [low, high] = [joined(boxes, "low"), joined(boxes, "high")];
  return new Box<DType>(low, high, [low.length], types);
}

/** A flat array over the `values` of `spaces`, in the dtype of `box`. */
export function flattenParts(spaces: readonly Space[], values: readonly unknown[], box: Box<DType>): NdArray {
  const out = zeros(box.elementDtype, box.shape);
  writeParts(spaces, values, out.data, 0);
  return out;
}

/** Write the flattened `values` one after the other from `offset` on. */
export function writeParts(
  spaces: readonly Space[],
  values: readonly unknown[],
  out: FlatData,
  offset: number,
): void {
  let position = offset;
  spaces.forEach((space, i) => {
    space.writeFlat(values[i], out, position);
    position += space.flatdim();
  });
}

/** The values that `flattenParts` wrote. */
export function unflattenParts(spaces: readonly Space[], flat: Element): unknown[] {
  const total = spaces.reduce((sum, space) => sum + space.flatdim(), 0);
  if (!isNdArray(flat) || flat.data.length !== total) {
    fail({
      code: "INVALID_SHAPE",
      what: "this is no flattened element",
      expected: `an array of ${total} numbers`,
      got: isNdArray(flat) ? `${flat.data.length} numbers` : typeof flat,
    });
  }
  let position = 0;
  return spaces.map((space) => {
    const length = space.flatdim();
    const data = flat.data.subarray(position, position + length) as NdArray["data"];
    position += length;
    return space.unflatten({ dtype: flat.dtype, shape: [length], data });
  });
}
