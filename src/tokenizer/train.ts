/** @file Training the continuous tokenizer: batches of frames, the latents' normalizer, and reconstruction quality. */

import type { Host, Tensor } from "../engine/jit.ts";
import { ndarray, zeros, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { makeTraining, type TrainState } from "../nn/trainer.ts";
import type { OptimizerConfig } from "../nn/optimizers.ts";
import {
  continuousLoss,
  initContinuous,
  makeContinuousTokenizer,
  tokensOf,
  type ContinuousBatch,
  type ContinuousConfig,
  type ContinuousParams,
  type LatentNormalizer,
} from "./continuous.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Frames to learn from; `gather` copies frames by index into `out` uint8 [B, H, W, 3]. */
export interface FrameSource {
  readonly count: number;
  gather(indices: ArrayLike<number>, out: NdArray<"uint8">): void;
}

/** What a loop over tokenizer steps needs. */
export interface TokenizerTrainer {
  step(learningRate: number, rng: Rng): Promise<Record<string, number>>;
  state(): TrainState<ContinuousParams<NdArray>>;
  load(state: TrainState<ContinuousParams<NdArray>>): void;
  /** The moving average's weights with a normalizer fitted on `sample` random frames. */
  finish(
    sample: number,
    rng: Rng,
  ): Promise<{ params: ContinuousParams<NdArray>; normalizer: LatentNormalizer }>;
}

/** Draw `out`'s number of frames at random. */
export function drawFrames(source: FrameSource, rng: Rng, out: NdArray<"uint8">): NdArray<"uint8"> {
  const indices = Int32Array.from({ length: out.shape[0] }, () => Math.floor(rng.random() * source.count));
  source.gather(indices, out);
  return out;
}

/** Mean of `frames` as patches in [-1, 1]: float32 [1, tokens, patch values]. */
function meanPatches(frames: NdArray<"uint8">, config: ContinuousConfig): NdArray<"float32"> {
  const { size, patch } = config;
  const perRow = size / patch;
  const values = patch * patch * 3;
  const out = zeros("float32", [1, tokensOf(config), values]);
  const count = frames.shape[0];
  const frameSize = size * size * 3;
  for (let i = 0; i < frames.data.length; i++) {
    const pixel = i % frameSize;
    const [y, x, c] = [Math.floor(pixel / (size * 3)), Math.floor(pixel / 3) % size, pixel % 3];
    const token = Math.floor(y / patch) * perRow + Math.floor(x / patch);
    const place = ((y % patch) * patch + (x % patch)) * 3 + c;
    out.data[token * values + place] += (frames.data[i] / 127.5 - 1) / count;
  }
  return out;
}

/** Mean per latent number and one scale over `latents` [B, D]. */
export function fitNormalizer(latents: NdArray<"float32">): LatentNormalizer {
  const [count, width] = latents.shape;
  const mean = zeros("float32", [width]);
  const sums = new Float64Array(width);
  let squares = 0;
  for (let i = 0; i < latents.data.length; i++) sums[i % width] += latents.data[i];
  for (let j = 0; j < width; j++) mean.data[j] = sums[j] / count;
  for (let i = 0; i < latents.data.length; i++) squares += (latents.data[i] - mean.data[i % width]) ** 2;
  const deviation = Math.sqrt(squares / latents.data.length) || 1;
  return { mean, scale: ndarray("float32", [], new Float32Array([deviation])) };
}

/** Statistics of the latents that `params` give to `count` random frames. */
async function measureLatents(
  source: FrameSource,
  parts: { config: ContinuousConfig; params: ContinuousParams<NdArray> },
  options: { count: number; rng: Rng },
): Promise<LatentNormalizer> {
  const { size, channels } = parts.config;
  const identity = {
    mean: zeros("float32", [tokensOf(parts.config) * channels]),
    scale: ndarray("float32", [], new Float32Array([1])),
  };
  const raw = makeContinuousTokenizer({ ...parts, normalizer: identity, hash: "unfinished" });
  const drawn = zeros("uint8", [Math.min(options.count, source.count), size, size, 3]);
  return fitNormalizer(await raw.encode(drawFrames(source, options.rng, drawn)));
}

/** @param options.source training frames only: validation frames must not shape the normalizer */
export function makeTokenizerTrainer(options: {
  config: ContinuousConfig;
  optimizer: OptimizerConfig;
  batchSize: number;
  averageDecay: number;
  source: FrameSource;
  rng: Rng;
}): TokenizerTrainer {
  const { config, batchSize, source, optimizer, averageDecay } = options;
  const training = makeTraining<ContinuousParams<Tensor>, ContinuousBatch<Tensor>>(
    initContinuous(options.rng, config),
    {
      name: "tokenizer",
      loss: continuousLoss(config),
      optimizer,
      averageDecay,
    },
  );
  const frames = zeros("uint8", [batchSize, config.size, config.size, 3]);
  const noise = zeros("float32", [batchSize, tokensOf(config), config.channels]);
  const reference = zeros("uint8", [Math.min(1024, source.count), config.size, config.size, 3]);
  const mean = meanPatches(drawFrames(source, options.rng, reference), config);
  return {
    async step(learningRate, rng) {
      drawFrames(source, rng, frames);
      rng.fillNormal(noise.data);
      const batch = { frames, noise, meanPatches: mean } as unknown as Host<ContinuousBatch<Tensor>>;
      const metrics = await training.step(batch, learningRate);
      return { ...metrics, psnr: 10 * Math.log10(4 / metrics.mse) };
    },
    state: training.state,
    load: training.load,
    async finish(count, rng) {
      const params = training.params() as unknown as ContinuousParams<NdArray>;
      return { params, normalizer: await measureLatents(source, { config, params }, { count, rng }) };
    },
  };
}

/** Peak signal-to-noise ratio in dB between two equal-sized frame arrays. */
export function psnr(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i] - b[i]) ** 2;
  return squares === 0 ? 99 : 10 * Math.log10((255 * 255 * a.length) / squares);
}

/** Mean reconstruction PSNR in dB over frames uint8 [B, H, W, 3]. */
export async function reconstructionPsnr(tokenizer: Tokenizer, frames: NdArray<"uint8">): Promise<number> {
  const decoded = await tokenizer.decode(await tokenizer.encode(frames));
  return psnr(frames.data, decoded.data);
}
