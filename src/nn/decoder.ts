/**
 * @file A decoder transformer with rotary positions and normalized queries and keys: the whole sequence at once, or a few
 * positions after caches of fixed size.
 */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import type { KeyValueCache } from "./attention.ts";
import { linear, rmsNorm } from "./layers.ts";
import { initRotaryBlock, projectRotary, type RotaryBlock, type RotaryHeads } from "./rotary-block.ts";
import type { RotaryTable } from "./rotary.ts";

/** Blocks by name, in order; each is x + attention(norm(x)), then x + mlp(norm(x)). */
export type DecoderBlocks<T> = { readonly [name: string]: RotaryBlock<T> };

/** Keys and values by block name: [B, heads, P, D / heads] each. */
export type DecoderCaches<T> = { readonly [name: string]: KeyValueCache<T> };

/** `count` blocks of width `dim` with a hidden layer of 4·dim; residual branches start scaled by depth. */
export function initDecoder(
  rng: Rng,
  options: { dim: number; heads: number; count: number },
): DecoderBlocks<NdArray> {
  const { dim, heads, count } = options;
  const gain = 1 / Math.sqrt(2 * count);
  const blocks: Record<string, RotaryBlock<NdArray>> = {};
  for (let i = 0; i < count; i++) blocks[`block${i}`] = initRotaryBlock(rng, { dim, heads, gain });
  return blocks;
}

/** x [B, L, D], normalized, to queries, keys and values. */
function project(
  block: RotaryBlock<Tensor>,
  x: Tensor,
  { heads, rotary }: { heads: number; rotary: RotaryTable },
): RotaryHeads {
  return projectRotary(block, rmsNorm(block.attentionNorm, x), heads, rotary);
}

/** Residual sums after attention's output `mixed` [B, heads, L, D / heads]. */
function finish(block: RotaryBlock<Tensor>, x: Tensor, mixed: Tensor): Tensor {
  const attended = tf.add(x, linear(block.out, tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), x.shape)));
  const hidden = tf.relu(linear(block.up, rmsNorm(block.mlpNorm, attended)));
  return tf.add(attended, linear(block.down, hidden));
}

/** Additive mask [L, L]: a position sees itself and earlier ones. */
function causalMask(length: number): Tensor {
  const values = new Float32Array(length * length);
  for (let i = 0; i < length; i++) values.fill(-1e9, i * length + i + 1, (i + 1) * length);
  return tf.tensor2d(values, [length, length]);
}

/** x [B, L, D] through all blocks, each position seeing itself and what is before it; also every block's keys and values. */
export function decodeSequence(
  blocks: DecoderBlocks<Tensor>,
  x: Tensor,
  options: { heads: number; rotary: RotaryTable },
): { output: Tensor; caches: DecoderCaches<Tensor> } {
  const mask = causalMask(x.shape[1] as number);
  const caches: Record<string, KeyValueCache<Tensor>> = {};
  let h = x;
  for (const [name, block] of Object.entries(blocks)) {
    const { queries, keys, values } = project(block, h, options);
    const weights = tf.softmax(tf.add(tf.matMul(queries, keys, false, true), mask), -1);
    h = finish(block, h, tf.matMul(weights, values));
    caches[name] = { keys, values };
  }
  return { output: h, caches };
}

/** What a few new positions see besides themselves. */
export interface DecoderPast {
  /** All of it is seen. */
  readonly context: DecoderCaches<Tensor>;
  /** A cache of fixed size, filled in part. */
  readonly recent: DecoderCaches<Tensor>;
  /** Additive mask [B, 1, 1, P] over `recent`: 0 where it is filled, −1e9 where not. */
  readonly recentMask: Tensor;
}

/** Attention over three lists of keys without joining the lists, whose copies would cost more than the products. */
function attendAll(
  own: RotaryHeads,
  past: readonly { cache: KeyValueCache<Tensor>; mask?: Tensor }[],
): Tensor {
  const length = own.queries.shape[2] as number;
  const parts = [...past, { cache: { keys: own.keys, values: own.values }, mask: causalMask(length) }];
  const scores = parts.map(({ cache, mask }) => {
    const score = tf.matMul(own.queries, cache.keys, false, true);
    return mask === undefined ? score : tf.add(score, mask);
  });
  const weights = tf.split(
    tf.softmax(tf.concat(scores, -1), -1),
    scores.map((score) => score.shape[3] as number),
    -1,
  );
  return tf.addN(weights.map((weight, i) => tf.matMul(weight, parts[i].cache.values)));
}

/**
 * New positions x [B, m, D] after a past of fixed shape; the same as the end of `decodeSequence` over everything.
 * @returns the output and the new positions' own keys and values [B, heads, m, D / heads]
 */
export function decodeNext(
  blocks: DecoderBlocks<Tensor>,
  x: Tensor,
  options: { heads: number; rotary: RotaryTable; past: DecoderPast },
): { output: Tensor; caches: DecoderCaches<Tensor> } {
  const { context, recent, recentMask } = options.past;
  const caches: Record<string, KeyValueCache<Tensor>> = {};
  let h = x;
  for (const [name, block] of Object.entries(blocks)) {
    const own = project(block, h, options);
    const past = [{ cache: context[name] }, { cache: recent[name], mask: recentMask }];
    h = finish(block, h, attendAll(own, past));
    caches[name] = { keys: own.keys, values: own.values };
  }
  return { output: h, caches };
}
