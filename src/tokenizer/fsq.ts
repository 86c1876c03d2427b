/**
 * @file Finite scalar quantization: each channel is bounded and rounded to a few steps; the codebook is their product
 * and needs no learning.
 * @source Mentzer et al. 2023, Finite Scalar Quantization, §3 and appendix A.1; Cosmos Tokenizer, `modules/quantizers.py`
 */

import { stopGradient, tf, type Tensor } from "../engine/jit.ts";
import { fail } from "../core/errors.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";

/** The levels of Cosmos: 64,000 codes. */
export const cosmosLevels: readonly number[] = [8, 8, 8, 5, 5, 5];

const EPSILON = 1e-3;

/** Number of codes. @throws INVALID_ARGUMENT unless every channel has 2 or more whole steps and ids fit in float32 */
export function codebookSize(levels: readonly number[]): number {
  const size = levels.reduce((product, steps) => product * steps, 1);
  if (levels.length > 0 && levels.every((steps) => Number.isInteger(steps) && steps >= 2) && size <= 2 ** 24)
    return size;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "no such quantization levels",
    expected: "one or more whole numbers of 2 or above whose product is at most 2^24",
    got: `(${levels.join(", ")})`,
    fix: `use (${cosmosLevels.join(", ")}) for 64,000 codes or (8, 5, 5, 5) for 1,000`,
  });
}

/** Place value of each channel in an id; the first channel counts by ones. */
function basisOf(levels: readonly number[]): number[] {
  let place = 1;
  return levels.map((steps) => {
    const own = place;
    place *= steps;
    return own;
  });
}

const halfWidth = (steps: number): number => Math.floor(steps / 2);

/** Smoothly bound z [..., d] so that rounding gives exactly `levels` whole numbers per channel. */
export function boundCodes(z: Tensor, levels: readonly number[]): Tensor {
  const half = levels.map((steps) => ((steps - 1) * (1 + EPSILON)) / 2);
  const offset = levels.map((steps) => (steps % 2 === 0 ? 0.5 : 0));
  const shift = half.map((h, i) => Math.atanh(offset[i] / h));
  return tf.sub(tf.mul(tf.tanh(tf.add(z, tf.tensor1d(shift))), tf.tensor1d(half)), tf.tensor1d(offset));
}

/** z [..., d] to codes [..., d] in [-1, 1], multiples of 1 / ⌊L/2⌋; gradients pass the rounding straight through. */
export function quantize(z: Tensor, levels: readonly number[]): Tensor {
  const bounded = boundCodes(z, levels);
  const rounded = tf.add(bounded, stopGradient(tf.sub(tf.round(bounded), bounded)));
  return tf.div(rounded, tf.tensor1d(levels.map(halfWidth)));
}

/** Ids int32 of codes float32 [..., d], on the host. */
export function codesToIds(codes: NdArray<"float32">, levels: readonly number[]): NdArray<"int32"> {
  const basis = basisOf(levels);
  const out = zeros("int32", codes.shape.slice(0, -1));
  const count = levels.length;
  for (let i = 0; i < codes.data.length; i++) {
    const width = halfWidth(levels[i % count]);
    out.data[Math.floor(i / count)] += Math.round(codes.data[i] * width + width) * basis[i % count];
  }
  return out;
}

/** Codes float32 [..., d] of ids [...]. @throws INVALID_ARGUMENT for an id outside of the codebook */
export function idsToCodes(ids: NdArray<"int32" | "float32">, levels: readonly number[]): NdArray<"float32"> {
  const size = codebookSize(levels);
  const basis = basisOf(levels);
  const count = levels.length;
  const out = zeros("float32", [...ids.shape, count]);
  for (let i = 0; i < ids.data.length; i++) {
    const id = ids.data[i];
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      fail({
        code: "INVALID_ARGUMENT",
        what: "no such token",
        expected: `a whole number from 0 to ${size - 1}`,
        got: String(id),
        fix: "decode with the tokenizer that made the tokens",
      });
    }
    for (let d = 0; d < count; d++) {
      const width = halfWidth(levels[d]);
      out.data[i * count + d] = ((Math.floor(id / basis[d]) % levels[d]) - width) / width;
    }
  }
  return out;
}

/** How a codebook is used. */
export interface CodebookUse {
  /** Different codes that were seen. */
  readonly used: number;
  /** Share of the codebook. */
  readonly usage: number;
  /** 2^entropy of the codes' frequencies: as many equally frequent codes would be as hard to guess. */
  readonly perplexity: number;
}

/** Usage and perplexity of a codebook of `size` codes over tokens of any shape. */
export function codebookUse(ids: NdArray<"int32">, size: number): CodebookUse {
  const counts = new Map<number, number>();
  for (const id of ids.data) counts.set(id, (counts.get(id) ?? 0) + 1);
  let entropy = 0;
  for (const count of counts.values()) {
    const share = count / ids.data.length;
    entropy -= share * Math.log2(share);
  }
  return { used: counts.size, usage: counts.size / size, perplexity: 2 ** entropy };
}
