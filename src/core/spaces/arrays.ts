/** @file Arrays as spaces meet them: nested lists of numbers, JSON forms, and copies between number and bigint storage. */

import { integerLimits, kindOf } from "../dtypes.ts";
import type { IntegerDType } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { isNdArray, sizeOf, zeros } from "../ndarray.ts";

type Data = NdArray["data"];

/** Are elements of this storage bigints? */
export function isBig(data: Data): data is BigInt64Array | BigUint64Array {
  return data instanceof BigInt64Array || data instanceof BigUint64Array;
}

/** Write `source` into `out` from `offset` on, converting between numbers and bigints where storage differs. */
export function copyInto(out: Data, offset: number, source: Data): void {
  if (isBig(out)) {
    for (let i = 0; i < source.length; i++) out[offset + i] = BigInt(source[i]);
  } else if (isBig(source)) {
    for (let i = 0; i < source.length; i++) out[offset + i] = Number(source[i]);
  } else {
    out.set(source, offset);
  }
}

/** Write one number. */
export function setNumber(out: Data, index: number, value: number | bigint): void {
  if (isBig(out)) out[index] = BigInt(value);
  else out[index] = Number(value);
}

/** Limits of the dtypes that numbers hold exactly; comparing with bigints is many times slower. */
const numberLimits: Partial<Record<IntegerDType, readonly [number, number]>> = {
  bool: [0, 1],
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-2147483648, 2147483647],
  uint32: [0, 4294967295],
};

/** Does `value` lie in the range of integers of `dtype`? */
export function fitsInteger(value: number | bigint, dtype: IntegerDType): boolean {
  if (typeof value === "number") {
    if (!Number.isInteger(value)) return false;
    const narrow = numberLimits[dtype];
    if (narrow !== undefined) return value >= narrow[0] && value <= narrow[1];
  }
  const [low, high] = integerLimits[dtype];
  return value >= low && value <= high;
}

/** The numbers of a nested list in row-major order with their shape; undefined when ragged or not of numbers. */
export function parseNested(value: unknown): { shape: number[]; values: (number | bigint)[] } | undefined {
  if (typeof value === "number" || typeof value === "bigint") return { shape: [], values: [value] };
  if (typeof value === "boolean") return { shape: [], values: [Number(value)] };
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    const values = Array.from(value as unknown as ArrayLike<number | bigint>);
    return { shape: [values.length], values };
  }
  if (!Array.isArray(value)) return undefined;
  const rows = value.map(parseNested);
  const [first] = rows;
  if (first === undefined) return value.length === 0 ? { shape: [0], values: [] } : undefined;
  const values: (number | bigint)[] = [];
  for (const row of rows) {
    if (row === undefined || String(row.shape) !== String(first.shape)) return undefined;
    for (const number of row.values) values.push(number);
  }
  return { shape: [rows.length, ...first.shape], values };
}

/** As an NdArray of `dtype`: an array as it is, a nested list converted; undefined where a value would change its meaning. */
export function parseArray(value: unknown, dtype: DType): NdArray | undefined {
  if (isNdArray(value)) return value;
  const parsed = parseNested(value);
  if (parsed === undefined) return undefined;
  const { shape, values } = parsed;
  if (kindOf(dtype) !== "f" && !values.every((number) => fitsInteger(number, dtype as IntegerDType))) {
    return undefined;
  }
  return arrayOf(values, shape, dtype);
}

/** An array of `dtype` from numbers in row-major order. */
export function arrayOf<D extends DType>(
  values: readonly (number | bigint)[],
  shape: readonly number[],
  dtype: D,
): NdArray<D> {
  const out = zeros(dtype, shape);
  for (let i = 0; i < values.length; i++) setNumber(out.data, i, values[i]);
  return out;
}

function jsonNumber(value: number | bigint): number | string {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  return Number.isFinite(value) ? value : String(value);
}

/** Nested lists of an array: JSON-safe, with "Infinity", "-Infinity", "NaN" and integers beyond 2^53 as text. */
export function toNested({ data, shape }: NdArray): unknown {
  let flat: unknown[] = Array.from(data as ArrayLike<number | bigint>, jsonNumber);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const count = sizeOf(shape.slice(0, axis));
    flat = Array.from({ length: count }, (_, i) => flat.slice(i * shape[axis], (i + 1) * shape[axis]));
  }
  return flat[0];
}

/** A number of JSON, or text for what JSON numbers cannot say; undefined for anything else. */
function numberOf(value: unknown, dtype: DType): number | bigint | undefined {
  const big = dtype === "int64" || dtype === "uint64";
  if (typeof value === "number") return big && Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value === "boolean") return Number(value);
  if (typeof value !== "string") return undefined;
  if (/^-?\d+$/.test(value)) return big ? BigInt(value) : Number(value);
  return ["NaN", "Infinity", "-Infinity"].includes(value) ? Number(value) : undefined;
}

function badJson(json: unknown, dtype: DType): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: "this JSON is not an array of the space",
    expected: `regular nested lists of ${dtype}`,
    got: JSON.stringify(json)?.slice(0, 200),
  });
}

/** Read what `toNested` wrote; an empty list gets the shape of none such as `like`. @throws INVALID_ARGUMENT when it does not fit `dtype` */
export function fromNested<D extends DType>(json: unknown, dtype: D, like: readonly number[]): NdArray<D> {
  const shape: number[] = [];
  let level: unknown[] = [json];
  while (level.length > 0 && Array.isArray(level[0])) {
    const { length } = level[0];
    if (!level.every((row) => Array.isArray(row) && row.length === length)) badJson(json, dtype);
    shape.push(length);
    level = level.flat();
  }
  const integer = kindOf(dtype) !== "f";
  const values = level.map((item) => {
    const value = numberOf(item, dtype) ?? badJson(json, dtype);
    return integer && !fitsInteger(value, dtype as IntegerDType) ? badJson(json, dtype) : value;
  });
  if (sizeOf(shape) > 0) return arrayOf(values, shape, dtype);
  return arrayOf([], sizeOf(like) === 0 ? like : [0, ...like.slice(1)], dtype);
}

/** Do two shapes agree? */
export function sameAxes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((length, i) => length === b[i]);
}

/** The rows of an array along its first axis, as views; rows of a 1-D array have shape []. */
export function* rowViews<D extends DType>(array: NdArray<D>): Generator<NdArray<D>> {
  const shape = array.shape.slice(1);
  const stride = sizeOf(shape);
  for (let i = 0; i < array.shape[0]; i++) {
    yield {
      dtype: array.dtype,
      shape,
      data: array.data.subarray(i * stride, (i + 1) * stride) as NdArray<D>["data"],
    };
  }
}
