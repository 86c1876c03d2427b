/** @file Pre-norm transformer blocks and the patch layout of images. */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { attention, initAttention, type Attention, type KeyValueCache } from "./attention.ts";
import { initLinear, initNorm, linear, rmsNorm, type Linear, type Norm } from "./layers.ts";

/** One block: x + attention(norm(x)), then x + mlp(norm(x)). */
export interface Block<T> {
  readonly attentionNorm: Norm<T>;
  readonly attention: Attention<T>;
  readonly mlpNorm: Norm<T>;
  readonly up: Linear<T>;
  readonly down: Linear<T>;
}

/** Blocks by name, in order. */
export type Blocks<T> = { readonly [name: string]: Block<T> };

/** `count` blocks of width `dim` with a hidden layer of 4·dim; residual branches start scaled by depth. */
export function initBlocks(rng: Rng, dim: number, count: number): Blocks<NdArray> {
  const blocks: Record<string, Block<NdArray>> = {};
  const gain = 1 / Math.sqrt(2 * count);
  for (let i = 0; i < count; i++) {
    blocks[`block${i}`] = {
      attentionNorm: initNorm(dim),
      attention: initAttention(rng, dim, gain),
      mlpNorm: initNorm(dim),
      up: initLinear(rng, dim, 4 * dim, Math.SQRT2),
      down: initLinear(rng, 4 * dim, dim, gain),
    };
  }
  return blocks;
}

/** Options of a stack: `caches` by block name, for decoding step by step. */
export interface StackOptions {
  readonly heads: number;
  readonly mask?: Tensor;
  readonly caches?: Readonly<Record<string, KeyValueCache<Tensor>>>;
}

/** x [B, L, D] through all blocks; returns the output and every block's cache. */
export function transformer(
  blocks: Blocks<Tensor>,
  x: Tensor,
  options: StackOptions,
): { output: Tensor; caches: Record<string, KeyValueCache<Tensor>> } {
  const caches: Record<string, KeyValueCache<Tensor>> = {};
  let h = x;
  for (const [name, block] of Object.entries(blocks)) {
    const attended = attention(block.attention, rmsNorm(block.attentionNorm, h), {
      heads: options.heads,
      mask: options.mask,
      cache: options.caches?.[name],
    });
    caches[name] = attended.cache;
    h = tf.add(h, attended.output);
    h = tf.add(h, linear(block.down, tf.relu(linear(block.up, rmsNorm(block.mlpNorm, h)))));
  }
  return { output: h, caches };
}

/** Images [B, H, W, C] to patches [B, (H/p)·(W/p), p·p·C], row by row. */
export function patchify(images: Tensor, patch: number): Tensor {
  const [batch, height, width, channels] = images.shape;
  const grid = tf.reshape(images, [batch, height / patch, patch, width / patch, patch, channels] as never);
  return tf.reshape(tf.transpose(grid, [0, 1, 3, 2, 4, 5]), [
    batch,
    (height / patch) * (width / patch),
    patch * patch * channels,
  ]);
}

/** Inverse of `patchify` for an image of `height` × `width` × 3. */
export function unpatchify(patches: Tensor, patch: number, size: readonly [number, number]): Tensor {
  const batch = patches.shape[0];
  const [rows, columns] = [size[0] / patch, size[1] / patch];
  const grid = tf.reshape(patches, [batch, rows, columns, patch, patch, 3] as never);
  return tf.reshape(tf.transpose(grid, [0, 1, 3, 2, 4, 5]), [batch, size[0], size[1], 3]);
}
