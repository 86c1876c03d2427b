/** @file The values that can cross the wire, and the markers for those that JavaScript cannot tell apart by itself. */

import { isNdArray, type NdArray } from "../../core/ndarray.ts";

/** Anything the codec encodes. `undefined` entries of a map are left out; in a list they become nil. */
export type WireValue =
  | null
  | undefined
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | NdArray
  | Float
  | Half
  | NumpyScalar
  | readonly WireValue[]
  | { readonly [key: string]: WireValue };

/** A decoded map: no prototype, so that a key like `__proto__` is only a key. */
export interface WireMap {
  [key: string]: WireValue;
}

/** Makes maps: their prototype is empty, so that a key like `__proto__` is only a key, and looking one up is fast. */
class Map0 {}
Object.setPrototypeOf(Map0.prototype, null);
delete (Map0.prototype as { constructor?: unknown }).constructor;

/** A new empty map for decoded entries. */
export function makeMap(): WireMap {
  return new Map0() as WireMap;
}

/** Is this prototype one of a plain record, a `null` one, or a decoded map's? */
export function isPlainPrototype(prototype: unknown): boolean {
  return prototype === Object.prototype || prototype === null || prototype === Map0.prototype;
}

/** A number that is written as float64 even when it is integral, as Python writes `2.0`. */
export class Float {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** A float32 array that is written as NumPy float16 (`<f2`), rounding to nearest even. */
export class Half {
  readonly array: NdArray<"float32">;

  constructor(array: NdArray<"float32">) {
    this.array = array;
  }
}

/** A NumPy scalar such as `np.float32(0.5)`, with its dtype string. */
export class NumpyScalar {
  readonly dtype: string;
  readonly value: number | bigint | boolean | string;

  constructor(dtype: string, value: number | bigint | boolean | string) {
    this.dtype = dtype;
    this.value = value;
  }
}

/** Is `value` a map, that is neither an array, a list, bytes nor a marker? */
export function isWireMap(value: unknown): value is WireMap {
  if (typeof value !== "object" || value === null || Array.isArray(value) || ArrayBuffer.isView(value))
    return false;
  return !(
    value instanceof Float ||
    value instanceof Half ||
    value instanceof NumpyScalar ||
    isNdArray(value)
  );
}
