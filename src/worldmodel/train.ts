/** @file Training the denoiser ensemble on windows of encoded episodes. */

import type { Tensor } from "../engine/jit.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import { makeTrainStep, weightsOf, type TrainState, type TrainStep } from "../nn/trainer.ts";
import type { OptimizerConfig } from "../nn/optimizers.ts";
import type { LatentBatch, LatentReplay } from "./contexts.ts";
import { initDenoiser, type DenoiserConfig, type DenoiserParams } from "./denoiser.ts";
import type { Normalizers } from "./latent-model.ts";
import { windowLoss, type LossWeights, type WindowBatch } from "./loss.ts";

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

/** Means and scales of states and rewards over a replay; terminal rewards apart, as they are of another kind. */
export function fitNormalizers(replay: LatentReplay, stateSize: number): Normalizers {
  const sum = new Float64Array(stateSize);
  const squares = new Float64Array(stateSize);
  let rowsSeen = 0;
  const rewards = { count: 0, sum: 0, squares: 0 };
  const terminal = { count: 0, sum: 0 };
  for (const episode of replay.episodes) {
    const state = episode.columns.state.data;
    for (let i = 0; i < state.length; i++) {
      sum[i % stateSize] += state[i];
      squares[i % stateSize] += state[i] ** 2;
    }
    rowsSeen += state.length / Math.max(1, stateSize);
    const reward = episode.columns.reward.data;
    const alive = episode.terminated ? reward.length - 1 : reward.length;
    for (let t = 0; t < alive; t++) {
      rewards.count++;
      rewards.sum += reward[t];
      rewards.squares += reward[t] ** 2;
    }
    if (episode.terminated) {
      terminal.count++;
      terminal.sum += reward[alive];
    }
  }
  const scaleOf = (total: number, square: number, count: number): number =>
    Math.sqrt(Math.max(0, square / count - (total / count) ** 2)) || 1;
  return {
    stateMean: Array.from(sum, (value) => value / rowsSeen),
    stateScale: Array.from(sum, (value, i) => scaleOf(value, squares[i], rowsSeen)),
    rewardMean: rewards.sum / Math.max(1, rewards.count),
    rewardScale: scaleOf(rewards.sum, rewards.squares, Math.max(1, rewards.count)),
    terminalReward: terminal.count === 0 ? 0 : terminal.sum / terminal.count,
  };
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

function standardizeStates(
  raw: NdArray<"float32">,
  { stateMean, stateScale }: Normalizers,
): NdArray<"float32"> {
  const out = zeros("float32", raw.shape);
  const size = stateMean.length;
  for (let i = 0; i < out.data.length; i++) {
    const s = i % size;
    out.data[i] = (raw.data[i] - stateMean[s]) / stateScale[s];
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
function windowBatch(
  batch: LatentBatch,
  config: DenoiserConfig,
  options: { normalizers: Normalizers; contextNoise: number; rng: Rng },
): WindowBatch<NdArray> {
  const { normalizers, rng } = options;
  const latents = batch.observations.latent;
  const [rowCount, time, width] = latents.shape;
  const context = config.contextLength;
  const rewards = predictedSteps(batch.transitions.reward, context);
  for (let i = 0; i < rewards.data.length; i++) {
    rewards.data[i] = (rewards.data[i] - normalizers.rewardMean) / normalizers.rewardScale;
  }
  const common = {
    latents,
    states: standardizeStates(batch.observations.state, normalizers),
    actions: batch.transitions.action,
    rewards,
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
