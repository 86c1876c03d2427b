/** @file PPO with a clipped ratio; the same update for rollouts of a simulator and of a dream. */

import { tf, type Tensor } from "../engine/jit.ts";
import { ndarray, scalar, takeRows, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import type { LossResult } from "../nn/gradients.ts";
import { makeTrainStep, type TrainState } from "../nn/trainer.ts";
import { gaussianEntropy, logProbability } from "./distributions.ts";
import {
  actionDistribution,
  stateValue,
  type ActorCritic,
  type ActorCriticConfig,
  type ActorCriticParams,
} from "./networks.ts";
import { generalizedAdvantages, normalizeAdvantages } from "./returns.ts";
import type { Rollout } from "./rollout.ts";

/** Hyperparameters of the update. */
export interface PpoConfig {
  readonly discount: number;
  readonly gaeLambda: number;
  readonly clip: number;
  readonly epochs: number;
  readonly minibatches: number;
  readonly entropyCoefficient: number;
  readonly clipNorm: number;
  /** Stop a batch's epochs when the approximate divergence from the acting policy exceeds this. */
  readonly klLimit: number;
}

/** A minibatch: observations [M, F], actions [M, A], the other columns [M]. */
interface Minibatch<T> {
  readonly observations: T;
  readonly actions: T;
  readonly logProbabilities: T;
  readonly advantages: T;
  readonly returns: T;
  readonly weights: T;
  /** Scalar: 0 leaves the actor as it is and moves the critic alone. */
  readonly policyWeight: T;
}

function weightedMean(values: Tensor, weights: Tensor): Tensor {
  return tf.div(tf.sum(tf.mul(values, weights)), tf.sum(weights));
}

/** Clipped surrogate, squared value error and entropy bonus. @source Schulman et al. 2017, eq. 7 and 9 */
function ppoLoss(network: ActorCriticConfig, config: PpoConfig) {
  return (p: ActorCriticParams<Tensor>, batch: Minibatch<Tensor>): LossResult => {
    const distribution = actionDistribution(p, batch.observations);
    const logRatio = tf.sub(logProbability(distribution, batch.actions), batch.logProbabilities);
    const ratio = tf.exp(tf.clipByValue(logRatio, -10, 10));
    const clipped = tf.clipByValue(ratio, 1 - config.clip, 1 + config.clip);
    const surrogate = tf.minimum(tf.mul(ratio, batch.advantages), tf.mul(clipped, batch.advantages));
    const policyLoss = tf.neg(weightedMean(surrogate, batch.weights));
    const error = tf.div(
      tf.sub(stateValue(p, network, batch.observations), batch.returns),
      network.valueScale,
    );
    const valueLoss = weightedMean(tf.square(error), batch.weights);
    const entropy = gaussianEntropy(distribution);
    const kl = weightedMean(tf.sub(tf.sub(ratio, 1), logRatio), batch.weights);
    const clipFraction = weightedMean(
      tf.cast(tf.greater(tf.abs(tf.sub(ratio, 1)), config.clip), "float32"),
      batch.weights,
    );
    const objective = tf.sub(policyLoss, tf.mul(entropy, config.entropyCoefficient));
    const loss = tf.add(valueLoss, tf.mul(objective, batch.policyWeight)) as Tensor;
    return { loss, metrics: { policyLoss, valueLoss, entropy, kl, clipFraction } };
  };
}

/** Options of one update. */
export interface UpdateOptions {
  readonly learningRate: number;
  readonly rng: Rng;
  /** Leave the actor as it is: for a critic that has to catch up with a cloned actor. */
  readonly criticOnly?: boolean;
}

/** PPO's optimizer and weights; `update` changes the policy it was made for. */
export interface PpoLearner {
  update(rollout: Rollout, options: UpdateOptions): Promise<Record<string, number>>;
  /** Weights and optimizer moments: saved with a checkpoint, kept over Dyna rounds. */
  state(): TrainState<ActorCriticParams<NdArray>>;
  load(state: TrainState<ActorCriticParams<NdArray>>): void;
}

type Columns = Omit<Minibatch<NdArray>, "policyWeight">;

function minibatchOf(data: Columns, indices: Int32Array, policyWeight: NdArray): Minibatch<NdArray> {
  const picked = Object.entries(data).map(([name, array]) => [name, takeRows(array, indices)]);
  return { ...(Object.fromEntries(picked) as Columns), policyWeight };
}

/** The rollout's rows as one batch with normalized advantages. */
function batchOf(rollout: Rollout, config: PpoConfig): { data: Columns; explained: number } {
  const { advantages, returns } = generalizedAdvantages(rollout, config.discount, config.gaeLambda);
  const explained = explainedVariance(returns, rollout.values);
  normalizeAdvantages(advantages, rollout.weights);
  const column = (values: Float32Array): NdArray => ndarray("float32", [values.length], values);
  return {
    explained,
    data: {
      observations: rollout.observations,
      actions: rollout.actions,
      logProbabilities: column(rollout.logProbabilities),
      advantages: column(advantages),
      returns: column(returns),
      weights: column(rollout.weights),
    },
  };
}

function explainedVariance(returns: Float32Array, values: Float32Array): number {
  const n = returns.length;
  const mean = returns.reduce((a, b) => a + b, 0) / n;
  let variance = 0;
  let error = 0;
  for (let i = 0; i < n; i++) {
    variance += (returns[i] - mean) ** 2;
    error += (returns[i] - values[i]) ** 2;
  }
  return variance === 0 ? 0 : 1 - error / variance;
}

function shuffled(count: number, rng: Rng): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(rng.random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** @param policy its weights are replaced by every update */
export function makePpo(policy: ActorCritic, config: PpoConfig): PpoLearner {
  const step = makeTrainStep<ActorCriticParams<Tensor>, Minibatch<Tensor>>({
    name: "ppo",
    loss: ppoLoss(policy.config, config),
    optimizer: { kind: "adamw", beta2: 0.999, clipNorm: config.clipNorm },
  });
  let state = step.init(policy.params()) as unknown as TrainState<ActorCriticParams<NdArray>>;
  policy.setParams(state.params);
  return {
    state: () => state,
    load(next) {
      state = next;
      policy.setParams(state.params);
    },
    async update(rollout, { learningRate, rng, criticOnly = false }) {
      const policyWeight = scalar(criticOnly ? 0 : 1);
      const { data, explained } = batchOf(rollout, config);
      const count = rollout.steps * rollout.rows;
      const size = Math.floor(count / config.minibatches);
      const sums: Record<string, number> = {};
      let updates = 0;
      for (let epoch = 0; epoch < config.epochs; epoch++) {
        const order = shuffled(count, rng);
        let kl = 0;
        for (let m = 0; m < config.minibatches; m++) {
          const batch = minibatchOf(data, order.subarray(m * size, (m + 1) * size), policyWeight);
          const result = await step.step(state, batch, learningRate);
          state = result.state;
          for (const [name, value] of Object.entries(result.metrics)) sums[name] = (sums[name] ?? 0) + value;
          kl += result.metrics.kl / config.minibatches;
          updates++;
        }
        if (kl > config.klLimit) break;
      }
      policy.setParams(state.params);
      const means = Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / updates]));
      return { ...means, updates, explainedVariance: explained };
    },
  };
}
