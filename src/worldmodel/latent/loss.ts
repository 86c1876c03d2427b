/** @file The training objective: unrolled multi-step prediction, with reward and end read from predicted latents. */

import { stopGradient, tf, type Tensor } from "../../engine/jit.ts";
import type { LossResult } from "../../nn/gradients.ts";
import {
  denoise,
  shiftWindow,
  type Context,
  type DenoiserConfig,
  type DenoiserParams,
  type Outcome,
} from "./denoiser.ts";
import { noiseLatent, sampleNext } from "./flow.ts";

/**
 * A batch of windows of K context frames and H predicted steps (T = K + H):
 * latents [B, T, D], states [B, T, S] (normalized), actions [B, T − 1, A], rewards [B, H] (normalized), terminated [B, H],
 * mask [B, H], contextNoise [B, K, D] (already scaled); the flow form adds noise [B, H, D] and times [B, H].
 */
export interface WindowBatch<T> {
  readonly latents: T;
  readonly states: T;
  readonly actions: T;
  readonly rewards: T;
  readonly terminated: T;
  readonly mask: T;
  readonly contextNoise: T;
  readonly noise?: T;
  readonly times?: T;
}

/** Weights of the terms. */
export interface LossWeights {
  readonly latent: number;
  readonly state: number;
  readonly reward: number;
  readonly termination: number;
}

function frameAt(x: Tensor, index: number): Tensor {
  const [batch, , width] = x.shape as [number, number, number];
  return tf.reshape(tf.slice(x, [0, index, 0], [batch, 1, width]), [batch, width]);
}

function columnAt(x: Tensor, index: number): Tensor {
  return tf.reshape(tf.slice(x, [0, index], [x.shape[0], 1]), [-1]);
}

/** Mean of the values whose mask is 1. */
export function maskedMean(values: Tensor, mask: Tensor): Tensor {
  return tf.div(tf.sum(tf.mul(values, mask)), tf.add(tf.sum(mask), 1e-6));
}

/** Named terms summed by their weights, and each alone as a metric. */
export function weighTerms<W extends LossWeights>(
  terms: Readonly<Record<string, Tensor>>,
  weights: W,
): LossResult {
  const weighted = Object.entries(terms).map(([name, term]) =>
    tf.mul(term, weights[name as keyof W] as number),
  );
  return { loss: tf.addN(weighted), metrics: terms };
}

/** log(1 + e^logit) − label·logit, without overflow. */
export function binaryCrossEntropy(logit: Tensor, label: Tensor): Tensor {
  const softplus = tf.add(tf.relu(logit), tf.log1p(tf.exp(tf.neg(tf.abs(logit)))));
  return tf.sub(softplus, tf.mul(label, logit));
}

interface Step {
  /** Where state, reward and end are read: the very pass that imagination reads them in. */
  readonly outcome: Outcome;
  /** The next step's context gets this latent [B, D]: what imagination would go on with. */
  readonly carried: Tensor;
  /** Per-row squared latent error [B], already weighted by the flow's time. */
  readonly latentError: Tensor;
}

/** A member under training: its weights and architecture. */
interface Member {
  readonly p: DenoiserParams<Tensor>;
  readonly config: DenoiserConfig;
}

/**
 * One imagined step of the flow form. The clean latent is learned at a random time, weighted by 0.1 + 0.9 τ; the heads are
 * learned in the sampler's last pass, on the model's own latent, since heads trained beside true latents never fire on
 * imagined ones. A drawn latent gets no gradient from what follows: pulled towards the one future that was recorded, draws
 * would shrink to their mean.
 * @source Hafner et al. 2025, Dreamer 4: clean prediction, ramp weight
 */
function predictFlow(
  { p, config }: Member,
  context: Context,
  batch: WindowBatch<Tensor>,
  step: Target,
): Step {
  const noise = frameAt(batch.noise as Tensor, step.index);
  const time = columnAt(batch.times as Tensor, step.index);
  const clean = denoise(p, config, context, { latent: noiseLatent(step.latent, noise, time), time }).latent;
  const weight = tf.add(0.1, tf.mul(time, 0.9));
  const latentError = tf.mul(tf.mean(tf.square(tf.sub(clean, step.latent)), -1), weight);
  const outcome = sampleNext(p, config, context, noise);
  return { outcome, carried: stopGradient(outcome.latent), latentError };
}

/** The true latent [B, D] of predicted step `index`. */
interface Target {
  readonly latent: Tensor;
  readonly index: number;
}

function predict(member: Member, context: Context, batch: WindowBatch<Tensor>, step: Target): Step {
  if (member.config.form === "flow") return predictFlow(member, context, batch, step);
  const outcome = denoise(member.p, member.config, context);
  const latentError = tf.mean(tf.square(tf.sub(outcome.latent, step.latent)), -1);
  return { outcome, carried: outcome.latent, latentError };
}

/** Mean over steps of masked latent, state, reward and termination errors along one imagined rollout of H steps. */
export function windowLoss(config: DenoiserConfig, weights: LossWeights) {
  return (p: DenoiserParams<Tensor>, batch: WindowBatch<Tensor>): LossResult => {
    const { contextLength } = config;
    const [rowCount, frames, width] = batch.latents.shape as [number, number, number];
    const steps = frames - contextLength;
    let latents: Tensor = tf.add(
      tf.slice(batch.latents, [0, 0, 0], [rowCount, contextLength, width]),
      batch.contextNoise,
    );
    let states: Tensor = tf.slice(batch.states, [0, 0, 0], [rowCount, contextLength, config.stateSize]);
    const sums = {
      latent: tf.scalar(0),
      state: tf.scalar(0),
      reward: tf.scalar(0),
      termination: tf.scalar(0),
    } as Record<keyof LossWeights, Tensor>;
    for (let h = 0; h < steps; h++) {
      const actions = tf.slice(batch.actions, [0, h, 0], [rowCount, contextLength, config.actionSize]);
      const mask = columnAt(batch.mask, h);
      const ended = columnAt(batch.terminated, h);
      const target = { latent: frameAt(batch.latents, contextLength + h), index: h };
      const step = predict({ p, config }, { latents, states, actions }, batch, target);
      const stateError = tf.sub(step.outcome.state, frameAt(batch.states, contextLength + h));
      const rewardError = tf.square(tf.sub(step.outcome.reward, columnAt(batch.rewards, h)));
      sums.latent = tf.add(sums.latent, maskedMean(step.latentError, mask));
      sums.state = tf.add(sums.state, maskedMean(tf.mean(tf.square(stateError), -1), mask));
      sums.reward = tf.add(sums.reward, maskedMean(rewardError, tf.mul(mask, tf.sub(1, ended))));
      sums.termination = tf.add(
        sums.termination,
        maskedMean(binaryCrossEntropy(step.outcome.terminationLogit, ended), mask),
      );
      latents = shiftWindow(latents, step.carried);
      states = shiftWindow(states, step.outcome.state);
    }
    const names = Object.keys(sums) as (keyof LossWeights)[];
    const terms = names.map((name) => tf.mul(sums[name], weights[name] / steps));
    const metrics = Object.fromEntries(names.map((name) => [name, tf.div(sums[name], steps)]));
    return { loss: tf.addN(terms), metrics };
  };
}
