/** @file Training the causal flow model: velocity at random times, large steps equal to two small ones, and frame facts. */

import { stopGradient, tf, type Tensor } from "../../engine/jit.ts";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { LossResult } from "../../nn/gradients.ts";
import { makeTraining, type TrainState } from "../../nn/trainer.ts";
import type { OptimizerConfig } from "../../nn/optimizers.ts";
import {
  denoiseNext,
  drawNext,
  initCausalFlow,
  readContext,
  velocityOf,
  type CausalFlowConfig,
  type CausalFlowParams,
  type Noised,
  type Present,
} from "./causal-flow.ts";
import type { LatentBatch, LatentReplay } from "../contexts.ts";
import { noiseLatent } from "../latent/flow.ts";
import { drawFlowTimes, type FlowTimes } from "./flow-times.ts";
import { binaryCrossEntropy, maskedMean, weighTerms, type LossWeights } from "../latent/loss.ts";
import { normalizeRewards, normalizeStates, type Normalizers } from "../normalizers.ts";
import { timeRows } from "../windows.ts";
import type { PhaseConfig } from "../latent/train.ts";

type Floats = NdArray<"float32">;
type Params = CausalFlowParams<Tensor>;

/** Windows of K context frames and the next one; the noise on the context is scaled already, its times say how much there is. */
export interface FlowBatch<T> {
  /** [B, K, D], noised; [B, K, S]; [B, K, A]; [B, K] */
  readonly latents: T;
  readonly states: T;
  readonly actions: T;
  readonly contextTimes: T;
  /** The next frame: [B, D], [B, S], normalized reward [B], terminated [B], mask [B]. */
  readonly nextLatent: T;
  readonly nextState: T;
  readonly reward: T;
  readonly terminated: T;
  readonly mask: T;
  /** Unit noise [B, D] for the flow and for sampling, times [B] in [0, 1). */
  readonly noise: T;
  readonly sampleNoise: T;
  readonly times: T;
  /** Shortcut rows: start of a large step [B] and its size [B], powers of two. */
  readonly jumpTimes: T;
  readonly jumpSteps: T;
  /** Where the network knows texts: [B, E], and [B]: 1 where states and actions are known. */
  readonly text?: T;
  readonly known?: T;
}

/** Jumps of 1, 1/2 and 1/4: those of 1, 2 and 4 sampling steps. */
const SMALLEST_JUMP = 1 / 4;

/** Weights of the terms; `shortcut` is that of the large steps. */
export interface FlowLossWeights extends LossWeights {
  readonly shortcut: number;
}

/** Squared error of the clean latent [B]: weighted 0.1 + 0.9 τ, or by EDM's 1 / c_out² up to 5. */
function flowError(config: CausalFlowConfig, clean: Tensor, target: Tensor, time: Tensor): Tensor {
  const squared = tf.mean(tf.square(tf.sub(clean, target)), -1);
  if (config.preconditioning === "residual") return tf.mul(squared, tf.add(0.1, tf.mul(time, 0.9)));
  const noise = tf.square(tf.sub(1, time));
  const weight = tf.div(tf.add(noise, tf.square(time)), tf.add(noise, 1e-3));
  return tf.mul(squared, tf.minimum(weight, 5));
}

/**
 * Velocity of one large step against the mean of two half ones, [B].
 * @source Frans et al. 2024, One Step Diffusion via Shortcut Models, eq. 4; Dreamer 4, eq. 7 (in terms of the clean latent)
 */
function jumpError(p: Params, config: CausalFlowConfig, present: Present, batch: FlowBatch<Tensor>): Tensor {
  const half = tf.mul(batch.jumpSteps, 0.5);
  // Half of the smallest jump is no jump that is learned: there the flow itself (step 0), learned from data, is the anchor.
  const known = tf.cast(tf.greater(batch.jumpSteps, 1.5 * SMALLEST_JUMP), "float32");
  const asked = tf.mul(half, known);
  const start = noiseLatent(batch.nextLatent, batch.noise, batch.jumpTimes);
  const column = (x: Tensor): Tensor => tf.reshape(x, [-1, 1]);
  const velocity = (noised: Noised): Tensor =>
    velocityOf(denoiseNext(p, config, present, noised).latent, noised);
  const first = velocity({ latent: start, time: batch.jumpTimes, step: asked });
  const middle = stopGradient(tf.add(start, tf.mul(first, column(half))));
  const second = velocity({ latent: middle, time: tf.add(batch.jumpTimes, half), step: asked });
  const goal = stopGradient(tf.mul(tf.add(first, second), 0.5));
  const jumped = velocity({ latent: start, time: batch.jumpTimes, step: batch.jumpSteps });
  const left = tf.sub(1, batch.jumpTimes);
  return tf.mul(tf.mean(tf.square(tf.sub(jumped, goal)), -1), tf.square(left));
}

/** Mean errors of one window: the flow, the jump (with `shortcut`), and the facts read in the sampler's last pass. */
export function causalFlowLoss(config: CausalFlowConfig, weights: FlowLossWeights) {
  return (p: Params, batch: FlowBatch<Tensor>): LossResult => {
    const { latents, states, actions, contextTimes, mask, text, known } = batch;
    const present = readContext(p, config, { latents, states, actions, times: contextTimes, text, known });
    const noised = {
      latent: noiseLatent(batch.nextLatent, batch.noise, batch.times),
      time: batch.times,
      step: tf.zerosLike(batch.times),
    };
    const { latent } = denoiseNext(p, config, present, noised);
    const drawn = drawNext(p, config, present, { noise: batch.sampleNoise, hold: stopGradient });
    const stateError = tf.mean(tf.square(tf.sub(drawn.state, batch.nextState)), -1);
    const rewardError = tf.square(tf.sub(drawn.reward, batch.reward));
    const alive = tf.mul(mask, tf.sub(1, batch.terminated));
    const terms: Record<string, Tensor> = {
      latent: maskedMean(flowError(config, latent, batch.nextLatent, batch.times), mask),
      state: maskedMean(stateError, mask),
      reward: maskedMean(rewardError, alive),
      termination: maskedMean(binaryCrossEntropy(drawn.terminationLogit, batch.terminated), mask),
    };
    if (config.shortcut) terms.shortcut = maskedMean(jumpError(p, config, present, batch), mask);
    return weighTerms(terms, weights);
  };
}

/** Options of `makeCausalFlowTrainer`. */
export interface CausalFlowTrainerOptions {
  readonly config: CausalFlowConfig;
  readonly replay: LatentReplay;
  readonly normalizers: Normalizers;
  readonly weights: FlowLossWeights;
  readonly optimizer: OptimizerConfig;
  readonly averageDecay: number;
  /** Largest deviation of the noise on context frames, drawn per window; the network is told. */
  readonly contextNoise: number;
  readonly times: FlowTimes;
  readonly rng: Rng;
}

/** What a loop over training steps needs. */
export interface CausalFlowTrainer {
  step(
    phase: Pick<PhaseConfig, "batchSize" | "terminalFraction">,
    learningRate: number,
    rng: Rng,
  ): Promise<Record<string, number>>;
  state(): TrainState<CausalFlowParams<NdArray>>;
  load(state: TrainState<CausalFlowParams<NdArray>>): void;
  /** The moving-average weights. */
  params(): CausalFlowParams<NdArray>;
}

const withoutTime = (x: Floats): Floats => ({ ...x, shape: [x.shape[0], ...x.shape.slice(2)] });

/** Context latents with noise of a deviation drawn per window, and the share of data that is left in each frame. */
function noiseContext(latents: Floats, largest: number, rng: Rng): { latents: Floats; contextTimes: Floats } {
  const [batch, frames, width] = latents.shape;
  const data = latents.data.slice();
  const contextTimes = zeros("float32", [batch, frames]);
  for (let b = 0; b < batch; b++) {
    const sigma = rng.random() * largest;
    for (let i = b * frames * width; i < (b + 1) * frames * width; i++) data[i] += sigma * rng.normal();
    contextTimes.data.fill(1 / (1 + sigma), b * frames, (b + 1) * frames);
  }
  return { latents: { ...latents, data }, contextTimes };
}

/** Starts and sizes of large steps: sizes 1, 1/2 or 1/4, starts on the grid of their size. */
function drawJumps(batch: number, rng: Rng): { jumpTimes: Floats; jumpSteps: Floats } {
  const jumpTimes = zeros("float32", [batch]);
  const jumpSteps = zeros("float32", [batch]);
  for (let b = 0; b < batch; b++) {
    const parts = 2 ** Math.floor(rng.random() * (1 - Math.log2(SMALLEST_JUMP)));
    jumpSteps.data[b] = 1 / parts;
    jumpTimes.data[b] = Math.floor(rng.random() * parts) / parts;
  }
  return { jumpTimes, jumpSteps };
}

/** A replay batch as the loss takes it. */
export function flowBatch(
  batch: LatentBatch,
  options: Pick<CausalFlowTrainerOptions, "config" | "normalizers" | "contextNoise" | "times">,
  rng: Rng,
): FlowBatch<Floats> {
  const { config, normalizers, contextNoise, times } = options;
  const frames = config.contextLength;
  const { latent } = batch.observations;
  const states = normalizeStates(normalizers, batch.observations.state);
  const [rowCount, , width] = latent.shape;
  const drawn = drawFlowTimes(times, rng, zeros("float32", [rowCount]));
  // At 1 there is no velocity any more.
  drawn.data.forEach((time, i) => (drawn.data[i] = Math.min(time, 0.98)));
  const [noise, sampleNoise] = [zeros("float32", [rowCount, width]), zeros("float32", [rowCount, width])];
  rng.fillNormal(noise.data);
  rng.fillNormal(sampleNoise.data);
  const last = (x: Floats): Floats => withoutTime(timeRows(x, frames - 1, 1));
  return {
    ...noiseContext(timeRows(latent, 0, frames), contextNoise, rng),
    states: timeRows(states, 0, frames),
    actions: batch.transitions.action,
    nextLatent: withoutTime(timeRows(latent, frames, 1)),
    nextState: withoutTime(timeRows(states, frames, 1)),
    reward: normalizeRewards(normalizers, last(batch.transitions.reward)),
    terminated: last(batch.terminated),
    mask: last(batch.mask),
    noise,
    sampleNoise,
    times: drawn,
    ...drawJumps(rowCount, rng),
  };
}

/** A trainer on windows of `contextLength` + 1 frames. @throws INVALID_ARGUMENT for an unsound config or times */
export function makeCausalFlowTrainer(options: CausalFlowTrainerOptions): CausalFlowTrainer {
  const { config, replay, optimizer, averageDecay } = options;
  const training = makeTraining<Params, FlowBatch<Tensor>>(initCausalFlow(options.rng, config), {
    name: "causal flow",
    loss: causalFlowLoss(config, options.weights),
    optimizer,
    averageDecay,
  });
  return {
    async step({ batchSize, terminalFraction }, learningRate, rng) {
      const shape = { batchSize, context: config.contextLength, horizon: 1 };
      const batch = flowBatch(replay.sample({ ...shape, terminalFraction, rng }), options, rng);
      return training.step(batch, learningRate);
    },
    state: training.state,
    load: training.load,
    params: training.params,
  };
}
