/** @file Masks and probabilities that restrict a sample: their checks, and the draw among what they allow. */

import { fail } from "../errors.ts";
import { isNdArray } from "../ndarray.ts";
import type { Rng } from "../rng.ts";

function malformed(what: string, expected: string, got: string): never {
  return fail({ code: "INVALID_ARGUMENT", what, expected, got, fix: "see the space's `sample`" });
}

/** The plain numbers of a mask or of probabilities. @throws INVALID_ARGUMENT unless there are `count` */
export function numbersOf(value: unknown, count: number, what: string): ArrayLike<number> {
  const data = isNdArray(value) ? value.data : value;
  if (
    (!Array.isArray(data) && !ArrayBuffer.isView(data)) ||
    data instanceof BigInt64Array ||
    data instanceof BigUint64Array
  ) {
    malformed(`${what} is not a list of numbers`, `${count} numbers`, typeof value);
  }
  const numbers = data as ArrayLike<number>;
  if (numbers.length !== count)
    malformed(`${what} has the wrong length`, `${count} numbers`, `${numbers.length}`);
  return numbers;
}

/** Indices that a mask of 0 and 1 allows. */
export function allowedIndices(mask: unknown, count: number): number[] {
  const flags = Array.from(numbersOf(mask, count, "the mask"));
  if (!flags.every((flag) => flag === 0 || flag === 1))
    malformed("a mask has other values", "0 or 1", flags.join(", "));
  return flags.flatMap((flag, index) => (flag === 1 ? [index] : []));
}

/** NumPy's `sum`: pairwise, eight accumulators in a block; needed where the last bit decides. */
export function pairwiseSum(values: ArrayLike<number>, start = 0, count = values.length): number {
  if (count < 8) {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += values[start + i];
    return sum;
  }
  if (count > 128) {
    const half = Math.floor(count / 2) - (Math.floor(count / 2) % 8);
    return pairwiseSum(values, start, half) + pairwiseSum(values, start + half, count - half);
  }
  const r = Array.from({ length: 8 }, (_, i) => values[start + i]);
  const blocks = count - (count % 8);
  for (let i = 8; i < blocks; i++) r[i % 8] += values[start + i];
  let sum = r[0] + r[1] + (r[2] + r[3]) + (r[4] + r[5] + (r[6] + r[7]));
  for (let i = blocks; i < count; i++) sum += values[start + i];
  return sum;
}

/** Probabilities in [0, 1] that sum to 1 within NumPy's `isclose`. */
export function probabilitiesOf(value: unknown, count: number): Float64Array {
  const p = Float64Array.from(numbersOf(value, count, "the list of probabilities"));
  if (!p.every((weight) => weight >= 0 && weight <= 1)) {
    malformed("a probability is out of range", "numbers in [0, 1]", p.join(", "));
  }
  const sum = pairwiseSum(p);
  if (!(Math.abs(sum - 1) <= 1e-8 + 1e-5)) malformed("the probabilities do not sum to 1", "1", `${sum}`);
  return p;
}

/** One of the indices that `mask` allows, all equally likely; undefined where it allows none. */
export function drawMasked(rng: Rng, mask: unknown, count: number): number | undefined {
  const allowed = allowedIndices(mask, count);
  return allowed.length === 0 ? undefined : allowed[rng.integers(0, allowed.length)];
}

/** One index of `count` as likely as `probability` says; the weights are scaled to sum 1 and zeros left out first. */
export function drawWeighted(rng: Rng, probability: unknown, count: number): number {
  const p = probabilitiesOf(probability, count);
  const sum = pairwiseSum(p);
  const possible = Array.from(p.keys()).filter((index) => p[index] > 0);
  return possible[rng.choice(possible.length, { p: possible.map((index) => p[index] / sum) })];
}
