/** @file PPO with a clipped ratio; the same update for rollouts of a simulator and of a dream. */

import { tf, type Tensor } from "../engine/jit.ts";
import { fail } from "../core/errors.ts";
import { joinRows, ndarray, takeRows, zeros, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import type { LossResult } from "../nn/gradients.ts";
import { makeTrainStep, type TrainState, type TrainStep } from "../nn/trainer.ts";
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
  /** Passes of the critic over a batch; its steps are not bounded by `klLimit`. */
  readonly criticEpochs: number;
  /** The critic's learning rate relative to the actor's. */
  readonly criticRate: number;
  readonly minibatches: number;
  readonly entropyCoefficient: number;
  /** Weight of the squared distance of the mean action from the anchor's; 0 where there is no anchor. */
  readonly anchorCoefficient: number;
  readonly clipNorm: number;
  /** Stop a batch's epochs when the approximate divergence from the acting policy exceeds this. */
  readonly klLimit: number;
}

/** The actor's minibatch: observations [M, F], actions [M, A], the other columns [M]. */
interface ActorBatch<T> {
  readonly observations: T;
  readonly actions: T;
  readonly logProbabilities: T;
  readonly advantages: T;
  readonly weights: T;
  /** What the anchor would do: [M, A] in (-1, 1). */
  readonly anchors: T;
  /** Weight of the distance from it. */
  readonly pull: T;
}

/** The critic's minibatch: observations [M, F], targets and weights [M]. */
interface CriticBatch<T> {
  readonly observations: T;
  readonly returns: T;
  readonly weights: T;
}

type ActorParams<T> = Pick<ActorCriticParams<T>, "actor" | "logStd">;
type CriticParams<T> = Pick<ActorCriticParams<T>, "critic">;

function weightedMean(values: Tensor, weights: Tensor): Tensor {
  return tf.div(tf.sum(tf.mul(values, weights)), tf.sum(weights));
}

/** Clipped surrogate and entropy bonus. @source Schulman et al. 2017, eq. 7 */
function actorLoss(config: PpoConfig) {
  return (p: ActorParams<Tensor>, batch: ActorBatch<Tensor>): LossResult => {
    const distribution = actionDistribution(p, batch.observations);
    const logRatio = tf.sub(logProbability(distribution, batch.actions), batch.logProbabilities);
    const ratio = tf.exp(tf.clipByValue(logRatio, -10, 10));
    const clipped = tf.clipByValue(ratio, 1 - config.clip, 1 + config.clip);
    const surrogate = tf.minimum(tf.mul(ratio, batch.advantages), tf.mul(clipped, batch.advantages));
    const policyLoss = tf.neg(weightedMean(surrogate, batch.weights));
    const entropy = gaussianEntropy(distribution);
    const kl = weightedMean(tf.sub(tf.sub(ratio, 1), logRatio), batch.weights);
    const outside = tf.cast(tf.greater(tf.abs(tf.sub(ratio, 1)), config.clip), "float32");
    const clipFraction = weightedMean(outside, batch.weights);
    const drift = tf.sum(tf.square(tf.sub(tf.tanh(distribution.mean), batch.anchors)), -1);
    const anchorDistance = weightedMean(drift, batch.weights);
    const penalty = tf.sub(
      weightedMean(tf.mul(drift, batch.pull), batch.weights),
      tf.mul(entropy, config.entropyCoefficient),
    );
    const loss = tf.add(policyLoss, penalty) as Tensor;
    return { loss, metrics: { policyLoss, entropy, kl, clipFraction, anchorDistance } };
  };
}

/** Squared error of the values, in units of the critic's output. */
function criticLoss(network: ActorCriticConfig) {
  return (p: CriticParams<Tensor>, batch: CriticBatch<Tensor>): LossResult => {
    const error = tf.sub(stateValue(p, network, batch.observations), batch.returns);
    return { loss: weightedMean(tf.square(tf.div(error, network.valueScale)), batch.weights) };
  };
}

/** Options of one update. */
export interface UpdateOptions {
  readonly learningRate: number;
  readonly rng: Rng;
  /** Leave the actor as it is: for a critic that has to catch up with a cloned actor. */
  readonly criticOnly?: boolean;
  /** Share of `anchorCoefficient` that counts, in [0, 1]; all of it unless given. */
  readonly anchorShare?: number;
  /** Further rows for the critic alone: what really came of states that the policy recorded. */
  readonly recorded?: RecordedReturns;
}

/** Features float32 [M, F] of recorded steps and the λ-returns [M] that followed. */
export interface RecordedReturns {
  readonly observations: NdArray<"float32">;
  readonly returns: Float32Array;
}

/** Weights and optimizer moments: saved with a checkpoint, kept over Dyna rounds. */
export interface PpoState {
  readonly actor: TrainState<ActorParams<NdArray>>;
  readonly critic: TrainState<CriticParams<NdArray>>;
}

/** PPO's optimizers and weights; `update` changes the policy it was made for. */
export interface PpoLearner {
  update(rollout: Rollout, options: UpdateOptions): Promise<Record<string, number>>;
  state(): PpoState;
  load(state: PpoState): void;
}

type Columns = ActorBatch<NdArray> & CriticBatch<NdArray>;

function pick<K extends keyof Columns>(
  data: Columns,
  names: readonly K[],
  indices: Int32Array,
): Pick<Columns, K> {
  return Object.fromEntries(names.map((name) => [name, takeRows(data[name], indices)])) as Pick<Columns, K>;
}

/** The rollout's rows as one batch with normalized advantages. */
function batchOf(
  rollout: Rollout,
  config: PpoConfig,
  anchor: { actions: NdArray; pull: number },
): { data: Columns; facts: Record<string, number> } {
  const { advantages, returns } = generalizedAdvantages(rollout, config.discount, config.gaeLambda);
  const facts = {
    explainedVariance: explainedVariance(returns, rollout.values),
    meanReturn: returns.reduce((a, b) => a + b, 0) / returns.length,
  };
  normalizeAdvantages(advantages, rollout.weights);
  const column = (values: Float32Array): NdArray => ndarray("float32", [values.length], values);
  return {
    facts,
    data: {
      observations: rollout.observations,
      actions: rollout.actions,
      logProbabilities: column(rollout.logProbabilities),
      advantages: column(advantages),
      returns: column(returns),
      weights: column(rollout.weights),
      anchors: anchor.actions,
      pull: column(new Float32Array(advantages.length).fill(anchor.pull)),
    },
  };
}

/** The critic's batch with recorded rows of full weight behind it. */
function withRecorded(data: Columns, recorded: RecordedReturns | undefined): CriticBatch<NdArray> {
  if (recorded === undefined) return data;
  const count = recorded.returns.length;
  const returns = ndarray("float32", [count], recorded.returns);
  const weights = ndarray("float32", [count], new Float32Array(count).fill(1));
  return {
    observations: joinRows([data.observations, recorded.observations]),
    returns: joinRows([data.returns, returns]),
    weights: joinRows([data.weights, weights]),
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

/** Passes over shuffled minibatches until `each` says stop. */
async function passes(
  count: number,
  options: { epochs: number; minibatches: number; rng: Rng },
  each: (indices: Int32Array, epoch: number) => Promise<boolean>,
): Promise<void> {
  const size = Math.floor(count / options.minibatches);
  for (let epoch = 0; epoch < options.epochs; epoch++) {
    const order = shuffled(count, options.rng);
    for (let m = 0; m < options.minibatches; m++) {
      if (await each(order.subarray(m * size, (m + 1) * size), epoch)) return;
    }
  }
}

class Ppo implements PpoLearner {
  readonly #policy: ActorCritic;
  readonly #config: PpoConfig;
  readonly #anchor: ActorCritic | undefined;
  readonly #actorStep: TrainStep<ActorParams<Tensor>, ActorBatch<Tensor>>;
  readonly #criticStep: TrainStep<CriticParams<Tensor>, CriticBatch<Tensor>>;
  #state: PpoState;

  constructor(policy: ActorCritic, config: PpoConfig, anchor: ActorCritic | undefined) {
    this.#anchor = anchor;
    this.#policy = policy;
    this.#config = config;
    const optimizer = { kind: "adamw", beta2: 0.999, clipNorm: config.clipNorm } as const;
    this.#actorStep = makeTrainStep({ name: "ppo.actor", loss: actorLoss(config), optimizer });
    this.#criticStep = makeTrainStep({ name: "ppo.critic", loss: criticLoss(policy.config), optimizer });
    const { actor, logStd, critic } = policy.params();
    this.#state = {
      actor: this.#actorStep.init({ actor, logStd }),
      critic: this.#criticStep.init({ critic }),
    };
    this.#show();
  }

  state(): PpoState {
    return this.#state;
  }

  load(state: PpoState): void {
    this.#state = state;
    this.#show();
  }

  async update(rollout: Rollout, options: UpdateOptions): Promise<Record<string, number>> {
    const anchor = {
      actions: await this.#anchorsOf(rollout),
      pull: this.#config.anchorCoefficient * (options.anchorShare ?? 1),
    };
    const { data, facts } = batchOf(rollout, this.#config, anchor);
    const valueLoss = await this.#updateCritic(withRecorded(data, options.recorded), options);
    const moved = options.criticOnly ? {} : await this.#updateActor(data, options);
    this.#show();
    return { ...moved, valueLoss, ...facts };
  }

  async #updateCritic(data: CriticBatch<NdArray>, { learningRate, rng }: UpdateOptions): Promise<number> {
    const { criticEpochs: epochs, criticRate, minibatches } = this.#config;
    let [sum, updates] = [0, 0];
    await passes(data.weights.shape[0], { epochs, minibatches, rng }, async (indices) => {
      const batch = {
        observations: takeRows(data.observations, indices),
        returns: takeRows(data.returns, indices),
        weights: takeRows(data.weights, indices),
      };
      const { state, metrics } = await this.#criticStep.step(
        this.#state.critic,
        batch,
        learningRate * criticRate,
      );
      this.#state = { ...this.#state, critic: state };
      sum += metrics.loss;
      updates++;
      return false;
    });
    return sum / updates;
  }

  async #updateActor(data: Columns, { learningRate, rng }: UpdateOptions): Promise<Record<string, number>> {
    const { epochs, minibatches, klLimit } = this.#config;
    const sums: Record<string, number> = {};
    let [updates, kl, present] = [0, 0, 0];
    await passes(data.weights.shape[0], { epochs, minibatches, rng }, async (indices, epoch) => {
      if (epoch !== present) {
        if (kl > klLimit) return true;
        [kl, present] = [0, epoch];
      }
      const batch = pick(
        data,
        ["observations", "actions", "logProbabilities", "advantages", "weights", "anchors", "pull"],
        indices,
      );
      const { state, metrics } = await this.#actorStep.step(this.#state.actor, batch, learningRate);
      this.#state = { ...this.#state, actor: state };
      for (const [name, value] of Object.entries(metrics)) sums[name] = (sums[name] ?? 0) + value;
      kl += metrics.kl / minibatches;
      updates++;
      return false;
    });
    const { loss: _, ...means } = Object.fromEntries(
      Object.entries(sums).map(([name, sum]) => [name, sum / updates]),
    );
    return { ...means, updates };
  }

  /** The anchor's mean actions in the rollout's observations; the rollout's own where there is no anchor. */
  async #anchorsOf({ observations, actions }: Rollout): Promise<NdArray<"float32">> {
    if (this.#anchor === undefined) return actions;
    const begins = zeros("bool", [observations.shape[0]]);
    return (await this.#anchor.act(observations, begins, { deterministic: true })).actions;
  }

  #show(): void {
    const { actor, critic } = this.#state;
    this.#policy.setParams({ ...actor.params, ...critic.params });
  }
}

/**
 * @param policy its weights are replaced by every update
 * @param anchor a frozen policy (a clone of good behaviour) that the mean action is held near; see `anchorCoefficient`
 * @throws INVALID_ARGUMENT when there is a coefficient and no anchor
 */
export function makePpo(policy: ActorCritic, config: PpoConfig, anchor?: ActorCritic): PpoLearner {
  if (config.anchorCoefficient > 0 && anchor === undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `anchorCoefficient is ${config.anchorCoefficient}, but there is no anchor`,
      expected: "a frozen policy, or anchorCoefficient: 0",
      fix: "pass a cloned policy as the anchor",
    });
  }
  return new Ppo(policy, config, anchor);
}
