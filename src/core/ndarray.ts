/** @file Host arrays: a typed array with a dtype and a shape, row-major; the only array form that crosses a folder's border. */

import { fail } from "./errors.ts";

/** NumPy's names. `bool` is stored as one byte, 0 or 1. */
export type DType =
  | "float32"
  | "float64"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool";

interface StorageOf {
  float32: Float32Array;
  float64: Float64Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
}

/** Storage class of dtype `D`. */
export type Storage<D extends DType = DType> = StorageOf[D];

/** A dense row-major array. `shape` is `[]` for a scalar; `data.length` is the product of `shape`. */
export interface NdArray<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: Storage<D>;
}

const constructors = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const;

/** Number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const axis of shape) size *= axis;
  return size;
}

/** Bytes of one element. */
export function itemSize(dtype: DType): number {
  return constructors[dtype].BYTES_PER_ELEMENT;
}

/** Wrap `data` (not copied) as an array of `shape`. @throws INVALID_SHAPE when the length does not fit. */
export function ndarray<D extends DType>(dtype: D, shape: readonly number[], data: Storage<D>): NdArray<D> {
  if (data.length !== sizeOf(shape)) {
    fail({
      code: "INVALID_SHAPE",
      what: `data does not fit shape [${shape.join(", ")}]`,
      expected: `${sizeOf(shape)} elements`,
      got: `${data.length}`,
      fix: "pass a shape whose product is the data's length",
    });
  }
  return { dtype, shape, data };
}

/** A new array of zeros. */
export function zeros<D extends DType>(dtype: D, shape: readonly number[]): NdArray<D> {
  return { dtype, shape, data: new constructors[dtype](sizeOf(shape)) as unknown as Storage<D> };
}

/** A float32 array from numbers (copied). */
export function float32(
  values: ArrayLike<number>,
  shape: readonly number[] = [values.length],
): NdArray<"float32"> {
  return ndarray("float32", shape, Float32Array.from(values));
}

/** A float32 scalar. */
export function scalar(value: number): NdArray<"float32"> {
  return { dtype: "float32", shape: [], data: new Float32Array([value]) };
}

/** A copy that shares nothing. */
export function copyOf<D extends DType>(array: NdArray<D>): NdArray<D> {
  return { dtype: array.dtype, shape: [...array.shape], data: array.data.slice() as Storage<D> };
}

/** Is `value` an NdArray? Structural: any object with dtype, shape and typed data. */
export function isNdArray(value: unknown): value is NdArray {
  return (
    typeof value === "object" &&
    value !== null &&
    "dtype" in value &&
    "shape" in value &&
    "data" in value &&
    ArrayBuffer.isView(value.data)
  );
}

/** View of rows `[start, end)` of the first axis; shares memory. */
export function rows<D extends DType>(array: NdArray<D>, start: number, end: number): NdArray<D> {
  const stride = sizeOf(array.shape.slice(1));
  return {
    dtype: array.dtype,
    shape: [end - start, ...array.shape.slice(1)],
    data: array.data.subarray(start * stride, end * stride) as Storage<D>,
  };
}

/** New array of the given rows of the first axis, in the given order. */
export function takeRows<D extends DType>(array: NdArray<D>, indices: ArrayLike<number>): NdArray<D> {
  const stride = sizeOf(array.shape.slice(1));
  const out = zeros(array.dtype, [indices.length, ...array.shape.slice(1)]);
  for (let i = 0; i < indices.length; i++) {
    out.data.set(array.data.subarray(indices[i] * stride, (indices[i] + 1) * stride) as never, i * stride);
  }
  return out;
}

/** The rows of several arrays one after another, in a new array. */
export function joinRows<D extends DType>(arrays: readonly NdArray<D>[]): NdArray<D> {
  const count = arrays.reduce((sum, array) => sum + array.shape[0], 0);
  const out = zeros(arrays[0].dtype, [count, ...arrays[0].shape.slice(1)]);
  let at = 0;
  for (const { data } of arrays) {
    out.data.set(data as never, at);
    at += data.length;
  }
  return out;
}

/** Stack equal-shaped arrays on a new first axis. */
export function stackRows<D extends DType>(arrays: readonly NdArray<D>[]): NdArray<D> {
  const [first] = arrays;
  const out = zeros(first.dtype, [arrays.length, ...first.shape]);
  const stride = sizeOf(first.shape);
  arrays.forEach((array, i) => out.data.set(array.data as never, i * stride));
  return out;
}
