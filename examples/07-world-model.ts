/** @file A tokenizer and a world model, trained on the episodes of example 06 and saved beside them. */

import { join } from "node:path";
import * as reverie from "../src/index.ts";
import type { ActionSpec, ContinuousConfig, DenoiserConfig, Episode } from "../src/index.ts";

const optimizer = { kind: "muon", adamScale: 0.25, clipNorm: 1 } as const;
const weights = { latent: 1, state: 0.5, reward: 0.5, termination: 1 };
const actionSpec: ActionSpec = {
  names: ["steer", "pedal"],
  units: ["rad", "1"],
  kind: "absolute",
  low: [-0.42, -1],
  high: [0.42, 1],
  rateHz: 10,
};
const peak = (rate: number, totalSteps: number) => ({
  peak: rate,
  warmupSteps: 5,
  totalSteps,
  decayFraction: 0.5,
});

/** Frames to latents: 64 tokens of 8 numbers for each 64 × 64 frame. */
async function trainTokenizer(folder: string, episodes: readonly Episode[], steps: number) {
  const architecture = { dim: 64, heads: 4, encoderBlocks: 1, decoderBlocks: 2, channels: 8 };
  const config: ContinuousConfig = { size: 64, patch: 8, latentNoise: 0.2, rarityWeight: 0, ...architecture };
  const rng = reverie.Rng.fromSeed(1);
  const source = reverie.frameSourceOf(episodes);
  const trainer = reverie.makeTokenizerTrainer({
    config,
    optimizer,
    batchSize: 32,
    averageDecay: 0.98,
    source,
    rng,
  });
  for (let i = 0; i < steps; i++) await trainer.step(reverie.learningRateAt(peak(0.005, steps), i), rng);
  const path = join(folder, "tokenizer.safetensors");
  reverie.saveContinuousTokenizer(path, { config, ...(await trainer.finish(256, rng)) });
  return reverie.loadContinuousTokenizer(path, rng);
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Train both; gives back how well frames are reconstructed and what the next latent's error came down to. */
export async function train(folder: string, options: { tokenizerSteps?: number; modelSteps?: number } = {}) {
  const { tokenizerSteps = 400, modelSteps = 400 } = options;
  const episodes = await reverie.loadEpisodes(join(folder, "episodes"));
  const tokenizer = await trainTokenizer(folder, episodes, tokenizerSteps);
  const replay = reverie.makeLatentReplay(tokenizer, { stateSize: 3, actionSize: 2 });
  await reverie.encodeInto(replay, episodes, tokenizer);
  const { tokens, channels } = tokenizer;
  const sizes = { contextLength: 3, tokens, channels, stateSize: 3, actionSize: 2, samplingSteps: 1 };
  const config: DenoiserConfig = { form: "deterministic", dim: 64, heads: 4, blocks: 2, ...sizes };
  const normalizers = reverie.fitNormalizers(replay, 3);
  const [rng, initRngs] = [reverie.Rng.fromSeed(2), reverie.Rng.fromSeed(3).spawn(2)];
  const training = { averageDecay: 0.97, contextNoise: 0.17, initRngs };
  const settings = { config, replay, normalizers, weights, optimizer, ...training };
  const trainer = reverie.makeEnsembleTrainer(settings);
  const phase = { horizon: 1, batchSize: 64, terminalFraction: 0.15, recentFraction: 0, recentEpisodes: 1 };
  const errors: number[] = [];
  for (let i = 0; i < modelSteps * 2; i++) {
    const rate = reverie.learningRateAt(peak(0.004, modelSteps), Math.floor(i / 2));
    errors.push((await trainer.step(i % 2, phase, rate, rng)).latent);
  }
  const parts = { config, members: trainer.members(), normalizers, actionSpec };
  reverie.saveLatentModel(join(folder, "worldmodel.safetensors"), parts, tokenizer.hash);
  const psnrDb = await reverie.reconstructionPsnr(tokenizer, episodes[0].frames);
  const fifth = Math.ceil(errors.length / 5); // a single batch's error is noise
  return { psnrDb, firstError: mean(errors.slice(0, fifth)), lastError: mean(errors.slice(-fifth)) };
}

if (import.meta.url === `file://${process.argv[1]}`)
  console.log(await train(process.argv[2] ?? "runs/examples/driving"));
