/** @file What transformer blocks with rotary positions and normalized queries and keys share: their weights and projections. */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { initLinear, initNorm, linear, rmsNorm, type Linear, type Norm } from "./layers.ts";
import { rotate, type RotaryTable } from "./rotary.ts";

/** Attention and a perceptron with their norms. */
export interface RotaryBlock<T> {
  readonly attentionNorm: Norm<T>;
  readonly qkv: Linear<T>;
  /** Gains [D / heads], shared by the heads. */
  readonly queryNorm: Norm<T>;
  readonly keyNorm: Norm<T>;
  readonly out: Linear<T>;
  readonly mlpNorm: Norm<T>;
  readonly up: Linear<T>;
  readonly down: Linear<T>;
}

/** A block of width `dim` with a hidden layer of 4·dim; `gain` scales the start of both residual branches' last layers. */
export function initRotaryBlock(
  rng: Rng,
  { dim, heads, gain = 1 }: { dim: number; heads: number; gain?: number },
): RotaryBlock<NdArray> {
  return {
    attentionNorm: initNorm(dim),
    qkv: initLinear(rng, dim, 3 * dim),
    queryNorm: initNorm(dim / heads),
    keyNorm: initNorm(dim / heads),
    out: initLinear(rng, dim, dim, gain),
    mlpNorm: initNorm(dim),
    up: initLinear(rng, dim, 4 * dim, Math.SQRT2),
    down: initLinear(rng, 4 * dim, dim, gain),
  };
}

/** Queries (scaled by 1 / √(D / heads)), keys and values: [B, heads, L, D / heads] each. */
export interface RotaryHeads {
  readonly queries: Tensor;
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** x [B, …, D] of L positions in all, normalized already, to queries and keys (normalized and turned) and values. */
export function projectRotary(
  block: RotaryBlock<Tensor>,
  x: Tensor,
  heads: number,
  rotary: RotaryTable,
): RotaryHeads {
  const batch = x.shape[0];
  const dim = x.shape[x.rank - 1];
  const [length, size] = [x.size / batch / dim, dim / heads];
  const fused = tf.reshape(linear(block.qkv, x), [batch, length, 3, heads, size]);
  const [q, k, v] = tf.unstack(tf.transpose(fused, [2, 0, 3, 1, 4]), 0);
  const queries = rotate(rmsNorm(block.queryNorm, q), rotary);
  return {
    queries: tf.mul(queries, 1 / Math.sqrt(size)),
    keys: rotate(rmsNorm(block.keyNorm, k), rotary),
    values: v,
  };
}
