/**
 * @file Attention of a frame's positions to the frame's own numbers, one token each: how actions can enter a transformer in
 * place of its norms.
 */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { initLinear, initNorm, linear, normalInit, rmsNorm, type Linear, type Norm } from "./layers.ts";

/** One block. A number x becomes the key and value x·scales + offsets of its row: [A, 2D] each. */
export interface CrossBlock<T> {
  readonly norm: Norm<T>;
  readonly query: Linear<T>;
  readonly scales: T;
  readonly offsets: T;
  readonly out: Linear<T>;
}

/** Blocks by the names of the transformer's, or none. */
export type CrossBlocks<T> = { readonly [name: string]: CrossBlock<T> };

/** `count` blocks of width `dim` that read `size` numbers. */
export function initCross(
  rng: Rng,
  { dim, size, count }: { dim: number; size: number; count: number },
): CrossBlocks<NdArray> {
  const blocks: Record<string, CrossBlock<NdArray>> = {};
  for (let i = 0; i < count; i++) {
    blocks[`block${i}`] = {
      norm: initNorm(dim),
      query: initLinear(rng, dim, dim),
      scales: normalInit(rng, [size, 2 * dim], 1),
      offsets: normalInit(rng, [size, 2 * dim], 0.5),
      out: initLinear(rng, dim, dim),
    };
  }
  return blocks;
}

/** What positions x [B, F, P, D] read of their frame's numbers [B, F, A]: [B, F, P, D], to be added to x. */
export function crossAttend(block: CrossBlock<Tensor>, x: Tensor, numbers: Tensor, heads: number): Tensor {
  const [batch, frames, positions, dim] = x.shape as [number, number, number, number];
  const [rows, count, size] = [batch * frames, numbers.shape[2] as number, dim / heads];
  const split = (y: Tensor, length: number): Tensor =>
    tf.transpose(tf.reshape(y, [rows, length, heads, size]), [0, 2, 1, 3]);
  const tokens = tf.add(tf.mul(tf.reshape(numbers, [rows, count, 1]), block.scales), block.offsets);
  const [keys, values] = tf.split(tokens, 2, -1).map((y) => split(y, count));
  const queries = split(linear(block.query, rmsNorm(block.norm, x)), positions);
  const scores = tf.mul(tf.matMul(queries, keys, false, true), 1 / Math.sqrt(size));
  const read = tf.matMul(tf.softmax(scores, -1), values);
  return linear(block.out, tf.reshape(tf.transpose(read, [0, 2, 1, 3]), x.shape));
}
