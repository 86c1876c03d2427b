/**
 * @file The clip tokenizer's network: Haar patches, attention within a latent frame, and a causal mix over the latent
 * frames before it, down to a bounded latent per patch or to a point of a lattice.
 */

import { tf, type Tensor } from "../engine/jit.ts";
import type { NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";
import type { Rng } from "../core/rng.ts";
import { initLinear, initNorm, linear, normalInit, rmsNorm, type Linear, type Norm } from "../nn/layers.ts";
import { initBlocks, transformer, type Blocks } from "../nn/transformer.ts";
import { temporalCompressions } from "./frame-law.ts";
import { codebookSize, quantize } from "./fsq.ts";
import { haarPatch, haarUnpatch } from "./haar.ts";

/** Architecture; part of the checkpoint. */
export interface VideoTokenizerConfig {
  /** Height and width of a frame in pixels. */
  readonly size: number;
  readonly spatial: 8 | 16;
  readonly temporal: 1 | 4 | 8;
  readonly dim: number;
  readonly heads: number;
  readonly encoderBlocks: number;
  readonly decoderBlocks: number;
  /** Latent frames back that each block looks; 0 makes every latent frame stand alone. */
  readonly history: number;
  readonly latent:
    | {
        readonly kind: "continuous";
        readonly channels: number;
        /** Standard deviation of the noise on latents in training; keeps the decoder smooth between codes. */
        readonly noise: number;
      }
    | { readonly kind: "discrete"; readonly levels: readonly number[] };
}

/** A stack of blocks, each followed by its mix over time (none where `history` is 0). */
interface Stack<T> {
  readonly positions: T;
  readonly blocks: Blocks<T>;
  readonly mixes: { readonly [block: string]: Linear<T> };
  readonly norm: Norm<T>;
}

/** Weights. */
export interface VideoTokenizerParams<T> {
  readonly embed: Linear<T>;
  readonly encoder: Stack<T>;
  readonly bottleneck: Linear<T>;
  readonly expand: Linear<T>;
  readonly decoder: Stack<T>;
  readonly output: Linear<T>;
}

const LATENT_BOUND = 3;

/** Patches per latent frame. */
export function gridTokens(config: VideoTokenizerConfig): number {
  return (config.size / config.spatial) ** 2;
}

/** Numbers per grid position. */
export function latentChannels({ latent }: VideoTokenizerConfig): number {
  return latent.kind === "continuous" ? latent.channels : latent.levels.length;
}

/** Latent frames before a latent frame that decoding or encoding it looks at. */
export function receptiveField(config: VideoTokenizerConfig, part: "encoder" | "decoder"): number {
  return config.history * (part === "encoder" ? config.encoderBlocks : config.decoderBlocks);
}

function checkConfig(config: VideoTokenizerConfig): void {
  const { size, spatial, temporal, dim, heads, history, latent } = config;
  if (latent.kind === "discrete") codebookSize(latent.levels);
  const sound =
    [8, 16].includes(spatial) && temporalCompressions.includes(temporal) && Number.isInteger(history);
  if (sound && history >= 0 && size % spatial === 0 && dim % heads === 0) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "clip tokenizer config is not sound",
    expected:
      "spatial 8 or 16, a divisor of size; temporal 1, 4 or 8; history 0 or more; heads a divisor of dim",
    got: `size ${size}, spatial ${spatial}, temporal ${temporal}, history ${history}, dim ${dim}, heads ${heads}`,
    fix: "for 64×64 frames use spatial 8, temporal 4, history 1, dim 128, heads 4",
  });
}

function initStack(rng: Rng, config: VideoTokenizerConfig, count: number): Stack<NdArray> {
  const { dim, history } = config;
  const blocks = initBlocks(rng, dim, count);
  const mixes: Record<string, Linear<NdArray>> = {};
  if (history > 0) {
    for (const name of Object.keys(blocks)) mixes[name] = initLinear(rng, history * dim, dim, 0.2);
  }
  return { positions: normalInit(rng, [gridTokens(config), dim], 0.02), blocks, mixes, norm: initNorm(dim) };
}

/** Fresh weights. @throws INVALID_ARGUMENT for a config that does not divide or is out of range */
export function initVideoTokenizer(rng: Rng, config: VideoTokenizerConfig): VideoTokenizerParams<NdArray> {
  checkConfig(config);
  const { dim, spatial, temporal } = config;
  const patchValues = 3 * spatial ** 2 * temporal;
  const channels = latentChannels(config);
  return {
    embed: initLinear(rng, patchValues, dim),
    encoder: initStack(rng, config, config.encoderBlocks),
    bottleneck: initLinear(rng, dim, channels),
    expand: initLinear(rng, channels, dim),
    decoder: initStack(rng, config, config.decoderBlocks),
    output: initLinear(rng, dim, patchValues, 0.2),
  };
}

/** The `history` latent frames before each, zeros before the first, side by side: x [B, K, N, D] to [B, K, N, history·D]. */
function lookBack(x: Tensor, history: number): Tensor {
  const [batch, latents, tokens, dim] = x.shape as [number, number, number, number];
  const padded = tf.pad(x, [
    [0, 0],
    [history, 0],
    [0, 0],
    [0, 0],
  ]);
  const shifted = Array.from({ length: history }, (_, i) =>
    tf.slice(padded, [0, history - 1 - i, 0, 0], [batch, latents, tokens, dim]),
  );
  return history === 1 ? shifted[0] : tf.concat(shifted, -1);
}

function runStack(stack: Stack<Tensor>, x: Tensor, config: VideoTokenizerConfig): Tensor {
  const [batch, latents, tokens, dim] = x.shape as [number, number, number, number];
  let h: Tensor = tf.reshape(tf.add(x, stack.positions), [batch * latents, tokens, dim]);
  for (const [name, block] of Object.entries(stack.blocks)) {
    h = transformer({ [name]: block }, h, { heads: config.heads }).output;
    if (config.history === 0) continue;
    const frames = tf.reshape(h, [batch, latents, tokens, dim]);
    const mixed = linear(stack.mixes[name], lookBack(frames, config.history));
    h = tf.reshape(tf.add(frames, mixed), [batch * latents, tokens, dim]);
  }
  return tf.reshape(rmsNorm(stack.norm, h), [batch, latents, tokens, dim]);
}

/** Groups of frames uint8 [B, K·c, H, W, 3] as orthonormal wavelet coefficients of pixels in [-1, 1]: [B, K, N, 3s²·c]. */
export function clipCoefficients(groups: Tensor, config: VideoTokenizerConfig): Tensor {
  const pixels = tf.sub(tf.mul(tf.cast(groups, "float32"), 2 / 255), 1);
  return tf.mul(haarPatch(pixels, config), Math.sqrt(config.temporal) * config.spatial);
}

/** Coefficients [B, K, N, 3s²·c] to latents [B, K, N, C]: bounded numbers, or lattice points in [-1, 1]. */
export function encodeClip(
  p: VideoTokenizerParams<Tensor>,
  coefficients: Tensor,
  config: VideoTokenizerConfig,
): Tensor {
  const raw = linear(p.bottleneck, runStack(p.encoder, linear(p.embed, coefficients), config));
  if (config.latent.kind === "discrete") return quantize(raw, config.latent.levels);
  return tf.mul(tf.tanh(tf.div(raw, LATENT_BOUND)), LATENT_BOUND);
}

/** Latents [B, K, N, C] to coefficients [B, K, N, 3s²·c]. */
export function decodeClip(
  p: VideoTokenizerParams<Tensor>,
  latents: Tensor,
  config: VideoTokenizerConfig,
): Tensor {
  return linear(p.output, runStack(p.decoder, linear(p.expand, latents), config));
}

/** Coefficients to groups of frames, float32 [B, K·c, H, W, 3] in 0 … 255 (not clipped). */
export function clipPixels(coefficients: Tensor, config: VideoTokenizerConfig): Tensor {
  const plain = tf.div(coefficients, Math.sqrt(config.temporal) * config.spatial);
  const pixels = haarUnpatch(plain, config, [config.size, config.size]);
  return tf.mul(tf.add(pixels, 1), 127.5);
}
