/** @file Training a text world: a causal flow on captioned windows, some without text, without actions, or without a past. */

import type { Tensor } from "../../engine/jit.ts";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { OptimizerConfig } from "../../nn/optimizers.ts";
import { makeTraining } from "../../nn/trainer.ts";
import { initCausalFlow, type CausalFlowParams } from "../causal-flow/causal-flow.ts";
import {
  causalFlowLoss,
  flowBatch,
  type FlowBatch,
  type CausalFlowTrainer,
} from "../causal-flow/causal-flow-train.ts";
import type { LatentReplay } from "../contexts.ts";
import type { FlowTimes } from "../causal-flow/flow-times.ts";
import type { Normalizers } from "../normalizers.ts";
import type { TextWorldConfig } from "./text-world.ts";

type Floats = NdArray<"float32">;

/** Options of `makeTextWorldTrainer`. */
export interface TextWorldTrainerOptions {
  readonly config: TextWorldConfig;
  /** Encoded clips. */
  readonly replay: LatentReplay;
  readonly normalizers: Normalizers;
  /** Vector [E] of a caption of a clip, by the clip's place in the replay; any of its captions. */
  readonly textOf: (episode: number, rng: Rng) => ArrayLike<number>;
  readonly optimizer: OptimizerConfig;
  readonly averageDecay: number;
  /** Largest deviation of the noise on context frames. */
  readonly contextNoise: number;
  readonly times: FlowTimes;
  /** Share of windows without text (guidance needs them), whose actions are unknown, and that have no past. */
  readonly untoldShare?: number;
  readonly undirectedShare?: number;
  readonly firstShare?: number;
  readonly rng: Rng;
}

/** What a loop over training steps needs. */
export interface TextWorldTrainer extends Pick<CausalFlowTrainer, "state" | "load" | "params"> {
  step(batchSize: number, learningRate: number, rng: Rng): Promise<Record<string, number>>;
}

/** Set row b of x [B, …] to a value. */
function fillRow(x: Floats, b: number, value: number): void {
  const width = x.data.length / x.shape[0];
  x.data.fill(value, b * width, (b + 1) * width);
}

/** Nothing was before the frame that is learned: zeros, of which the network is told by their time that they are nothing. */
function removePast(batch: FlowBatch<Floats>, b: number): void {
  for (const part of [batch.latents, batch.contextTimes]) fillRow(part, b, 0);
}

/** A replay batch with texts, and with what is left out of each row. */
function captionedBatch(options: TextWorldTrainerOptions, batchSize: number, rng: Rng): FlowBatch<Floats> {
  const { config, replay, textOf, untoldShare = 0.15, undirectedShare = 0.5, firstShare = 0.5 } = options;
  const drawn = replay.sample({ batchSize, context: config.contextLength, horizon: 1, rng });
  const plain = flowBatch(drawn, options, rng);
  const actions = { ...plain.actions, data: plain.actions.data.slice() };
  const batch = {
    ...plain,
    actions,
    text: zeros("float32", [batchSize, config.textSize]),
    known: zeros("float32", [batchSize]),
  };
  for (const [b, { episode }] of drawn.segments.entries()) {
    if (rng.random() >= untoldShare) batch.text.data.set(textOf(episode, rng), b * config.textSize);
    const first = rng.random() < firstShare;
    if (first) removePast(batch, b);
    if (!first && rng.random() >= undirectedShare) batch.known.data[b] = 1;
    else for (const part of [batch.states, batch.actions]) fillRow(part, b, 0);
  }
  return batch;
}

/** A trainer on windows of `contextLength` + 1 frames of captioned clips. @throws INVALID_ARGUMENT for an unsound config */
export function makeTextWorldTrainer(options: TextWorldTrainerOptions): TextWorldTrainer {
  const { config, optimizer, averageDecay } = options;
  const weights = { latent: 1, state: 0.3, reward: 0.1, termination: 0.1, shortcut: 1 };
  const initial = initCausalFlow(options.rng, config);
  const training = makeTraining<CausalFlowParams<Tensor>, FlowBatch<Tensor>>(initial, {
    name: "text world",
    loss: causalFlowLoss(config, weights),
    optimizer,
    averageDecay,
  });
  return {
    step: (batchSize, learningRate, rng) =>
      training.step(captionedBatch(options, batchSize, rng), learningRate),
    state: training.state,
    load: training.load,
    params: training.params,
  };
}
