/** @file Planning in the latent: CEM or MPPI over action sequences, warm-started, for whatever objective scores them. */

import { maskedRows, selectRows } from "../core/array-record.ts";
import { fail } from "../core/errors.ts";
import { zeros, type NdArray } from "../core/ndarray.ts";
import { Rng } from "../core/rng.ts";
import type { LatentState, WorldModel } from "../worldmodel/worldmodel.ts";
import type { Objective } from "./objective.ts";
import type { ActOptions, Decision, Policy } from "./policy.ts";

/** Hyperparameters; costs are samples · horizon · iterations imagined steps per row and replanning. */
export interface PlannerConfig {
  readonly horizon: number;
  /** Action sequences per row, policy-seeded ones included. */
  readonly samples: number;
  /** How many of them follow the sampled policy in imagination. */
  readonly policySamples: number;
  readonly iterations: number;
  /** How many of the best sequences the next plan is made of: a few (CEM), or all of them (MPPI); all unless given. */
  readonly elites?: number;
  /** Temperature of the weights exp(score / temperature), in units of the objective. */
  readonly temperature: number;
  readonly initialStd: number;
  readonly minStd: number;
  /** Steps of a plan that are executed before planning again; ≤ horizon. */
  readonly replanEvery: number;
}

/** What a planner needs: the model, the rows' present latent state, and what is planned for. */
export interface PlannerParts {
  readonly model: WorldModel;
  readonly state: () => LatentState;
  readonly objective: Objective;
  /** Seeds `policySamples` of the sequences. */
  readonly policy?: Policy<NdArray<"float32">>;
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

/** Where sequences start, around which plan they are drawn, and whether some follow the policy. */
interface TrialOptions {
  readonly state: LatentState;
  /** The environment's rows that are planned for; `plan` holds one entry for each. */
  readonly rows: Int32Array;
  readonly plan: Plan;
  readonly rng: Rng;
  readonly guide: Policy<NdArray<"float32">> | undefined;
}

/** One imagined rollout of S sequences per row; the first `policySamples` follow the guide. */
async function tryOut(parts: PlannerParts, options: TrialOptions): Promise<Trial> {
  const { model, config } = parts;
  const { rng, guide, plan } = options;
  const { samples, horizon } = config;
  const total = options.rows.length * samples;
  const origins = Int32Array.from({ length: total }, (_, i) => options.rows[Math.floor(i / samples)]);
  const scoring = parts.objective.score(origins);
  let state: LatentState = selectRows(options.state, origins);
  const sequences: Float32Array[] = [];
  const noise = new Float32Array(total * model.actionSpec.names.length);
  const begins = zeros("bool", [total]);
  for (let h = 0; h < horizon; h++) {
    rng.fillNormal(noise);
    const guided = guide && (await guide.act(model.features(state), begins, { rng })).actions.data;
    const actions = drawActions(parts, plan, h, { noise, guided });
    sequences.push(actions.data);
    const prediction = await model.step(state, actions, rng);
    scoring.step(prediction);
    state = prediction.state;
  }
  return { scores: await scoring.finish(state), sequences };
}

/** Weights of one row's sequences, summing to 1: exp(score / temperature) among the elites, else 0. */
function weightsOf(scores: Float64Array, config: PlannerConfig): Float64Array {
  const ranked = scores.toSorted().reverse();
  const least = ranked[Math.min(config.elites ?? scores.length, scores.length) - 1];
  const weights = scores.map((score) =>
    score < least ? 0 : Math.exp((score - ranked[0]) / config.temperature),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** Weighted mean and deviation of the tried sequences. @source Williams et al. 2017, MPPI; as in Hansen et al. 2024, §3.2 */
function refit(trial: Trial, plan: Plan, config: PlannerConfig, size: number): void {
  const { samples, horizon } = config;
  const rowCount = trial.scores.length / samples;
  for (let n = 0; n < rowCount; n++) {
    const weights = weightsOf(trial.scores.subarray(n * samples, (n + 1) * samples), config);
    for (let h = 0; h < horizon; h++) {
      for (let a = 0; a < size; a++) {
        let mean = 0;
        let square = 0;
        for (let s = 0; s < samples; s++) {
          const value = trial.sequences[h][(n * samples + s) * size + a];
          mean += weights[s] * value;
          square += weights[s] * value * value;
        }
        const at = (n * horizon + h) * size + a;
        plan.mean[at] = mean;
        plan.std[at] = Math.max(config.minStd, Math.sqrt(Math.max(0, square - mean * mean)));
      }
    }
  }
}

/** Sequences imagined at once: few enough for the caches. */
const maxBatch = 320;

/** Repeat the last row up to a power of two, so that a handful of compiled graphs serves every number of rows. */
function padRows(rows: readonly number[], group: number): Int32Array {
  const count = Math.min(group, 2 ** Math.ceil(Math.log2(rows.length)));
  return Int32Array.from({ length: count }, (_, k) => rows[Math.min(k, rows.length - 1)]);
}

/** Plan anew for the `wanted` rows, starting from what `plan` holds for them. */
async function planRows(
  parts: PlannerParts,
  plan: Plan,
  options: { rng: Rng; wanted: readonly number[] },
): Promise<void> {
  const { config, model } = parts;
  const { rng, wanted } = options;
  const size = model.actionSpec.names.length;
  const state = parts.state();
  const group = Math.max(1, Math.floor(maxBatch / config.samples));
  const stride = config.horizon * size;
  for (let start = 0; start < wanted.length; start += group) {
    const chosen = wanted.slice(start, start + group);
    const rows = padRows(chosen, group);
    const local = emptyPlan(rows.length * stride, config.initialStd);
    rows.forEach((row, k) =>
      local.mean.set(plan.mean.subarray(row * stride, (row + 1) * stride), k * stride),
    );
    for (let i = 0; i < config.iterations; i++) {
      const guide = i === 0 && config.policySamples > 0 ? parts.policy : undefined;
      refit(await tryOut(parts, { state, rows, plan: local, rng, guide }), local, config, size);
    }
    chosen.forEach((row, k) =>
      plan.mean.set(local.mean.subarray(k * stride, (k + 1) * stride), row * stride),
    );
  }
}

/** Move what is left of a row's plan to its front; nothing is planned after it. */
function shiftPlan(row: Float32Array, used: number): void {
  row.copyWithin(0, used);
  row.fill(0, row.length - used);
}

function checkParts({ config, policy }: PlannerParts): void {
  if (config.replanEvery > config.horizon) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "a plan is to be followed beyond its end",
      expected: `replanEvery ≤ horizon, which is ${config.horizon}`,
      got: `replanEvery ${config.replanEvery}`,
      fix: "plan further ahead, or more often",
    });
  }
  if (config.policySamples > 0 && policy === undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `${config.policySamples} sequences are to follow a policy, and there is none`,
      fix: "give `policy`, or set policySamples to 0",
    });
  }
}

/**
 * A policy that plans; keeps its last plan as a warm start until a row's episode begins anew.
 * Rows that are not asked for (`ActOptions.running`) are not planned for and stand still.
 *
 * @throws INVALID_ARGUMENT when plans are followed beyond their end, or sequences are to follow a policy and there is none
 */
export function makePlanner(parts: PlannerParts): Policy<NdArray<"float32">> {
  const { config, model } = parts;
  checkParts(parts);
  const size = model.actionSpec.names.length;
  const stride = config.horizon * size;
  const rng = Rng.fromSeed(parts.seed);
  let plan: Plan | undefined;
  let age = config.replanEvery;
  return {
    async act(observations, begins, options: ActOptions = {}): Promise<Decision> {
      const count = observations.shape[0];
      const wanted = maskedRows(count, options.running);
      plan ??= emptyPlan(count * stride, config.initialStd);
      const { mean } = plan;
      if (age >= config.replanEvery || begins.data.some((flag) => flag === 1)) {
        for (let n = 0; n < count; n++) {
          shiftPlan(mean.subarray(n * stride, (n + 1) * stride), begins.data[n] ? stride : age * size);
        }
        await planRows(parts, plan, { rng, wanted });
        age = 0;
      }
      const actions = zeros("float32", [count, size]);
      for (const n of wanted) {
        const at = n * stride + age * size;
        actions.data.set(mean.subarray(at, at + size), n * size);
      }
      age++;
      return { actions };
    },
  };
}
