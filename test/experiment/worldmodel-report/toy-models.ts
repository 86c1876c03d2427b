/** @file Checkpoints of every kind with small random networks, and recordings that fit them: nothing is learned in them. */

import { join } from "node:path";
import { float32, ndarray } from "../../../src/core/ndarray.ts";
import { Rng } from "../../../src/core/rng.ts";
import { saveEpisode } from "../../../src/data/episode-store.ts";
import {
  initContinuous,
  loadContinuousTokenizer,
  saveContinuousTokenizer,
} from "../../../src/tokenizer/continuous.ts";
import { initVideoTokenizer } from "../../../src/tokenizer/video-network.ts";
import { plainNormalizer, saveVideoTokenizer } from "../../../src/tokenizer/video.ts";
import { saveAutoregressiveModel } from "../../../src/worldmodel/autoregressive/autoregressive-checkpoint.ts";
import { initAutoregressive } from "../../../src/worldmodel/autoregressive/autoregressive.ts";
import { saveCausalFlowModel } from "../../../src/worldmodel/causal-flow/causal-flow-model.ts";
import { initCausalFlow } from "../../../src/worldmodel/causal-flow/causal-flow.ts";
import { saveLatentModel } from "../../../src/worldmodel/latent/checkpoint.ts";
import { initDenoiser } from "../../../src/worldmodel/latent/denoiser.ts";
import type { ActionSpec } from "../../../src/worldmodel/worldmodel.ts";

/** Kinds of checkpoints. */
export const kinds = ["latent-world-model", "causal-flow-world-model", "autoregressive-world-model"] as const;
export type Kind = (typeof kinds)[number];

const spec: ActionSpec = {
  names: ["steer", "pedal"],
  units: ["rad", "1"],
  kind: "absolute",
  low: [-0.42, -1],
  high: [0.42, 1],
  rateHz: 10,
};

const normalizers = {
  stateMean: [0, 0, 0],
  stateScale: [1, 1, 1],
  rewardMean: 0.2,
  rewardScale: 0.5,
  terminalReward: -10,
};

const small = { contextLength: 2, stateSize: 3, actionSize: 2, dim: 16, heads: 2, blocks: 1 } as const;

/** Write a tokenizer of frames of `size` pixels; returns its hash and form. */
export function saveToyTokenizer(
  folder: string,
  size: number,
  { name = "tokenizer.safetensors", seed = 1 } = {},
): { hash: string; tokens: number } {
  const config = {
    size,
    patch: size / 2,
    dim: 16,
    heads: 2,
    encoderBlocks: 1,
    decoderBlocks: 1,
    channels: 3,
    latentNoise: 0,
    rarityWeight: 0,
  };
  const path = join(folder, name);
  saveContinuousTokenizer(path, {
    config,
    params: initContinuous(Rng.fromSeed(seed), config),
    normalizer: { mean: float32(new Float32Array(12)), scale: float32([0.5], []) },
  });
  return { hash: loadContinuousTokenizer(path, Rng.fromSeed(0)).hash, tokens: 4 };
}

/** Write `worldmodel.safetensors` of a latent kind for frames of `size` pixels, its tokenizer beside it. */
export function saveToyLatent(folder: string, size: number): void {
  const { hash, tokens } = saveToyTokenizer(folder, size);
  const config = { form: "deterministic" as const, ...small, tokens, channels: 3, samplingSteps: 1 };
  const members = [initDenoiser(Rng.fromSeed(2), config)];
  const file = join(folder, "worldmodel.safetensors");
  saveLatentModel(file, { config, members, normalizers, actionSpec: spec }, hash);
}

function saveToyCausal(folder: string): void {
  const { hash, tokens } = saveToyTokenizer(folder, 16);
  const form = { samplingSteps: 1, preconditioning: "residual", shortcut: true } as const;
  const config = { ...small, ...form, tokens, channels: 3 };
  const params = initCausalFlow(Rng.fromSeed(3), config);
  const file = join(folder, "worldmodel.safetensors");
  saveCausalFlowModel(file, { config, params, normalizers, actionSpec: spec }, hash);
}

function saveToyAutoregressive(folder: string): void {
  const levels = [3, 2];
  const config = {
    size: 16,
    spatial: 8,
    temporal: 1,
    dim: 16,
    heads: 2,
    encoderBlocks: 1,
    decoderBlocks: 1,
    history: 0,
    latent: { kind: "discrete", levels },
  } as const;
  const params = initVideoTokenizer(Rng.fromSeed(4), config);
  const tokenizer = join(folder, "tokens.safetensors");
  const hash = saveVideoTokenizer(tokenizer, { config, params, normalizer: plainNormalizer(config) });
  const own = { ...small, rows: 2, columns: 2, levels, draftHeads: 1 };
  const model = initAutoregressive(Rng.fromSeed(5), own);
  const file = join(folder, "worldmodel.safetensors");
  saveAutoregressiveModel(file, { config: own, params: model, normalizers, actionSpec: spec }, hash);
}

/** Write a model of this kind for frames of 16 pixels. */
export function saveToyModel(folder: string, kind: Kind): void {
  if (kind === "latent-world-model") saveToyLatent(folder, 16);
  else if (kind === "causal-flow-world-model") saveToyCausal(folder);
  else saveToyAutoregressive(folder);
}

/** Write `count` episodes of noise, every second of them ended. */
export async function saveToyEpisodes(folder: string, count: number, size = 16): Promise<void> {
  for (let n = 0; n < count; n++) {
    const rng = Rng.fromSeed([6, n]);
    const steps = 20 + n;
    const draw = (length: number): Float32Array => Float32Array.from({ length }, () => 2 * rng.random() - 1);
    await saveEpisode(folder, {
      id: `toy-${n}`,
      meta: { policy: "noise" },
      frames: ndarray(
        "uint8",
        [steps + 1, size, size, 3],
        Uint8Array.from({ length: (steps + 1) * size * size * 3 }, () => Math.floor(256 * rng.random())),
      ),
      states: float32(draw(3 * (steps + 1)), [steps + 1, 3]),
      actions: float32(draw(2 * steps), [steps, 2]),
      rewards: float32(draw(steps)),
      terminated: n % 2 === 0,
      truncated: n % 2 !== 0,
    });
  }
}
