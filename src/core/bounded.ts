/** @file Integers below a bound without bias, consuming bits exactly as NumPy's `Generator.integers` does for each width. */

import type { IntegerDType } from "./dtypes.ts";
import type { NdArray } from "./ndarray.ts";
import type { Pcg64 } from "./pcg64.ts";

const TWO_32 = 4294967296;
const MASK_64 = (1n << 64n) - 1n;

/** An integer in [0, range], `range` < 2^32, by Lemire's method. @source Lemire (2019); NumPy `distributions.c` */
export function below32(bits: Pcg64, range: number): number {
  if (range === 0) return 0;
  if (range === TWO_32 - 1) return bits.nextUint32();
  const bound = range + 1;
  let word = bits.nextUint32();
  let leftover = Math.imul(word, bound) >>> 0;
  if (leftover < bound) {
    const threshold = (TWO_32 - bound) % bound;
    while (leftover < threshold) {
      word = bits.nextUint32();
      leftover = Math.imul(word, bound) >>> 0;
    }
  }
  // The low word is exact, so the rounded difference is the exact high word (< 2^53 after the division).
  return Math.round((word * bound - leftover) / TWO_32);
}

function next64(bits: Pcg64): bigint {
  bits.next();
  return (BigInt(bits.high >>> 0) << 32n) | BigInt(bits.low >>> 0);
}

/** An integer in [0, range], `range` from 2^32 to 2^64 - 1. */
function below64(bits: Pcg64, range: bigint): bigint {
  if (range === MASK_64) return next64(bits);
  const bound = range + 1n;
  let product = next64(bits) * bound;
  if ((product & MASK_64) < bound) {
    const threshold = (MASK_64 - range) % bound;
    while ((product & MASK_64) < threshold) product = next64(bits) * bound;
  }
  return product >> 64n;
}

/** An integer in [0, range] for 64-bit dtypes: ranges under 2^32 take the 32-bit path, as in NumPy. */
function belowBig(bits: Pcg64, range: bigint): bigint {
  return range < 4294967296n ? BigInt(below32(bits, Number(range))) : below64(bits, range);
}

/**
 * A source of integers in [0, range] for 1-, 8- and 16-bit dtypes. One 32-bit word is sliced, low bits first; what is
 * left of it is dropped with the source, so take one source per call of `integers`.
 */
function narrowBelow(bits: Pcg64, range: number, width: 1 | 8 | 16): () => number {
  const span = 2 ** width;
  let buffer = 0;
  let left = 0;
  const slice = (): number => {
    if (left === 0) {
      buffer = bits.nextUint32();
      left = 32 / width;
    } else {
      buffer >>>= width;
    }
    left--;
    return buffer & (span - 1);
  };
  if (range === 0) return () => 0;
  if (range === span - 1) return slice;
  const bound = range + 1;
  const threshold = (span - bound) % bound;
  return () => {
    let product = slice() * bound;
    while ((product & (span - 1)) < threshold) product = slice() * bound;
    return Math.floor(product / span);
  };
}

const WIDTHS: Partial<Record<IntegerDType, 1 | 8 | 16>> = {
  bool: 1,
  int8: 8,
  uint8: 8,
  int16: 16,
  uint16: 16,
};

/** One integer from `first` to `last` inclusive, in the stream of `dtype`. */
export function drawInteger(
  bits: Pcg64,
  first: number | bigint,
  last: number | bigint,
  dtype: IntegerDType,
): number {
  const range = Number(last) - Number(first);
  const width = WIDTHS[dtype];
  if (width !== undefined) return Number(first) + narrowBelow(bits, range, width)();
  if (range < TWO_32) return Number(first) + below32(bits, range);
  return Number(BigInt(first) + below64(bits, BigInt(last) - BigInt(first)));
}

/** Fill an integer array with draws from `first` to `last` inclusive, in the stream of its dtype. */
export function fillIntegers(
  bits: Pcg64,
  first: number | bigint,
  last: number | bigint,
  out: NdArray,
): NdArray {
  const { data, dtype } = out;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const base = BigInt(first);
    const range = BigInt(last) - base;
    for (let i = 0; i < data.length; i++) data[i] = base + belowBig(bits, range);
    return out;
  }
  const base = Number(first);
  const range = Number(last) - base;
  const width = WIDTHS[dtype as IntegerDType];
  const draw = width === undefined ? () => below32(bits, range) : narrowBelow(bits, range, width);
  for (let i = 0; i < data.length; i++) data[i] = base + draw();
  return out;
}
