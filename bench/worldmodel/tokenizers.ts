/** @file Clip tokenizers trained on driving frames: continuous beside discrete, at several compressions, in one table. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "../../src/core/rng.ts";
import { unknownName } from "../../src/core/errors.ts";
import type { Episode } from "../../src/data/episode.ts";
import { learningRateAt } from "../../src/nn/schedules.ts";
import { cosmosLevels } from "../../src/tokenizer/fsq.ts";
import { loadVideoTokenizer, saveVideoTokenizer } from "../../src/tokenizer/video.ts";
import type { VideoTokenizerConfig } from "../../src/tokenizer/video-network.ts";
import {
  clipQuality,
  makeVideoTokenizerTrainer,
  type ClipQuality,
  type VideoTokenizerTrainer,
} from "../../src/tokenizer/video-train.ts";
import { clipSourceOf, randomClips } from "./driving-data.ts";

/** One row of the table: an architecture and how it is trained. */
interface Variant {
  readonly config: VideoTokenizerConfig;
  readonly batchSize: number;
  readonly clipFrames: number;
}

const base = { size: 64, dim: 128, heads: 4, encoderBlocks: 1, decoderBlocks: 2 } as const;
const continuous = { kind: "continuous", channels: 16, noise: 0.1 } as const;
const discrete = { kind: "discrete", levels: cosmosLevels } as const;

/** C or D for continuous or discrete, V for video, then compression in time, rows and columns. */
export const variants: Readonly<Record<string, Variant>> = {
  CV1x16x16: {
    config: { ...base, spatial: 16, temporal: 1, history: 0, latent: continuous },
    batchSize: 32,
    clipFrames: 1,
  },
  "DV1x8x8-1000": {
    config: {
      ...base,
      spatial: 8,
      temporal: 1,
      history: 0,
      latent: { kind: "discrete", levels: [8, 5, 5, 5] },
    },
    batchSize: 16,
    clipFrames: 1,
  },
  DV1x8x8: {
    config: { ...base, spatial: 8, temporal: 1, history: 0, latent: discrete },
    batchSize: 16,
    clipFrames: 1,
  },
  CV4x8x8: {
    config: { ...base, spatial: 8, temporal: 4, history: 1, latent: continuous },
    batchSize: 4,
    clipFrames: 13,
  },
  DV4x8x8: {
    config: { ...base, spatial: 8, temporal: 4, history: 1, latent: discrete },
    batchSize: 4,
    clipFrames: 13,
  },
  DV8x16x16: {
    config: { ...base, spatial: 16, temporal: 8, history: 1, latent: discrete },
    batchSize: 8,
    clipFrames: 17,
  },
};

/** A trained row. */
export interface TokenizerRow extends ClipQuality {
  readonly name: string;
  readonly latentsPerFrame: number;
  readonly steps: number;
  readonly trainSeconds: number;
  readonly trainFramesPerSecond: number;
}

/** Steps of training, with the time that they took; ends early when `minutes` are over. */
async function trainSteps(
  name: string,
  trainer: VideoTokenizerTrainer,
  limits: { steps: number; minutes: number },
): Promise<{ steps: number; trainSeconds: number }> {
  const schedule = { peak: 0.005, warmupSteps: 20, totalSteps: limits.steps, decayFraction: 0.5 };
  await trainer.step(0, Rng.fromSeed([2, 0]));
  const from = performance.now();
  const spent = (): number => (performance.now() - from) / 1000;
  let steps = 0;
  for (; steps < limits.steps && spent() < 60 * limits.minutes; steps++) {
    const { psnr } = await trainer.step(learningRateAt(schedule, steps), Rng.fromSeed([2, 1 + steps]));
    if (steps % 50 === 49)
      console.log(`${name}: step ${steps + 1}, ${spent().toFixed(0)} s, ${psnr.toFixed(1)} dB`);
  }
  return { steps, trainSeconds: spent() };
}

/** What variants are trained on, how long, and where to. */
export interface VariantOptions {
  readonly steps: number;
  readonly minutes: number;
  readonly folder: string;
  readonly train: readonly Episode[];
  readonly validation: readonly Episode[];
}

/** Train variant `name` and save it to `folder`/`name`.safetensors; measured on validation clips. */
export async function trainVariant(name: string, options: VariantOptions): Promise<TokenizerRow> {
  const variant = variants[name];
  if (variant === undefined) throw unknownName("tokenizer", name, Object.keys(variants));
  const { config, batchSize, clipFrames } = variant;
  const trainer = makeVideoTokenizerTrainer({
    config,
    batchSize,
    clipFrames,
    optimizer: { kind: "muon", adamScale: 0.4 },
    averageDecay: 0.99,
    source: clipSourceOf(options.train, clipFrames),
    rng: Rng.fromSeed([1, 0]),
  });
  const spent = await trainSteps(name, trainer, options);
  mkdirSync(options.folder, { recursive: true });
  const path = join(options.folder, `${name}.safetensors`);
  saveVideoTokenizer(path, await trainer.finish(64, Rng.fromSeed([3, 0])));
  const shape = { count: 96, frames: clipFrames === 1 ? 8 : clipFrames };
  const clips = randomClips(options.validation, shape, Rng.fromSeed(4));
  const quality = await clipQuality(loadVideoTokenizer(path), clips);
  return {
    name,
    latentsPerFrame: (config.size / config.spatial) ** 2 / config.temporal,
    trainFramesPerSecond: (spent.steps * batchSize * clipFrames) / spent.trainSeconds,
    ...spent,
    ...quality,
  };
}
