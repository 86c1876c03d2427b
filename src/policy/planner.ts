/** @file Planning in the latent: MPPI over action sequences seeded by a policy, with its value at the horizon. */

import { concatRows, selectRows } from "../core/array-record.ts";
import { rows, zeros, type NdArray } from "../core/ndarray.ts";
import { Rng } from "../core/rng.ts";
import type { LatentState, WorldModel } from "../worldmodel/worldmodel.ts";
import type { ActorCritic } from "./networks.ts";
import type { ActOptions, Decision, Policy } from "./policy.ts";

/** Hyperparameters; costs are samples · horizon · iterations imagined steps per replanning. */
export interface PlannerConfig {
  readonly horizon: number;
  /** Action sequences per row, policy-seeded ones included. */
  readonly samples: number;
  /** How many of them follow the sampled policy in imagination. */
  readonly policySamples: number;
  readonly iterations: number;
  /** Temperature of the weights exp(score / temperature), in units of return. */
  readonly temperature: number;
  readonly initialStd: number;
  readonly minStd: number;
  /** Steps of a plan that are executed before planning again; ≤ horizon. */
  readonly replanEvery: number;
  readonly discount: number;
  /** Subtracted from the score per unit of the ensemble's disagreement. */
  readonly uncertaintyPenalty: number;
  readonly terminationReward: number;
}

/** What a planner needs: the model, the policy that seeds and values, and the rows' present latent state. */
export interface PlannerParts {
  readonly model: WorldModel;
  readonly policy: ActorCritic;
  readonly state: () => LatentState;
  readonly config: PlannerConfig;
  readonly seed: number;
}

interface Plan {
  /** [N · H · A] */
  readonly mean: Float32Array;
  readonly std: Float32Array;
}

function emptyPlan(count: number, std: number): Plan {
  return { mean: new Float32Array(count), std: new Float32Array(count).fill(std) };
}

/** Scores [N · S] and the sequences [H][N · S · A] that were tried. */
interface Trial {
  readonly scores: Float64Array;
  readonly sequences: Float32Array[];
}

/** Actions [N · S · A] of step `h`: drawn from the plan, or the policy's where `guided` has them and the sample follows it. */
function drawActions(
  parts: PlannerParts,
  plan: Plan,
  h: number,
  draw: { noise: Float32Array; guided: Float32Array | undefined },
): NdArray<"float32"> {
  const { samples, horizon, policySamples } = parts.config;
  const size = parts.model.actionSpec.names.length;
  const total = draw.noise.length / size;
  const actions = zeros("float32", [total, size]);
  for (let i = 0; i < total; i++) {
    const follows = draw.guided !== undefined && i % samples < policySamples;
    for (let a = 0; a < size; a++) {
      const at = (Math.floor(i / samples) * horizon + h) * size + a;
      const drawn = plan.mean[at] + plan.std[at] * draw.noise[i * size + a];
      const value = follows ? draw.guided![i * size + a] : drawn;
      actions.data[i * size + a] = Math.max(-1, Math.min(1, value));
    }
  }
  return actions;
}

/** One imagined rollout of S sequences per row; the first `policySamples` follow the policy when `usePolicy`. */
async function tryOut(
  parts: PlannerParts,
  start: LatentState,
  plan: Plan,
  options: { rng: Rng; usePolicy: boolean },
): Promise<Trial> {
  const { model, policy, config } = parts;
  const { samples, horizon } = config;
  const size = model.actionSpec.names.length;
  const rowCount = Object.values(start)[0].shape[0];
  const total = rowCount * samples;
  const tiling = Int32Array.from({ length: total }, (_, i) => Math.floor(i / samples));
  let state: LatentState = selectRows(start, tiling);
  const scores = new Float64Array(total);
  const weight = new Float64Array(total).fill(1);
  const sequences: Float32Array[] = [];
  const noise = new Float32Array(total * size);
  const begins = zeros("bool", [total]);
  for (let h = 0; h < horizon; h++) {
    options.rng.fillNormal(noise);
    const guided = options.usePolicy
      ? (await policy.act(model.features(state), begins, { rng: options.rng })).actions.data
      : undefined;
    const actions = drawActions(parts, plan, h, { noise, guided });
    sequences.push(actions.data);
    const prediction = await model.step(state, actions, options.rng);
    for (let i = 0; i < total; i++) {
      const p = prediction.terminatedProbabilities.data[i];
      const reward = prediction.rewards.data[i] + config.terminationReward * p;
      scores[i] += weight[i] * (reward - config.uncertaintyPenalty * prediction.uncertainties.data[i]);
      weight[i] *= config.discount * (1 - p);
    }
    state = prediction.state;
  }
  const values = (await policy.values(model.features(state))).data;
  for (let i = 0; i < total; i++) scores[i] += weight[i] * values[i];
  return { scores, sequences };
}

/** Weighted mean and deviation of the tried sequences. @source Williams et al. 2017, MPPI; as in Hansen et al. 2024, §3.2 */
function refit(trial: Trial, plan: Plan, config: PlannerConfig, size: number): void {
  const { samples, horizon } = config;
  const rowCount = trial.scores.length / samples;
  for (let n = 0; n < rowCount; n++) {
    const scores = trial.scores.subarray(n * samples, (n + 1) * samples);
    const best = Math.max(...scores);
    const weights = Float64Array.from(scores, (score) => Math.exp((score - best) / config.temperature));
    const sum = weights.reduce((a, b) => a + b, 0);
    for (let h = 0; h < horizon; h++) {
      for (let a = 0; a < size; a++) {
        let mean = 0;
        let square = 0;
        for (let s = 0; s < samples; s++) {
          const value = trial.sequences[h][(n * samples + s) * size + a];
          mean += (weights[s] / sum) * value;
          square += (weights[s] / sum) * value * value;
        }
        const at = (n * horizon + h) * size + a;
        plan.mean[at] = mean;
        plan.std[at] = Math.max(config.minStd, Math.sqrt(Math.max(0, square - mean * mean)));
      }
    }
  }
}

/** Rows of the state in groups, so that an imagined batch stays small enough for the caches. */
const MAX_BATCH = 1280;

async function planAll(parts: PlannerParts, plan: Plan, rng: Rng): Promise<void> {
  const { config, model } = parts;
  const size = model.actionSpec.names.length;
  const state = parts.state();
  const rowCount = Object.values(state)[0].shape[0];
  const group = Math.max(1, Math.floor(MAX_BATCH / config.samples));
  const stride = config.horizon * size;
  for (let start = 0; start < rowCount; start += group) {
    const end = Math.min(start + group, rowCount);
    const part = Object.fromEntries(
      Object.entries(state).map(([name, array]) => [name, rows(array, start, end)]),
    );
    const padded = padRows(part, Math.min(group, rowCount));
    const local = emptyPlan(Math.min(group, rowCount) * stride, config.initialStd);
    local.mean.set(plan.mean.subarray(start * stride, end * stride));
    for (let i = 0; i < config.iterations; i++) {
      const trial = await tryOut(parts, padded, local, { rng, usePolicy: i === 0 });
      refit(trial, local, config, size);
    }
    plan.mean.set(local.mean.subarray(0, (end - start) * stride), start * stride);
  }
}

/** Repeat the last row up to `count`, so that one compiled graph serves every group. */
function padRows(state: LatentState, count: number): LatentState {
  const have = Object.values(state)[0].shape[0];
  if (have === count) return state;
  return concatRows([state, selectRows(state, new Int32Array(count - have).fill(have - 1))]);
}

/** A policy that plans; keeps its last plan as a warm start until a row's episode begins anew. */
export function makePlanner(parts: PlannerParts): Policy<NdArray<"float32">> {
  const { config, model } = parts;
  const size = model.actionSpec.names.length;
  const rng = Rng.fromSeed(parts.seed);
  let plan: Plan | undefined;
  let age = config.replanEvery;
  return {
    async act(observations, begins, _options?: ActOptions): Promise<Decision> {
      const count = observations.shape[0];
      const stride = config.horizon * size;
      plan ??= emptyPlan(count * stride, config.initialStd);
      if (age >= config.replanEvery || begins.data.some((flag) => flag === 1)) {
        for (let n = 0; n < count; n++) {
          const row = plan.mean.subarray(n * stride, (n + 1) * stride);
          if (begins.data[n]) row.fill(0);
          else row.copyWithin(0, Math.min(age, config.horizon) * size);
        }
        await planAll(parts, plan, rng);
        age = 0;
      }
      const actions = zeros("float32", [count, size]);
      for (let n = 0; n < count; n++) {
        actions.data.set(
          plan.mean.subarray(n * stride + age * size, n * stride + (age + 1) * size),
          n * size,
        );
      }
      age++;
      return { actions };
    },
  };
}
