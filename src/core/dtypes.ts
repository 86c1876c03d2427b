/** @file What dtypes hold and how they combine: limits, safe casts and promotion, by NumPy's rules. */

import type { DType } from "./ndarray.ts";
import { itemSize } from "./ndarray.ts";

/** dtypes of whole numbers, `bool` included. */
export type IntegerDType = Exclude<DType, "float32" | "float64">;

/** NumPy's dtype kinds: float, signed, unsigned, boolean. */
export type DTypeKind = "f" | "i" | "u" | "b";

/** Smallest and largest value of each integer dtype. */
export const integerLimits: Readonly<Record<IntegerDType, readonly [bigint, bigint]>> = {
  bool: [0n, 1n],
  int8: [-128n, 127n],
  uint8: [0n, 255n],
  int16: [-32768n, 32767n],
  uint16: [0n, 65535n],
  int32: [-2147483648n, 2147483647n],
  uint32: [0n, 4294967295n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
};

/** Largest finite float32. */
export const FLOAT32_MAX = 3.4028234663852886e38;

/** NumPy's kind letter of a dtype. */
export function kindOf(dtype: DType): DTypeKind {
  if (dtype === "bool") return "b";
  if (dtype.startsWith("f")) return "f";
  return dtype.startsWith("u") ? "u" : "i";
}

/** Is `dtype` one of the known names? */
export function isDType(dtype: unknown): dtype is DType {
  return (
    dtype === "float32" ||
    dtype === "float64" ||
    (typeof dtype === "string" && Object.hasOwn(integerLimits, dtype))
  );
}

/** Does every value of `from` fit into `to` unchanged? `numpy.can_cast(from, to)` with its default "safe" rule. */
export function canCast(from: DType, to: DType): boolean {
  if (from === to || from === "bool") return true;
  const [source, target] = [kindOf(from), kindOf(to)];
  const [small, large] = [itemSize(from), itemSize(to)];
  if (target === "f") return source === "f" ? small <= large : large === 8 || small <= 2;
  if (source === target) return small <= large;
  return source === "u" && target === "i" && small < large;
}

const promotions = ["int16", "int32", "int64", "float32", "float64"] as const;

function promote(a: DType, b: DType): DType {
  if (canCast(a, b)) return b;
  if (canCast(b, a)) return a;
  return promotions.find((common) => canCast(a, common) && canCast(b, common)) ?? "float64";
}

/** The dtype that holds values of all: `numpy.result_type`. float64 for none. */
export function resultType(dtypes: readonly DType[]): DType {
  return dtypes.length === 0 ? "float64" : dtypes.reduce(promote);
}
