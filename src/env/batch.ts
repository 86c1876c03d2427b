/** @file Row-wise copies of observation batches, guided by the single observation space, into the caller's memory. */

import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import { zeros } from "../core/ndarray.ts";
import type { Space } from "../core/spaces/space.ts";
import type { ObservationBatch } from "./env.ts";

type MutableRecord = Record<string, ObservationBatch>;

function isArray(batch: unknown): batch is NdArray {
  return typeof batch === "object" && batch !== null && "data" in batch && ArrayBuffer.isView(batch.data);
}

function childrenOf(space: Space): Readonly<Record<string, Space>> | undefined {
  if (space.kind !== "Dict" && space.kind !== "Tuple") return undefined;
  return (space as Space & { readonly spaces: Readonly<Record<string, Space>> }).spaces;
}

/** A fresh array with the same contents. */
export function cloneArray<T extends NdArray>(array: T): T {
  return { dtype: array.dtype, shape: array.shape, data: array.data.slice() } as T;
}

/** Copy rows (first axis) where `mask` is non-zero, all rows when it is absent. Shapes and dtypes must agree. */
export function copyArrayRows(target: NdArray, source: NdArray, mask?: Uint8Array): void {
  const to = target.data as Float64Array;
  const from = source.data as Float64Array;
  if (mask === undefined) {
    to.set(from);
    return;
  }
  const count = mask.length;
  const stride = to.length / count;
  for (let i = 0; i < count; i++) {
    if (mask[i] === 0) continue;
    if (stride <= 16) for (let j = i * stride; j < (i + 1) * stride; j++) to[j] = from[j];
    else to.set(from.subarray(i * stride, (i + 1) * stride), i * stride);
  }
}

/**
 * Copy the rows in `mask` (all when absent) of a batch of `space`'s elements into a batch of the same layout.
 *
 * Spaces that do not batch into arrays (Text, Graph, Sequence, OneOf) are lists of N elements, copied by reference.
 */
export function copyRows(
  space: Space,
  target: ObservationBatch,
  source: ObservationBatch,
  mask?: Uint8Array,
): void {
  if (isArray(target)) {
    copyArrayRows(target, source as NdArray, mask);
    return;
  }
  const children = childrenOf(space);
  if (children === undefined) {
    const to = target as ObservationBatch[];
    const from = source as readonly ObservationBatch[];
    for (let i = 0; i < from.length; i++) if (mask === undefined || mask[i] !== 0) to[i] = from[i];
    return;
  }
  for (const key in children)
    copyRows(children[key], (target as MutableRecord)[key], (source as MutableRecord)[key], mask);
}

/** Copy row `i` of one batch to row `i` of another of the same layout. */
export function copyOneRow(
  space: Space,
  target: ObservationBatch,
  source: ObservationBatch,
  i: number,
): void {
  if (isArray(target)) {
    const to = target.data as Float64Array;
    const from = (source as NdArray).data as Float64Array;
    const stride = to.length / target.shape[0];
    if (stride <= 16) for (let j = i * stride; j < (i + 1) * stride; j++) to[j] = from[j];
    else to.set(from.subarray(i * stride, (i + 1) * stride), i * stride);
    return;
  }
  const children = childrenOf(space);
  if (children === undefined) (target as ObservationBatch[])[i] = (source as readonly ObservationBatch[])[i];
  else
    for (const key in children)
      copyOneRow(children[key], (target as MutableRecord)[key], (source as MutableRecord)[key], i);
}

function notThere(space: Space, element: unknown, i: number): never {
  return fail({
    code: "INVALID_SHAPE",
    what: `row ${i} is no element of its space`,
    expected: String(space),
    got: isArray(element) ? `${element.dtype} [${element.shape.join(", ")}]` : typeof element,
    fix: "check the environment with checkEnv(env)",
  });
}

/** Write one element of `space` into row `i` of a batch. @throws INVALID_SHAPE for what does not fit a row */
export function copyRow(space: Space, target: ObservationBatch, element: unknown, i: number): void {
  if (isArray(target)) {
    const stride = target.data.length / target.shape[0];
    if (isArray(element) && element.data.length === stride)
      (target.data as Float64Array).set(element.data as Float64Array, i * stride);
    else if (target.shape.length === 1 && (typeof element === "number" || typeof element === "bigint"))
      target.data[i] = element as never;
    else notThere(space, element, i);
    return;
  }
  const children = childrenOf(space);
  if (children === undefined) (target as unknown[])[i] = element;
  else
    for (const key in children)
      copyRow(children[key], (target as MutableRecord)[key], (element as MutableRecord)[key], i);
}

function mapBatch(
  space: Space,
  batch: ObservationBatch,
  each: (array: NdArray) => NdArray,
): ObservationBatch {
  if (isArray(batch)) return each(batch);
  const children = childrenOf(space);
  if (children === undefined) return [...(batch as readonly ObservationBatch[])];
  if (space.kind === "Tuple") {
    return (batch as readonly ObservationBatch[]).map((part, i) => mapBatch(children[i], part, each));
  }
  const out: MutableRecord = {};
  for (const key in children) out[key] = mapBatch(children[key], (batch as MutableRecord)[key], each);
  return out;
}

/** A deep copy that shares no memory. */
export function cloneBatch<O>(space: Space, batch: O): O {
  return mapBatch(space, batch as ObservationBatch, cloneArray) as O;
}

/** A batch of zeros with the layout of `batch`. */
export function emptyLike<O>(space: Space, batch: O): O {
  return mapBatch(space, batch as ObservationBatch, (array) => zeros(array.dtype, array.shape)) as O;
}

/** Row `i` of a batch as one element of `space`: a view for arrays with axes, a number for scalars. */
export function rowAt(space: Space, batch: ObservationBatch, i: number): unknown {
  if (isArray(batch)) {
    const shape = batch.shape.slice(1);
    const stride = batch.data.length / batch.shape[0];
    if (space.kind === "Discrete") return Number(batch.data[i]);
    return { dtype: batch.dtype, shape, data: batch.data.subarray(i * stride, (i + 1) * stride) };
  }
  const children = childrenOf(space);
  if (children === undefined) return (batch as readonly unknown[])[i];
  if (space.kind === "Tuple") {
    return (batch as readonly ObservationBatch[]).map((part, k) => rowAt(children[k], part, i));
  }
  const out: Record<string, unknown> = {};
  for (const key in children) out[key] = rowAt(children[key], (batch as MutableRecord)[key], i);
  return out;
}
