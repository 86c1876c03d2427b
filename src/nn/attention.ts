/** @file Multi-head self-attention: dense or frame-causal, with a key/value cache for step-by-step decoding. */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { initLinear, linear, type Linear } from "./layers.ts";

/** Fused query/key/value projection [D, 3D] and output projection [D, D]. */
export interface Attention<T> {
  readonly qkv: Linear<T>;
  readonly out: Linear<T>;
}

/** Keys and values of past positions: [B, heads, P, D / heads] each. */
export interface KeyValueCache<T> {
  readonly keys: T;
  readonly values: T;
}

/** Attention parameters for width `dim`; the output projection starts at `outputGain`. */
export function initAttention(rng: Rng, dim: number, outputGain = 1): Attention<NdArray> {
  return { qkv: initLinear(rng, dim, 3 * dim), out: initLinear(rng, dim, dim, outputGain) };
}

function splitHeads(x: Tensor, heads: number): [Tensor, Tensor, Tensor] {
  const [batch, length, width] = x.shape;
  const size = width / 3 / heads;
  const grouped = tf.transpose(tf.reshape(x, [batch, length, 3, heads, size]), [2, 0, 3, 1, 4]);
  const [q, k, v] = tf.unstack(grouped, 0);
  return [q, k, v];
}

/**
 * Additive mask [queries, keys] for frame-causal attention: a token sees its own frame and earlier ones.
 * Queries are the last `queryFrames` of `keyFrames` frames of `tokensPerFrame` tokens; `window` bounds how many
 * past frames are seen (itself included).
 */
export function frameCausalMask(options: {
  queryFrames: number;
  keyFrames: number;
  tokensPerFrame: number;
  window?: number;
}): Tensor {
  const { queryFrames, keyFrames, tokensPerFrame, window = keyFrames } = options;
  const rows = queryFrames * tokensPerFrame;
  const columns = keyFrames * tokensPerFrame;
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    const frame = keyFrames - queryFrames + Math.floor(i / tokensPerFrame);
    for (let j = 0; j < columns; j++) {
      const other = Math.floor(j / tokensPerFrame);
      if (other > frame || other <= frame - window) values[i * columns + j] = -1e9;
    }
  }
  return tf.tensor2d(values, [rows, columns]);
}

/**
 * x [B, L, D] to [B, L, D].
 * @param options.mask additive [L, P + L]; absent means every position sees every other
 * @param options.cache keys and values of P earlier positions, put before this call's own
 * @returns the output and the cache that includes this call's positions
 */
export function attention(
  p: Attention<Tensor>,
  x: Tensor,
  options: { heads: number; mask?: Tensor; cache?: KeyValueCache<Tensor> },
): { output: Tensor; cache: KeyValueCache<Tensor> } {
  const [q, newKeys, newValues] = splitHeads(linear(p.qkv, x), options.heads);
  const keys = options.cache ? tf.concat([options.cache.keys, newKeys], 2) : newKeys;
  const values = options.cache ? tf.concat([options.cache.values, newValues], 2) : newValues;
  const size = q.shape[3] as number;
  const scaled = tf.mul(q, 1 / Math.sqrt(size));
  const scores = tf.matMul(scaled, keys, false, true);
  const weights = tf.softmax(options.mask ? tf.add(scores, options.mask) : scores, -1);
  const mixed = tf.transpose(tf.matMul(weights, values), [0, 2, 1, 3]);
  return { output: linear(p.out, tf.reshape(mixed, x.shape)), cache: { keys, values } };
}
