/** @file The pretrained pair that is fine-tuned: a tokenizer of both driving tasks, and a latent model of DriveTrack alone. */

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Rng } from "../../src/core/rng.ts";
import { loadEpisodes, saveEpisode } from "../../src/data/episode-store.ts";
import type { Episode } from "../../src/data/episode.ts";
import { driverChooser, recordedEpisodes } from "../../src/experiment/loop/recording.ts";
import { actionSpecOf, makeTaskEnv, stateSize } from "../../src/experiment/driving/task.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../src/nn/checkpoint.ts";
import { learningRateAt } from "../../src/nn/schedules.ts";
import { copyTree } from "../../src/nn/tree.ts";
import { makeBehaviour } from "../../src/sim/driving/drivers.ts";
import type { Split } from "../../src/sim/driving/world.ts";
import {
  loadContinuousTokenizer,
  saveContinuousTokenizer,
  type ContinuousConfig,
} from "../../src/tokenizer/continuous.ts";
import { frameSourceOf } from "../../src/tokenizer/frame-source.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { makeTokenizerTrainer } from "../../src/tokenizer/train.ts";
import { saveLatentModel } from "../../src/worldmodel/latent/checkpoint.ts";
import { initDenoiser, type DenoiserConfig } from "../../src/worldmodel/latent/denoiser.ts";
import { encodeInto, makeLatentReplay } from "../../src/worldmodel/latent/latent-replay.ts";
import { fitNormalizers } from "../../src/worldmodel/normalizers.ts";
import { makeEnsembleTrainer } from "../../src/worldmodel/latent/train.ts";

/** A driving task. */
export type Task = "DriveTrack-v0" | "DriveTraffic-v0";

const tokenizerConfig: ContinuousConfig = {
  size: 64,
  patch: 16,
  dim: 128,
  heads: 4,
  encoderBlocks: 1,
  decoderBlocks: 2,
  channels: 24,
  latentNoise: 0.2,
  rarityWeight: 2,
};

const modelConfig: DenoiserConfig = {
  form: "deterministic",
  contextLength: 3,
  tokens: 16,
  channels: 24,
  stateSize,
  actionSize: 2,
  dim: 128,
  heads: 4,
  blocks: 3,
  samplingSteps: 1,
};

/** `steps` steps of the behaviour policy from wide starts, the same every time. */
export async function recordTask(id: Task, split: Split, steps: number): Promise<Episode[]> {
  const env = makeTaskEnv(id, { numEnvs: 20, split, wideStarts: true });
  const driver = makeBehaviour(env, { inattentiveShare: 0.5 });
  const seed = { train: 1, validation: 2, test: 3 }[split];
  const rng = Rng.fromSeed([70, seed]);
  const episodes = await recordedEpisodes({
    env,
    choose: driverChooser(driver, rng),
    seed,
    steps,
    prefix: split,
    meta: { env: id, split, policy: "behaviour", rateHz: 10, actionSpec: actionSpecOf(id) },
  });
  await env.close();
  return episodes;
}

/** The tokenizer of both tasks' frames. */
export function loadBaseTokenizer(folder: string): Tokenizer {
  return loadContinuousTokenizer(join(folder, "tokenizer.safetensors"), Rng.fromSeed(0));
}

/** Train a tokenizer of these episodes' frames, going on from the weights of another one if there is one. */
export async function trainTokenizer(
  file: string,
  episodes: readonly Episode[],
  options: { steps: number; rarityWeight: number; from?: string },
): Promise<void> {
  const { steps, rarityWeight, from } = options;
  const config = { ...tokenizerConfig, rarityWeight };
  const trainer = makeTokenizerTrainer({
    config,
    optimizer: { kind: "muon", adamScale: 0.4 },
    batchSize: 32,
    averageDecay: 0.99,
    source: frameSourceOf(episodes),
    rng: Rng.fromSeed([71, 0]),
  });
  if (from !== undefined) {
    const { params } = restoreParams({ params: trainer.state().params }, loadCheckpoint(from).tensors, from);
    trainer.load({ ...trainer.state(), params, average: copyTree(params) });
  }
  const peak = from === undefined ? 0.005 : 0.002;
  const schedule = { peak, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
  for (let i = 0; i < steps; i++) {
    const { psnr } = await trainer.step(learningRateAt(schedule, i), Rng.fromSeed([72, i]));
    if (i % 50 === 49)
      console.log(`tokenizer ${i + 1} of ${steps}: ${psnr.toFixed(1)} dB, ${performance.now() | 0} ms`);
  }
  const finished = await trainer.finish(2048, Rng.fromSeed([73, 0]));
  saveContinuousTokenizer(file, { config, ...finished });
}

const phases = [
  { horizon: 1, batchSize: 64, terminalFraction: 0.15, peak: 0.004, steps: 450 },
  { horizon: 5, batchSize: 32, terminalFraction: 0.15, peak: 0.002, steps: 130 },
];

async function trainModel(folder: string, episodes: readonly Episode[]): Promise<void> {
  const tokenizer = loadBaseTokenizer(folder);
  const replay = makeLatentReplay(tokenizer, { stateSize, actionSize: 2 });
  await encodeInto(replay, episodes, tokenizer);
  const normalizers = fitNormalizers(replay, stateSize);
  const trainer = makeEnsembleTrainer({
    config: modelConfig,
    replay,
    normalizers,
    weights: { latent: 1, state: 1, reward: 0.5, termination: 1 },
    optimizer: { kind: "muon", adamScale: 0.25, clipNorm: 1 },
    averageDecay: 0.97,
    contextNoise: 0.17,
    initRngs: [Rng.fromSeed([74, 0])],
  });
  const partial = join(folder, "base.partial.safetensors");
  let done = 0;
  if (existsSync(partial)) {
    const { tensors, meta } = loadCheckpoint(partial);
    trainer.load(restoreParams(trainer.state(), tensors, partial));
    done = meta.done as number;
  }
  const total = phases[0].steps + phases[1].steps;
  for (; done < total; done++) {
    const second = done >= phases[0].steps;
    const { peak, steps, ...phase } = phases[Number(second)];
    const schedule = { peak, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
    const rate = learningRateAt(schedule, second ? done - phases[0].steps : done);
    const mixed = { ...phase, recentFraction: 0, recentEpisodes: 1 };
    const metrics = await trainer.step(0, mixed, rate, Rng.fromSeed([75, done]));
    if (done % 50 !== 49) continue;
    console.log(
      `model ${done + 1} of ${total}: latent ${metrics.latent.toFixed(4)}, ${performance.now() | 0} ms`,
    );
    saveCheckpoint(partial, trainer.state(), { kind: "bench-training", done: done + 1 });
  }
  const parts = { config: modelConfig, members: trainer.members(), normalizers };
  const actionSpec = actionSpecOf("DriveTrack-v0");
  saveLatentModel(join(folder, "base.safetensors"), { ...parts, actionSpec }, tokenizer.hash);
}

/** Train whatever of the pair is not there yet. */
export async function ensureBase(folder: string, options: { frames: number; steps: number }): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "tokenizer.safetensors");
  if (!existsSync(file)) {
    const track = await recordTask("DriveTrack-v0", "train", 8000);
    const traffic = await recordTask("DriveTraffic-v0", "train", 8000);
    await trainTokenizer(file, [...track, ...traffic], { steps: options.steps, rarityWeight: 2 });
  }
  if (!existsSync(join(folder, "base.safetensors")))
    await trainModel(folder, await recordTask("DriveTrack-v0", "train", options.frames));
}

/** Folders of episodes to tune on: new ones of DriveTraffic, and of tracks that the base has not seen. */
export async function recordDomains(folder: string, frames: number): Promise<void> {
  const parts: readonly [string, Task, Split, number][] = [
    ["traffic", "DriveTraffic-v0", "train", frames],
    ["traffic-validation", "DriveTraffic-v0", "validation", 2000],
    ["track-validation", "DriveTrack-v0", "validation", 2000],
  ];
  for (const [name, task, split, steps] of parts) {
    if (existsSync(join(folder, name))) continue;
    for (const episode of await recordTask(task, split, steps))
      await saveEpisode(join(folder, name), episode);
  }
}

/** A model of the base's form that has learned nothing, behind normalizers of the new episodes: what tuning is compared with. */
export async function saveScratch(folder: string): Promise<void> {
  const tokenizer = loadBaseTokenizer(folder);
  const replay = makeLatentReplay(tokenizer, { stateSize, actionSize: 2 });
  await encodeInto(replay, await loadEpisodes(join(folder, "traffic")), tokenizer);
  const members = [initDenoiser(Rng.fromSeed([76, 0]), modelConfig)];
  const parts = { config: modelConfig, members, normalizers: fitNormalizers(replay, stateSize) };
  const actionSpec = actionSpecOf("DriveTraffic-v0");
  saveLatentModel(join(folder, "scratch.safetensors"), { ...parts, actionSpec }, tokenizer.hash);
}
