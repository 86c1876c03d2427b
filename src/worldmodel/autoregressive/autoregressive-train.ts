/** @file Training the autoregressive model: next tokens under teacher forcing that is partly the model's own, and frame facts. */

import { jit, tf, type Tensor } from "../../engine/jit.ts";
import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { LossResult } from "../../nn/gradients.ts";
import { makeTraining, type TrainState } from "../../nn/trainer.ts";
import type { OptimizerConfig } from "../../nn/optimizers.ts";
import {
  draftLogits,
  embedFrames,
  frameConditions,
  initAutoregressive,
  nextLogits,
  readFacts,
  runSequence,
  tokensPerFrame,
  vocabularySize,
  type AutoregressiveConfig,
  type AutoregressiveParams,
} from "./autoregressive.ts";
import type { LatentBatch, LatentReplay } from "../contexts.ts";
import { binaryCrossEntropy, maskedMean, weighTerms, type LossWeights } from "../latent/loss.ts";
import { normalizeRewards, normalizeStates, type Normalizers } from "../normalizers.ts";
import type { PhaseConfig } from "../latent/train.ts";

type Floats = NdArray<"float32">;

/**
 * A batch of windows of F frames: given and true tokens [B, F, N] (the given ones are partly the model's own), states
 * [B, F, S] (normalized), actions [B, F − 1, A], rewards (normalized), terminated and mask [B, F − 1].
 */
export interface TokenBatch<T> {
  readonly given: T;
  readonly tokens: T;
  readonly states: T;
  readonly actions: T;
  readonly rewards: T;
  readonly terminated: T;
  readonly mask: T;
}

/** Hidden states of windows: [B, F, N + 1, D]. */
function hiddenStates(
  p: AutoregressiveParams<Tensor>,
  config: AutoregressiveConfig,
  given: { tokens: Tensor; states: Tensor; actions: Tensor },
): Tensor {
  const [batch, frames] = given.tokens.shape as [number, number];
  const before = tf.slice(given.states, [0, 0, 0], [batch, frames - 1, config.stateSize]);
  const conditions = frameConditions(p, given.actions, before);
  const { hidden } = runSequence(p, config, embedFrames(p, config, given.tokens, conditions));
  return tf.reshape(hidden, [batch, frames, tokensPerFrame(config) + 1, config.dim]);
}

/** Frames 1 … F − 1 of x [B, F, …]. */
function laterFrames(x: Tensor): Tensor {
  const [batch, frames, ...rest] = x.shape;
  return tf.slice(x, [0, 1, ...rest.map(() => 0)], [batch, frames - 1, ...rest]);
}

/** Cross-entropy of `logits` [..., V] against ids [...]. */
function tokenLoss(logits: Tensor, ids: Tensor): Tensor {
  const size = logits.shape[logits.rank - 1];
  const hot = tf.oneHot(tf.cast(ids, "int32"), size);
  return tf.neg(tf.sum(tf.mul(tf.logSoftmax(logits), tf.cast(hot, "float32")), -1));
}

/** Places [from, to) of the token axis of x [B, F, P, …]. */
function places(x: Tensor, from: number, to: number): Tensor {
  const [batch, frames, , ...rest] = x.shape;
  return tf.slice(x, [0, 0, from, ...rest.map(() => 0)], [batch, frames, to - from, ...rest]);
}

/** Mean cross-entropy of the draft heads, each over the places that it can guess. */
function draftLoss(
  p: AutoregressiveParams<Tensor>,
  hidden: Tensor,
  tokens: Tensor,
  mask: Tensor,
): Tensor | undefined {
  const count = tokens.shape[2] as number;
  // Only the places before the end of the frame; a head that looks j further on has j fewer.
  const losses = draftLogits(p, places(hidden, 0, count)).map((logits, i) => {
    const known = count - i - 1;
    return maskedMean(tf.mean(tokenLoss(places(logits, 0, known), places(tokens, i + 1, count)), -1), mask);
  });
  return losses.length === 0 ? undefined : (tf.div(tf.addN(losses), losses.length) as Tensor);
}

/** Weights of the terms; `latent` is that of the tokens. */
export interface TokenLossWeights extends LossWeights {
  readonly draft: number;
}

/** Cross-entropy of every token after the first frame, and errors of state, reward and end read at each frame's end. */
export function tokenWindowLoss(config: AutoregressiveConfig, weights: TokenLossWeights) {
  return (p: AutoregressiveParams<Tensor>, batch: TokenBatch<Tensor>): LossResult => {
    const [rowCount, frames, count] = batch.tokens.shape as [number, number, number];
    const given = { tokens: batch.given, states: batch.states, actions: batch.actions };
    const hidden = laterFrames(hiddenStates(p, config, given));
    const targets = laterFrames(batch.tokens);
    const steps = rowCount * (frames - 1);
    const flat = (x: Tensor): Tensor => tf.reshape(x, [steps, -1]);
    const before = tf.slice(batch.states, [0, 0, 0], [rowCount, frames - 1, config.stateSize]);
    const facts = readFacts(p, flat(places(hidden, count, count + 1)), flat(before));
    const [mask, ended, rewards] = [batch.mask, batch.terminated, batch.rewards].map((x) =>
      tf.reshape(x, [steps]),
    );
    const logits = nextLogits(p, places(hidden, 0, count));
    const stateError = tf.mean(tf.square(tf.sub(facts.state, flat(laterFrames(batch.states)))), -1);
    const terms: Record<string, Tensor> = {
      latent: maskedMean(tf.mean(tokenLoss(logits, targets), -1), batch.mask),
      state: maskedMean(stateError, mask),
      reward: maskedMean(tf.square(tf.sub(facts.reward, rewards)), tf.mul(mask, tf.sub(1, ended))),
      termination: maskedMean(binaryCrossEntropy(facts.terminationLogit, ended), mask),
    };
    const draft = draftLoss(p, hidden, targets, batch.mask);
    if (draft !== undefined) terms.draft = draft;
    return weighTerms(terms, weights);
  };
}

/** Options of `makeAutoregressiveTrainer`. */
export interface AutoregressiveTrainerOptions {
  readonly config: AutoregressiveConfig;
  /** Episodes whose `latent` column holds token ids. */
  readonly replay: LatentReplay;
  readonly normalizers: Normalizers;
  readonly weights: TokenLossWeights;
  readonly optimizer: OptimizerConfig;
  readonly averageDecay: number;
  /** Largest share of a window's given tokens that are the model's own guesses, drawn per window from [0, this]. */
  readonly ownTokens: number;
  readonly rng: Rng;
}

/** What a loop over training steps needs. */
export interface AutoregressiveTrainer {
  /** One step; metrics: `latent` is the tokens' cross-entropy in nats, `bits` the same in bits. */
  step(
    phase: Pick<PhaseConfig, "batchSize" | "terminalFraction">,
    learningRate: number,
    rng: Rng,
  ): Promise<Record<string, number>>;
  state(): TrainState<AutoregressiveParams<NdArray>>;
  load(state: TrainState<AutoregressiveParams<NdArray>>): void;
  /** The moving-average weights. */
  params(): AutoregressiveParams<NdArray>;
}

/** Likeliest tokens [B, F, N] at every place, given the true ones before it; those of the first frame are meaningless. */
function compileGuess(config: AutoregressiveConfig) {
  type In = { params: AutoregressiveParams<Tensor>; tokens: Tensor; states: Tensor; actions: Tensor };
  return jit(
    ({ params, ...given }: In) => {
      const hidden = places(hiddenStates(params, config, given), 0, tokensPerFrame(config));
      const logits = tf.reshape(nextLogits(params, hidden), [-1, vocabularySize(config)]);
      return { tokens: tf.reshape(tf.cast(tf.argMax(logits, -1), "float32"), given.tokens.shape) };
    },
    { name: "autoregressive.guess" },
  );
}

/** True tokens with a share of the later frames' replaced by guesses. */
function mixTokens(tokens: Floats, guesses: Floats, largest: number, rng: Rng): Floats {
  const [batch, frames, count] = tokens.shape;
  const data = tokens.data.slice();
  for (let b = 0; b < batch; b++) {
    const share = rng.random() * largest;
    for (let i = (b * frames + 1) * count; i < (b + 1) * frames * count; i++) {
      if (rng.random() < share) data[i] = guesses.data[i];
    }
  }
  return { ...tokens, data };
}

/** A replay batch as the loss takes it; `given` are the true tokens yet. */
function tokenBatch(
  batch: LatentBatch,
  config: AutoregressiveConfig,
  normalizers: Normalizers,
): TokenBatch<Floats> {
  const { latent, state } = batch.observations;
  const { action, reward } = batch.transitions;
  const [rowCount, time] = latent.shape;
  const tokens = { ...latent, shape: [rowCount, time, tokensPerFrame(config)] };
  return {
    given: tokens,
    tokens,
    states: normalizeStates(normalizers, state),
    actions: action,
    rewards: normalizeRewards(normalizers, reward),
    terminated: batch.terminated,
    mask: batch.mask,
  };
}

/** A trainer on windows of `contextLength` + 1 frames. @throws INVALID_ARGUMENT for an unsound config */
export function makeAutoregressiveTrainer(options: AutoregressiveTrainerOptions): AutoregressiveTrainer {
  const { config, replay, normalizers, optimizer, averageDecay, ownTokens } = options;
  type Params = AutoregressiveParams<Tensor>;
  const guess = compileGuess(config);
  const training = makeTraining<Params, TokenBatch<Tensor>>(initAutoregressive(options.rng, config), {
    name: "autoregressive",
    loss: tokenWindowLoss(config, options.weights),
    optimizer,
    averageDecay,
  });
  return {
    async step({ batchSize, terminalFraction }, learningRate, rng) {
      const shape = { batchSize, context: config.contextLength, horizon: 1 };
      const batch = tokenBatch(replay.sample({ ...shape, terminalFraction, rng }), config, normalizers);
      let { given } = batch;
      if (ownTokens > 0) {
        const { tokens, states, actions } = batch;
        const input = { params: training.state().params, tokens, states, actions };
        const own = await guess(input);
        given = mixTokens(tokens, own.tokens as Floats, ownTokens, rng);
      }
      const metrics = await training.step({ ...batch, given }, learningRate);
      return { ...metrics, bits: metrics.latent / Math.LN2 };
    },
    state: training.state,
    load: training.load,
    params: training.params,
  };
}
