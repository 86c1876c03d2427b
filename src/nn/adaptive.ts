/**
 * @file Transformer blocks whose norms are set by a condition per frame ("adaptive norm"), frame-causal in time, with keys
 * and values of past frames that need computing only once.
 * @source Peebles & Xie 2023, Scalable Diffusion Models with Transformers, §3.2 (adaLN-Zero)
 */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { frameCausalMask, type KeyValueCache } from "./attention.ts";
import { crossAttend, type CrossBlocks } from "./cross-attention.ts";
import { initLinear, linear, rmsNorm, type Linear } from "./layers.ts";
import { initRotaryBlock, projectRotary, type RotaryBlock } from "./rotary-block.ts";
import type { RotaryTable } from "./rotary.ts";

/** One block; `modulation` [D, 6D] starts at zero, so that a fresh block changes nothing. */
export interface AdaptiveBlock<T> extends RotaryBlock<T> {
  readonly modulation: Linear<T>;
}

/** Blocks by name, in order. */
export type AdaptiveBlocks<T> = { readonly [name: string]: AdaptiveBlock<T> };

/** Keys and values of past frames by block name: [B, heads, positions, D / heads]. */
export type AdaptiveCaches<T> = { readonly [name: string]: KeyValueCache<T> };

/** `count` blocks of width `dim` with a hidden layer of 4·dim. */
export function initAdaptive(
  rng: Rng,
  options: { dim: number; heads: number; count: number },
): AdaptiveBlocks<NdArray> {
  const { dim, heads, count } = options;
  const blocks: Record<string, AdaptiveBlock<NdArray>> = {};
  for (let i = 0; i < count; i++) {
    blocks[`block${i}`] = {
      modulation: initLinear(rng, dim, 6 * dim, 0),
      ...initRotaryBlock(rng, { dim, heads }),
    };
  }
  return blocks;
}

/** Shift, scale and gate of attention, then of the perceptron: six of [B, F, 1, D]. */
function modulationOf(block: AdaptiveBlock<Tensor>, conditions: Tensor): Tensor[] {
  const [batch, frames, dim] = conditions.shape as [number, number, number];
  const all = linear(block.modulation, tf.relu(conditions));
  return tf.split(tf.reshape(all, [batch, frames, 1, 6 * dim]), 6, -1);
}

const modulate = (x: Tensor, shift: Tensor, scale: Tensor): Tensor =>
  tf.add(tf.mul(x, tf.add(scale, 1)), shift);

interface AttendOptions {
  readonly heads: number;
  readonly rotary: RotaryTable;
  readonly mask?: Tensor;
  readonly past?: KeyValueCache<Tensor>;
}

/** x [B, F, P, D]: attention over all its positions and those of the past. */
function attend(
  block: AdaptiveBlock<Tensor>,
  x: Tensor,
  { heads, rotary, mask, past }: AttendOptions,
): { output: Tensor; cache: KeyValueCache<Tensor> } {
  const { queries, ...own } = projectRotary(block, x, heads, rotary);
  const keys = past ? tf.concat([past.keys, own.keys], 2) : own.keys;
  const values = past ? tf.concat([past.values, own.values], 2) : own.values;
  const scores = tf.matMul(queries, keys, false, true);
  const mixed = tf.matMul(tf.softmax(mask ? tf.add(scores, mask) : scores, -1), values);
  const joined = tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), x.shape);
  return { output: linear(block.out, joined), cache: own };
}

/**
 * Frames x [B, F, P, D] through all blocks; a position sees its own frame and those before it.
 * @param options.conditions [B, F, D] @param options.rotary one row per position of x
 * @param options.past keys and values of earlier frames, all of which are seen
 * @param options.crossing numbers [B, F, A] that positions attend to in each frame, in the blocks named
 * @returns the output and the frames' own keys and values
 */
export function adaptiveTransformer(
  blocks: AdaptiveBlocks<Tensor>,
  x: Tensor,
  options: {
    conditions: Tensor;
    heads: number;
    rotary: RotaryTable;
    past?: AdaptiveCaches<Tensor>;
    crossing?: { blocks: CrossBlocks<Tensor>; numbers: Tensor };
  },
): { output: Tensor; caches: AdaptiveCaches<Tensor> } {
  const { conditions, heads, rotary, past, crossing } = options;
  const [, frames, positions] = x.shape as [number, number, number];
  const causal = { queryFrames: frames, keyFrames: frames, tokensPerFrame: positions };
  const mask = frames > 1 ? frameCausalMask(causal) : undefined;
  const caches: Record<string, KeyValueCache<Tensor>> = {};
  let h = x;
  for (const [name, block] of Object.entries(blocks)) {
    const [shift, scale, gate, mlpShift, mlpScale, mlpGate] = modulationOf(block, conditions);
    const normed = modulate(rmsNorm(block.attentionNorm, h), shift, scale);
    const attended = attend(block, normed, { heads, rotary, mask, past: past?.[name] });
    caches[name] = attended.cache;
    h = tf.add(h, tf.mul(attended.output, gate));
    const crossed = crossing?.blocks[name];
    if (crossing && crossed) h = tf.add(h, crossAttend(crossed, h, crossing.numbers, heads));
    const inner = modulate(rmsNorm(block.mlpNorm, h), mlpShift, mlpScale);
    h = tf.add(h, tf.mul(linear(block.down, tf.relu(linear(block.up, inner))), mlpGate));
  }
  return { output: h, caches };
}
