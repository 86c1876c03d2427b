/** @file Training clip tokenizers: batches of clips, reconstruction loss over wavelet coefficients, quality and codebook use. */

import { tf, type Host, type Tensor } from "../engine/jit.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import type { LossResult } from "../nn/gradients.ts";
import { makeTraining, type TrainState } from "../nn/trainer.ts";
import type { OptimizerConfig } from "../nn/optimizers.ts";
import { latentFrames } from "./frame-law.ts";
import { codebookUse, type CodebookUse } from "./fsq.ts";
import { groupFrames } from "./haar.ts";
import type { DiscreteVideoTokenizer, VideoTokenizer } from "./tokenizer.ts";
import { fitNormalizer, psnr } from "./train.ts";
import {
  clipCoefficients,
  decodeClip,
  encodeClip,
  gridTokens,
  initVideoTokenizer,
  latentChannels,
  type VideoTokenizerConfig,
  type VideoTokenizerParams,
} from "./video-network.ts";
import { makeVideoTokenizer, plainNormalizer, type VideoTokenizerParts } from "./video.ts";

/** Clips to learn from; `gather` copies clips by index into `out` uint8 [B, T, H, W, 3], T as that array says. */
export interface ClipSource {
  readonly count: number;
  gather(indices: ArrayLike<number>, out: NdArray<"uint8">): void;
}

/** Draw `out`'s number of clips at random. */
export function drawClips(source: ClipSource, rng: Rng, out: NdArray<"uint8">): NdArray<"uint8"> {
  const indices = Int32Array.from({ length: out.shape[0] }, () => Math.floor(rng.random() * source.count));
  source.gather(indices, out);
  return out;
}

/** A training batch: groups of frames uint8 [B, K·c, H, W, 3], and unit noise [B, K, N, C] for continuous latents. */
interface ClipBatch<T> {
  readonly groups: T;
  readonly noise?: T;
}

/** Mean squared error of pixels in [-1, 1], through noisy latents (continuous) or lattice points (discrete). */
function clipLoss(config: VideoTokenizerConfig) {
  return (p: VideoTokenizerParams<Tensor>, batch: ClipBatch<Tensor>): LossResult => {
    const coefficients = clipCoefficients(batch.groups, config);
    const latents = encodeClip(p, coefficients, config);
    const { latent } = config;
    const noisy =
      latent.kind === "discrete" ? latents : tf.add(latents, tf.mul(batch.noise as Tensor, latent.noise));
    // The transform is orthonormal: an error of coefficients is the error of pixels.
    const mse = tf.mean(tf.square(tf.sub(decodeClip(p, noisy, config), coefficients))) as Tensor;
    if (latent.kind === "discrete") return { loss: mse, metrics: { mse } };
    return { loss: tf.add(mse, tf.mul(tf.mean(tf.square(latents)), 1e-4)), metrics: { mse } };
  };
}

/** What a loop over clip-tokenizer steps needs. */
export interface VideoTokenizerTrainer {
  step(learningRate: number, rng: Rng): Promise<Record<string, number>>;
  state(): TrainState<VideoTokenizerParams<NdArray>>;
  load(state: TrainState<VideoTokenizerParams<NdArray>>): void;
  /** The moving average's weights; for continuous latents with a normalizer fitted on `clips` random clips. */
  finish(clips: number, rng: Rng): Promise<VideoTokenizerParts>;
}

/** Options of `makeVideoTokenizerTrainer`. */
export interface VideoTrainerOptions {
  readonly config: VideoTokenizerConfig;
  readonly optimizer: OptimizerConfig;
  readonly batchSize: number;
  /** Frames per clip: 1 + k · temporal. */
  readonly clipFrames: number;
  readonly averageDecay: number;
  /** Training clips only: validation clips must not shape the normalizer. */
  readonly source: ClipSource;
  readonly rng: Rng;
}

async function finishParts(
  options: VideoTrainerOptions,
  params: VideoTokenizerParams<NdArray>,
  draw: { clips: number; rng: Rng },
): Promise<VideoTokenizerParts> {
  const { config, source, clipFrames } = options;
  const normalizer = plainNormalizer(config);
  if (config.latent.kind === "discrete") return { config, params, normalizer };
  const raw = makeVideoTokenizer({ config, params, normalizer, hash: "unfinished" });
  const clips = zeros("uint8", [draw.clips, clipFrames, config.size, config.size, 3]);
  const latents = await raw.encode(drawClips(source, draw.rng, clips));
  const width = gridTokens(config) * latentChannels(config);
  const fitted = fitNormalizer({ ...latents, shape: [latents.data.length / width, width] });
  return { config, params, normalizer: fitted };
}

/** A trainer. @throws INVALID_SHAPE for a clip length against the frame law; INVALID_ARGUMENT for an unsound config */
export function makeVideoTokenizerTrainer(options: VideoTrainerOptions): VideoTokenizerTrainer {
  const { config, batchSize, clipFrames, source, optimizer, averageDecay } = options;
  const latents = latentFrames(clipFrames, config.temporal);
  type Params = VideoTokenizerParams<Tensor>;
  const training = makeTraining<Params, ClipBatch<Tensor>>(initVideoTokenizer(options.rng, config), {
    name: "video tokenizer",
    loss: clipLoss(config),
    optimizer,
    averageDecay,
  });
  const clips = zeros("uint8", [batchSize, clipFrames, config.size, config.size, 3]);
  const noise = zeros("float32", [batchSize, latents, gridTokens(config), latentChannels(config)]);
  return {
    async step(learningRate, rng) {
      const groups = groupFrames(drawClips(source, rng, clips), config.temporal);
      const batch: Record<string, NdArray> = { groups };
      if (config.latent.kind === "continuous") {
        rng.fillNormal(noise.data);
        batch.noise = noise;
      }
      const metrics = await training.step(batch as unknown as Host<ClipBatch<Tensor>>, learningRate);
      return { ...metrics, psnr: 10 * Math.log10(4 / metrics.mse) };
    },
    state: training.state,
    load: training.load,
    finish: (count, rng) =>
      finishParts(options, training.params(), {
        clips: count,
        rng,
      }),
  };
}

/** How well a clip tokenizer rebuilds clips; a discrete one also how it uses its codebook. */
export interface ClipQuality {
  /** dB over all pixels of all clips. */
  readonly psnr: number;
  /** dB over first frames, which are coded alone. */
  readonly firstFramePsnr: number;
  readonly codebook?: CodebookUse;
}

/** Pixels of the first frame of each clip [B, T, …], one after the other. */
function firstFrames(clips: NdArray<"uint8">): Uint8Array {
  const [batch, time] = clips.shape;
  const size = clips.data.length / batch / time;
  const out = new Uint8Array(batch * size);
  for (let b = 0; b < batch; b++)
    out.set(clips.data.subarray(b * time * size, (b * time + 1) * size), b * size);
  return out;
}

/** Reconstruction quality over clips uint8 [B, T, H, W, 3]. */
export async function clipQuality(
  tokenizer: VideoTokenizer | DiscreteVideoTokenizer,
  clips: NdArray<"uint8">,
): Promise<ClipQuality> {
  const discrete = "tokenize" in tokenizer ? tokenizer : undefined;
  const ids = await discrete?.tokenize(clips);
  const rebuilt =
    ids && discrete ? await discrete.detokenize(ids) : await tokenizer.decode(await tokenizer.encode(clips));
  const quality = {
    psnr: psnr(clips.data, rebuilt.data),
    firstFramePsnr: psnr(firstFrames(clips), firstFrames(rebuilt)),
  };
  return ids && discrete ? { ...quality, codebook: codebookUse(ids, discrete.codebookSize) } : quality;
}
