/** @file The files of a seed with small random networks: nothing is learned in them. */

import { join } from "node:path";
import { float32 } from "../../../src/core/ndarray.ts";
import type { Rng } from "../../../src/core/rng.ts";
import { Rng as Generator } from "../../../src/core/rng.ts";
import { armActions } from "../../../src/experiment/arm/task.ts";
import { loadCheckpoint, restoreParams, saveCheckpoint } from "../../../src/nn/checkpoint.ts";
import { initActorCritic, makeActorCritic } from "../../../src/policy/networks.ts";
import type { ActorCriticConfig } from "../../../src/policy/networks.ts";
import {
  initContinuous,
  loadContinuousTokenizer,
  saveContinuousTokenizer,
} from "../../../src/tokenizer/continuous.ts";
import { loadLatentModel, saveLatentModel } from "../../../src/worldmodel/latent/checkpoint.ts";
import { initDenoiser } from "../../../src/worldmodel/latent/denoiser.ts";
import type { DenoiserConfig } from "../../../src/worldmodel/latent/denoiser.ts";

/** Sizes of the toy networks. */
export const toySizes = { tokens: 16, channels: 4, stateSize: 21, actionSize: 2 } as const;

const config: DenoiserConfig = {
  form: "deterministic",
  contextLength: 3,
  ...toySizes,
  dim: 16,
  heads: 2,
  blocks: 1,
  samplingSteps: 1,
};

/** Write tokenizer, world model and the policy "imagined" into a seed's folder. */
export function saveToySeed(folder: string, rng: Rng): void {
  const architecture = {
    size: 64,
    patch: 16,
    dim: 16,
    heads: 2,
    encoderBlocks: 1,
    decoderBlocks: 1,
    channels: toySizes.channels,
    latentNoise: 0,
    rarityWeight: 0,
  };
  const width = toySizes.tokens * toySizes.channels;
  saveContinuousTokenizer(join(folder, "tokenizer.safetensors"), {
    config: architecture,
    params: initContinuous(rng, architecture),
    normalizer: { mean: float32(new Float32Array(width).fill(0.1)), scale: float32([0.5], []) },
  });
  const tokenizer = loadContinuousTokenizer(join(folder, "tokenizer.safetensors"), rng);
  const stateMean = Array.from({ length: toySizes.stateSize }, (_, i) => i / 40);
  const stateScale = stateMean.map((mean) => 0.5 + mean);
  const normalizers = { stateMean, stateScale, rewardMean: -1, rewardScale: 0.5, terminalReward: -0.2 };
  saveLatentModel(
    join(folder, "worldmodel.safetensors"),
    { config, members: [initDenoiser(rng, config)], normalizers, actionSpec: armActions },
    tokenizer.hash,
  );
  const policy: ActorCriticConfig = {
    observationSize: 2 * width + toySizes.stateSize + toySizes.actionSize,
    actionSize: toySizes.actionSize,
    hidden: [32],
    initialLogStd: -1,
    valueScale: 1,
  };
  const { actor, ...rest } = initActorCritic(rng, policy);
  const names = Object.keys(actor);
  const { weight, bias } = actor[names[names.length - 1]];
  const loud = {
    weight: { ...weight, data: Float32Array.from(weight.data as Float32Array, (x) => 100 * x) },
    bias,
  };
  saveCheckpoint(
    join(folder, "policies", "imagined.safetensors"),
    { ...rest, actor: { ...actor, [names[names.length - 1]]: loud } },
    { kind: "actor-critic", config: policy, actionSpec: armActions },
  );
}

/** Model and policy of such a folder, as the framework loads them. */
export function loadSeedPolicy(folder: string) {
  const tokenizer = loadContinuousTokenizer(join(folder, "tokenizer.safetensors"), Generator.fromSeed(0));
  const model = loadLatentModel(join(folder, "worldmodel.safetensors"), tokenizer);
  const path = join(folder, "policies", "imagined.safetensors");
  const { tensors, meta } = loadCheckpoint(path);
  const sizes = meta.config as ActorCriticConfig;
  const params = restoreParams(initActorCritic(Generator.fromSeed(0), sizes), tensors, path);
  return { model, policy: makeActorCritic(sizes, params) };
}
