/** @file Continuous tokenizer: a patch transformer autoencoder with a small bounded latent per patch. */

import { jit, tf, toUint8, type Host, type Tensor } from "../engine/jit.ts";
import { rows, zeros, type NdArray } from "../core/ndarray.ts";
import { fail } from "../core/errors.ts";
import type { Rng } from "../core/rng.ts";
import { initLinear, initNorm, linear, normalInit, rmsNorm, type Linear, type Norm } from "../nn/layers.ts";
import { initBlocks, patchify, transformer, unpatchify, type Blocks } from "../nn/transformer.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../nn/checkpoint.ts";
import type { LossResult } from "../nn/gradients.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Architecture; part of the checkpoint. */
export interface ContinuousConfig {
  readonly size: number;
  readonly patch: number;
  readonly dim: number;
  readonly heads: number;
  readonly encoderBlocks: number;
  readonly decoderBlocks: number;
  /** Latent numbers per patch. */
  readonly channels: number;
  /** Standard deviation of the noise on latents in training; keeps the decoder smooth between codes. */
  readonly latentNoise: number;
  /** Extra loss weight per unit distance from the mean frame, so that rare small things are not averaged away. */
  readonly rarityWeight: number;
}

/** Weights: patch embedding, encoder, bottleneck, decoder, patch output. */
export interface ContinuousParams<T> {
  readonly embed: Linear<T>;
  readonly encoderPositions: T;
  readonly encoder: Blocks<T>;
  readonly encoderNorm: Norm<T>;
  readonly bottleneck: Linear<T>;
  readonly expand: Linear<T>;
  readonly decoderPositions: T;
  readonly decoder: Blocks<T>;
  readonly decoderNorm: Norm<T>;
  readonly output: Linear<T>;
}

/** A training batch: frames uint8 [B, H, W, 3], unit noise [B, tokens, channels], mean frame [1, tokens, patch values]. */
export interface ContinuousBatch<T> {
  readonly frames: T;
  readonly noise: T;
  readonly meanPatches: T;
}

const LATENT_BOUND = 3;
const CHUNK = 128;

/** Patches per frame. */
export function tokensOf(config: ContinuousConfig): number {
  return (config.size / config.patch) ** 2;
}

/** Fresh weights. @throws INVALID_ARGUMENT when the patch does not divide the frame */
export function initContinuous(rng: Rng, config: ContinuousConfig): ContinuousParams<NdArray> {
  if (config.size % config.patch !== 0 || config.dim % config.heads !== 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "tokenizer config does not divide",
      expected: "size divisible by patch, and dim by heads",
      got: `size ${config.size}, patch ${config.patch}, dim ${config.dim}, heads ${config.heads}`,
      fix: "for 64×64 frames use patch 8 or 16, dim 128, heads 4",
    });
  }
  const { dim, channels } = config;
  const patchValues = config.patch ** 2 * 3;
  const tokens = tokensOf(config);
  return {
    embed: initLinear(rng, patchValues, dim),
    encoderPositions: normalInit(rng, [tokens, dim], 0.02),
    encoder: initBlocks(rng, dim, config.encoderBlocks),
    encoderNorm: initNorm(dim),
    bottleneck: initLinear(rng, dim, channels),
    expand: initLinear(rng, channels, dim),
    decoderPositions: normalInit(rng, [tokens, dim], 0.02),
    decoder: initBlocks(rng, dim, config.decoderBlocks),
    decoderNorm: initNorm(dim),
    output: initLinear(rng, dim, patchValues, 0.2),
  };
}

/** uint8 frames [B, H, W, 3] to patches in [-1, 1]. */
function framePatches(frames: Tensor, patch: number): Tensor {
  return patchify(tf.sub(tf.mul(tf.cast(frames, "float32"), 2 / 255), 1), patch);
}

function encodePatches(p: ContinuousParams<Tensor>, patches: Tensor, config: ContinuousConfig): Tensor {
  const embedded = tf.add(linear(p.embed, patches), p.encoderPositions);
  const { output } = transformer(p.encoder, embedded, { heads: config.heads });
  const raw = linear(p.bottleneck, rmsNorm(p.encoderNorm, output));
  return tf.mul(tf.tanh(tf.div(raw, LATENT_BOUND)), LATENT_BOUND);
}

function decodeLatents(p: ContinuousParams<Tensor>, latents: Tensor, config: ContinuousConfig): Tensor {
  const expanded = tf.add(linear(p.expand, latents), p.decoderPositions);
  const { output } = transformer(p.decoder, expanded, { heads: config.heads });
  return linear(p.output, rmsNorm(p.decoderNorm, output));
}

/** Reconstruction loss through noisy latents, with a weak pull of the latents towards zero. */
export function continuousLoss(config: ContinuousConfig) {
  return (p: ContinuousParams<Tensor>, batch: ContinuousBatch<Tensor>): LossResult => {
    const patches = framePatches(batch.frames, config.patch);
    const latents = encodePatches(p, patches, config);
    const noisy = tf.add(latents, tf.mul(batch.noise, config.latentNoise));
    const squared = tf.square(tf.sub(decodeLatents(p, noisy, config), patches));
    const mse = tf.mean(squared);
    const weights = tf.add(1, tf.mul(tf.abs(tf.sub(patches, batch.meanPatches)), config.rarityWeight));
    const weighted = config.rarityWeight === 0 ? mse : tf.mean(tf.mul(squared, weights));
    return { loss: tf.add(weighted, tf.mul(tf.mean(tf.square(latents)), 1e-4)), metrics: { mse } };
  };
}

/** Mean per latent number [tokens · channels] and one scale. */
export interface LatentNormalizer {
  readonly mean: NdArray<"float32">;
  readonly scale: NdArray<"float32">;
}

type Weights = ContinuousParams<NdArray>;

/** A tokenizer's weights and statistics inside a trace. */
export interface TracedTokenizer {
  readonly params: ContinuousParams<Tensor>;
  readonly mean: Tensor;
  readonly scale: Tensor;
}

/** Inside a trace: frames uint8 [B, H, W, 3] to standardized latents float32 [B, tokens · channels]. */
export function encodeTraced(
  { params, mean, scale }: TracedTokenizer,
  frames: Tensor,
  config: ContinuousConfig,
): Tensor {
  const latents = encodePatches(params, framePatches(frames, config.patch), config);
  const flat = tf.reshape(latents, [frames.shape[0], tokensOf(config) * config.channels]);
  return tf.div(tf.sub(flat, mean), scale);
}

function compileCoder(config: ContinuousConfig) {
  const tokens = tokensOf(config);
  type In = TracedTokenizer;
  return {
    encode: jit(
      ({ frames, ...tokenizer }: In & { frames: Tensor }) => ({
        latents: encodeTraced(tokenizer, frames, config),
      }),
      { name: "tokenizer.encode" },
    ),
    decode: jit(
      ({ params, mean, scale, latents }: In & { latents: Tensor }) => {
        const raw = tf.add(tf.mul(latents, scale), mean);
        const patches = decodeLatents(params, tf.reshape(raw, [-1, tokens, config.channels]), config);
        const images = unpatchify(patches, config.patch, [config.size, config.size]);
        return { frames: toUint8(tf.mul(tf.add(images, 1), 127.5)) };
      },
      { name: "tokenizer.decode" },
    ),
  };
}

/** Rows that `count` rows are padded to: powers of two up to a full chunk, so that few graphs serve any row count. */
function paddedRows(count: number): number {
  return Math.min(CHUNK, 2 ** Math.ceil(Math.log2(count)));
}

/** Run `fn` over the rows of `input` in padded chunks. */
async function inChunks<D extends "float32" | "uint8", E extends "float32" | "uint8">(
  input: NdArray<D>,
  out: NdArray<E>,
  fn: (chunk: NdArray<D>) => Promise<NdArray<E>>,
): Promise<NdArray<E>> {
  const total = input.shape[0];
  const stride = out.data.length / total;
  for (let start = 0; start < total; start += CHUNK) {
    const end = Math.min(start + CHUNK, total);
    let chunk = rows(input, start, end);
    const size = paddedRows(end - start);
    if (size > end - start) {
      const padded = zeros(input.dtype, [size, ...input.shape.slice(1)]);
      padded.data.set(chunk.data);
      chunk = padded;
    }
    const result = await fn(chunk);
    out.data.set(result.data.subarray(0, (end - start) * stride), start * stride);
  }
  return out;
}

/** A frozen tokenizer from weights; `hash` is that of its checkpoint. */
export function makeContinuousTokenizer(options: {
  config: ContinuousConfig;
  params: Weights;
  normalizer: LatentNormalizer;
  hash: string;
}): Tokenizer {
  const { config, params, normalizer, hash } = options;
  const coder = compileCoder(config);
  const tokens = tokensOf(config);
  const width = tokens * config.channels;
  const weights = { params, ...normalizer } as unknown as Host<{
    params: ContinuousParams<Tensor>;
    mean: Tensor;
    scale: Tensor;
  }>;
  return {
    kind: "continuous",
    frameShape: [config.size, config.size, 3],
    tokens,
    channels: config.channels,
    hash,
    encode: (frames) =>
      inChunks(frames, zeros("float32", [frames.shape[0], width]), async (chunk) => {
        const { latents } = await coder.encode({ ...weights, frames: chunk });
        return latents as NdArray<"float32">;
      }),
    decode: (latents) =>
      inChunks(latents, zeros("uint8", [latents.shape[0], config.size, config.size, 3]), async (chunk) => {
        const { frames } = await coder.decode({ ...weights, latents: chunk });
        return frames as NdArray<"uint8">;
      }),
  };
}

/** Write a tokenizer's checkpoint; returns its hash. */
export function saveContinuousTokenizer(
  path: string,
  parts: { config: ContinuousConfig; params: Weights; normalizer: LatentNormalizer },
): string {
  const { config, params, normalizer } = parts;
  return saveCheckpoint(path, { params, normalizer }, { kind: "continuous-tokenizer", config });
}

/** What a tokenizer is made of. */
export type ContinuousParts = Parameters<typeof makeContinuousTokenizer>[0];

/** Read a tokenizer. @throws CORRUPT_FILE, CHECKPOINT_MISMATCH */
export function loadContinuousTokenizer(path: string, rng: Rng): Tokenizer {
  return makeContinuousTokenizer(loadContinuousParts(path, rng));
}

/** Read what a tokenizer is made of. @throws CORRUPT_FILE, CHECKPOINT_MISMATCH */
export function loadContinuousParts(path: string, rng: Rng): ContinuousParts {
  const { tensors, meta, hash } = loadCheckpoint(path);
  if (meta.kind !== "continuous-tokenizer") {
    fail({
      code: "CHECKPOINT_MISMATCH",
      what: `${path} is not a continuous tokenizer`,
      expected: "continuous-tokenizer",
      got: String(meta.kind),
      fix: "give the path of a tokenizer checkpoint",
    });
  }
  const config = meta.config as ContinuousConfig;
  const width = tokensOf(config) * config.channels;
  const like = {
    params: initContinuous(rng, config),
    normalizer: { mean: zeros("float32", [width]), scale: zeros("float32", []) },
  };
  return { config, hash, ...restoreParams(like, tensors, path) };
}
