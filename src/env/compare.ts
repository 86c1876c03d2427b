/** @file Bit-exact comparison of observations, batches, infos and results, naming the first difference. */

import { isNdArray } from "../core/ndarray.ts";

function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return typeof value === "object" && value !== null ? "(object)" : String(value);
}

/**
 * Where `a` and `b` differ first, as "path: a is …, b is …"; undefined when they are identical.
 *
 * Numbers compare by `Object.is` (NaN equals NaN, 0 differs from -0), arrays by dtype, shape and every element.
 */
export function firstDifference(a: unknown, b: unknown, path = ""): string | undefined {
  if (isNdArray(a) && isNdArray(b)) {
    if (a.dtype !== b.dtype || a.shape.join() !== b.shape.join()) {
      return `${path || "value"}: ${a.dtype} [${a.shape.join(", ")}] against ${b.dtype} [${b.shape.join(", ")}]`;
    }
    const [x, y] = [a.data as Float64Array, b.data as Float64Array];
    for (let i = 0; i < x.length; i++) {
      const same = x[i] === y[i] && x[i] !== 0;
      if (!same && !Object.is(x[i], y[i])) return `${path}[${i}]: ${x[i]} against ${y[i]}`;
    }
    return undefined;
  }
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return Object.is(a, b) ? undefined : `${path || "value"}: ${show(a)} against ${show(b)}`;
  }
  const keys = Object.keys(a);
  if (keys.join() !== Object.keys(b).join()) {
    return `${path || "value"}: keys {${keys.join(", ")}} against {${Object.keys(b).join(", ")}}`;
  }
  for (const key of keys) {
    const inner = path === "" ? key : `${path}.${key}`;
    const difference = firstDifference(a[key as never], b[key as never], inner);
    if (difference !== undefined) return difference;
  }
  return undefined;
}
