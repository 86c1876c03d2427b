/** @file Batches in shared memory: allocated once by the parent, seen by each worker as a range of rows. */

import type { DType, NdArray } from "../../core/ndarray.ts";
import { itemSize, sizeOf, zeros } from "../../core/ndarray.ts";
import type { ArrayMaker, Space } from "../../core/spaces/space.ts";
import { fail } from "../../core/errors.ts";
import type { ObservationBatch } from "../env.ts";

/** One array of a batch: [N, …] on shared memory. */
export interface SharedArray {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly memory: SharedArrayBuffer;
}

/** A batch and the arrays under it in the order in which `createEmpty` asks for them. */
export interface SharedBatch {
  readonly batch: ObservationBatch;
  readonly arrays: readonly SharedArray[];
}

function over(array: SharedArray, start: number, end: number): NdArray {
  const stride = sizeOf(array.shape.slice(1));
  const Storage = zeros(array.dtype, [0]).data.constructor as new (
    memory: SharedArrayBuffer,
    offset: number,
    length: number,
  ) => NdArray["data"];
  const data = new Storage(array.memory, start * stride * itemSize(array.dtype), (end - start) * stride);
  return { dtype: array.dtype, shape: [end - start, ...array.shape.slice(1)], data };
}

/** A zeroed shared array. */
export function sharedArray<D extends DType>(
  dtype: D,
  shape: readonly number[],
): SharedArray & { readonly dtype: D } {
  return { dtype, shape, memory: new SharedArrayBuffer(sizeOf(shape) * itemSize(dtype)) };
}

/** Rows [start, end) of a shared array, all of them by default, as an array on the same memory. */
export function rowsOf<D extends DType>(
  array: SharedArray & { readonly dtype: D },
  start = 0,
  end = array.shape[0],
): NdArray<D> {
  return over(array, start, end) as NdArray<D>;
}

function holdsArraysOnly(space: Space): boolean {
  const { spaces } = space as Space & { spaces?: Readonly<Record<string, Space>> };
  if (space.kind === "Dict" || space.kind === "Tuple") return Object.values(spaces!).every(holdsArraysOnly);
  return ["Box", "Discrete", "MultiDiscrete", "MultiBinary"].includes(space.kind);
}

/** A batch of `numEnvs` elements of `space` on shared memory. @throws NOT_SUPPORTED for spaces that hold more than arrays */
export function allocateShared(space: Space, numEnvs: number): SharedBatch {
  if (!holdsArraysOnly(space)) {
    fail({
      code: "NOT_SUPPORTED",
      what: "elements of this space in shared memory",
      expected: "arrays and numbers, or Dicts and Tuples of them",
      got: String(space),
      fix: `use mode: "sync"`,
    });
  }
  const arrays: SharedArray[] = [];
  const make = (dtype: DType, shape: readonly number[]): NdArray => {
    const array = sharedArray(dtype, shape);
    arrays.push(array);
    return over(array, 0, shape[0]);
  };
  return { batch: space.createEmpty(numEnvs, make as ArrayMaker) as ObservationBatch, arrays };
}

/** Rows [start, end) of a shared batch of `space`'s elements. */
export function viewShared(
  space: Space,
  arrays: readonly SharedArray[],
  start: number,
  end: number,
): ObservationBatch {
  let next = 0;
  const make = (): NdArray => over(arrays[next++], start, end);
  return space.createEmpty(end - start, make as ArrayMaker) as ObservationBatch;
}
