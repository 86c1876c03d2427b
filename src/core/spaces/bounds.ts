/** @file The bounds of a Box: read from numbers, arrays and lists, checked against the dtype, written as JSON. */

import { FLOAT32_MAX, integerLimits, kindOf } from "../dtypes.ts";
import type { IntegerDType } from "../dtypes.ts";
import { fail } from "../errors.ts";
import type { DType, NdArray } from "../ndarray.ts";
import { isNdArray, zeros } from "../ndarray.ts";
import { arrayOf, fitsInteger, isBig, parseNested, sameAxes, setNumber, toNested } from "./arrays.ts";

/** A bound: one number for all, an array, or a (nested) list. */
export type Bound = number | bigint | NdArray | readonly unknown[] | ArrayLike<number>;

/** Error for a bound. @throws INVALID_ARGUMENT always */
export function badBound(side: string, expected: string, got: unknown): never {
  return fail({
    code: "INVALID_ARGUMENT",
    what: `the ${side} bound of a Box cannot be used`,
    expected,
    got: String(got),
    fix: "give a number, or an array of the Box's shape within the range of its dtype",
  });
}

function boundShape(bound: Bound): readonly number[] | undefined {
  if (typeof bound === "number" || typeof bound === "bigint") return undefined;
  return isNdArray(bound) ? bound.shape : parseNested(bound)?.shape;
}

/** The shape that two bounds agree on; [1] for two numbers. */
export function shapeOfBounds(low: Bound, high: Bound): readonly number[] {
  const [lowShape, highShape] = [boundShape(low), boundShape(high)];
  if (lowShape !== undefined && highShape !== undefined && !sameAxes(lowShape, highShape)) {
    fail({
      code: "INVALID_SHAPE",
      what: "the bounds of a Box differ in shape",
      expected: `[${lowShape.join(", ")}] as low has`,
      got: `[${highShape.join(", ")}]`,
    });
  }
  return lowShape ?? highShape ?? [1];
}

/** One number as a bound of `dtype`. Infinity on a signed integer stands for the dtype's limit. */
function castBound(value: number | bigint, dtype: DType, side: "low" | "high"): number | bigint {
  const infinite = side === "low" ? -Infinity : Infinity;
  if (Number.isNaN(value)) badBound(side, "no NaN", value);
  const kind = kindOf(dtype);
  if (kind === "f") {
    const tooLarge =
      dtype === "float32" && Number.isFinite(Number(value)) && Math.abs(Number(value)) > FLOAT32_MAX;
    if (tooLarge) badBound(side, `a number in the range of ${dtype}`, value);
    return Number(value);
  }
  if (value === infinite && kind === "i") return integerLimits[dtype as IntegerDType][side === "low" ? 0 : 1];
  if (!fitsInteger(value, dtype as IntegerDType)) {
    badBound(side, `an integer in the range of ${dtype}`, value);
  }
  return value;
}

/** One side of a Box. */
export interface Side<D extends DType> {
  readonly bound: NdArray<D>;
  /** 1 where this side is bounded. */
  readonly bounded: Uint8Array;
}

/** A bound as an array of `dtype`; `known` says which elements are bounded when the values cannot. */
export function sideOf<D extends DType>(
  bound: Bound,
  shape: readonly number[],
  dtype: D,
  { side, known }: { readonly side: "low" | "high"; readonly known?: Uint8Array },
): Side<D> {
  const infinite = side === "low" ? -Infinity : Infinity;
  const out = zeros(dtype, shape);
  const bounded = known ?? new Uint8Array(out.data.length);
  if (typeof bound === "number" || typeof bound === "bigint") {
    const value = castBound(bound, dtype, side);
    if (isBig(out.data)) out.data.fill(BigInt(value));
    else out.data.fill(Number(value));
    if (known === undefined) bounded.fill(bound === infinite ? 0 : 1);
    return { bound: out, bounded };
  }
  const parsed = isNdArray(bound)
    ? { shape: bound.shape, values: bound.data as ArrayLike<number | bigint> }
    : parseNested(bound);
  if (parsed === undefined) badBound(side, "numbers", bound);
  if (!sameAxes(parsed.shape, shape)) {
    badBound(side, `shape [${shape.join(", ")}]`, `[${parsed.shape.join(", ")}]`);
  }
  if (known !== undefined && isNdArray(bound) && bound.dtype === dtype) {
    // From a Box: its values were checked when it was made.
    out.data.set(bound.data as never);
    return { bound: out, bounded };
  }
  for (let i = 0; i < bounded.length; i++) {
    const value = parsed.values[i];
    setNumber(out.data, i, castBound(value, dtype, side));
    if (known === undefined) bounded[i] = value === infinite ? 0 : 1;
  }
  return { bound: out, bounded };
}

/** JSON of a bound: one number where all agree, else a list in row-major order; "Infinity" where unbounded. */
export function jsonBound({ data, dtype }: NdArray, bounded: Uint8Array, infinity: number): unknown {
  const entryOf = (i: number): unknown =>
    bounded[i] === 0 ? String(infinity) : toNested(arrayOf([data[i]], [], dtype));
  let uniform = data.length > 0;
  for (let i = 1; i < data.length && uniform; i++) uniform = data[i] === data[0] && bounded[i] === bounded[0];
  return uniform ? entryOf(0) : Array.from(bounded, (_, i) => entryOf(i));
}

/** NumPy's `allclose` with its default tolerances. */
export function allClose(a: NdArray, b: NdArray): boolean {
  for (let i = 0; i < a.data.length; i++) {
    const [x, y] = [Number(a.data[i]), Number(b.data[i])];
    if (x !== y && !(Math.abs(x - y) <= 1e-8 + 1e-5 * Math.abs(y))) return false;
  }
  return true;
}
