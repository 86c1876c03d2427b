/** @file Training the denoiser ensemble on windows of encoded episodes. */

import type { Tensor } from "../../engine/jit.ts";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { makeTrainStep, weightsOf, type TrainState, type TrainStep } from "../../nn/trainer.ts";
import type { OptimizerConfig } from "../../nn/optimizers.ts";
import type { LatentBatch, LatentReplay } from "../contexts.ts";
import { initDenoiser, type DenoiserConfig, type DenoiserParams } from "./denoiser.ts";
import { windowLoss, type LossWeights, type WindowBatch } from "./loss.ts";
import { normalizeRewards, normalizeStates, type Normalizers } from "../normalizers.ts";

/** One phase of training: how far the model is unrolled and on what. */
export interface PhaseConfig {
  readonly horizon: number;
  readonly batchSize: number;
  /** Share of windows that contain the end of a terminated episode. */
  readonly terminalFraction: number;
  /** Share of windows from the newest episodes (Dyna rounds). */
  readonly recentFraction: number;
  readonly recentEpisodes: number;
}

/** Trains every member on its own batches. */
export interface EnsembleTrainer {
  /** One step of one member (round robin is the caller's). */
  step(member: number, phase: PhaseConfig, learningRate: number, rng: Rng): Promise<Record<string, number>>;
  state(): { members: TrainState<DenoiserParams<NdArray>>[] };
  load(state: { members: TrainState<DenoiserParams<NdArray>>[] }): void;
  /** The members' moving-average weights. */
  members(): DenoiserParams<NdArray>[];
}

/** The columns [B, T − 1] of the predicted steps alone: float32 [B, H] of windows with K context frames. */
function predictedSteps(x: NdArray, context: number): NdArray<"float32"> {
  const [rowCount, all] = x.shape;
  const steps = all - context + 1;
  const out = zeros("float32", [rowCount, steps]);
  for (let b = 0; b < rowCount; b++) {
    for (let h = 0; h < steps; h++) out.data[b * steps + h] = Number(x.data[b * all + context - 1 + h]);
  }
  return out;
}

/** Noise on the context, of a deviation drawn per window from [0, `largest`]: a model's own errors look like it. */
function drawContextNoise(
  shape: readonly [number, number, number],
  largest: number,
  rng: Rng,
): NdArray<"float32"> {
  const noise = zeros("float32", shape);
  rng.fillNormal(noise.data);
  const stride = shape[1] * shape[2];
  for (let b = 0; b < shape[0]; b++) {
    const sigma = rng.random() * largest;
    for (let i = b * stride; i < (b + 1) * stride; i++) noise.data[i] *= sigma;
  }
  return noise;
}

/** A replay batch as the loss takes it. */
export function windowBatch(
  batch: LatentBatch,
  config: DenoiserConfig,
  options: { normalizers: Normalizers; contextNoise: number; rng: Rng },
): WindowBatch<NdArray> {
  const { normalizers, rng } = options;
  const latents = batch.observations.latent;
  const [rowCount, time, width] = latents.shape;
  const context = config.contextLength;
  const common = {
    latents,
    states: normalizeStates(normalizers, batch.observations.state),
    actions: batch.transitions.action,
    rewards: normalizeRewards(normalizers, predictedSteps(batch.transitions.reward, context)),
    terminated: predictedSteps(batch.terminated, context),
    mask: predictedSteps(batch.mask, context),
    contextNoise: drawContextNoise([rowCount, context, width], options.contextNoise, rng),
  };
  if (config.form === "deterministic") return common;
  const noise = zeros("float32", [rowCount, time - context, width]);
  const times = zeros("float32", [rowCount, time - context]);
  rng.fillNormal(noise.data);
  rng.fillUniform(times.data);
  return { ...common, noise, times };
}

/** @param options.initRngs one generator per ensemble member: members differ in their start and in their batches */
export function makeEnsembleTrainer(options: {
  config: DenoiserConfig;
  replay: LatentReplay;
  normalizers: Normalizers;
  weights: LossWeights;
  optimizer: OptimizerConfig;
  averageDecay: number;
  contextNoise: number;
  initRngs: readonly Rng[];
}): EnsembleTrainer {
  const { config, replay, normalizers, contextNoise, optimizer, averageDecay } = options;
  const loss = windowLoss(config, options.weights);
  const step: TrainStep<DenoiserParams<Tensor>, WindowBatch<Tensor>> = makeTrainStep({
    name: "worldmodel",
    loss,
    optimizer,
    averageDecay,
  });
  const states = options.initRngs.map((rng) => step.init(initDenoiser(rng, config) as never));
  return {
    async step(member, phase, learningRate, rng) {
      const batch = replay.sample({ ...phase, context: config.contextLength, rng });
      const prepared = windowBatch(batch, config, { normalizers, contextNoise, rng });
      const result = await step.step(states[member], prepared, learningRate);
      states[member] = result.state;
      return result.metrics;
    },
    state: () => ({ members: states }),
    load(next) {
      next.members.forEach((member, i) => (states[i] = member as never));
    },
    members: () => states.map((state) => weightsOf(state) as unknown as DenoiserParams<NdArray>),
  };
}
