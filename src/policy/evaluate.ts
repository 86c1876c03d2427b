/** @file Judging a policy: whole episodes in an environment, one per row, and their statistics. */

import { zeros, type NdArray } from "../core/ndarray.ts";
import type { Rng } from "../core/rng.ts";
import type { StepBatch, VectorEnv } from "../env/env.ts";
import type { Policy } from "./policy.ts";

/** One judged episode. */
export interface EpisodeScore {
  /** Undiscounted sum of rewards. */
  readonly return: number;
  readonly length: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
}

/** Mean and standard error over episodes. */
export interface ScoreSummary {
  readonly mean: number;
  readonly standardError: number;
  readonly terminatedRate: number;
  readonly meanLength: number;
  readonly episodes: number;
}

/** What is told of every step: the batch, the actions that led to it, and which rows were stepped. */
export type StepWatcher = (
  batch: StepBatch<NdArray<"float32">>,
  actions: NdArray<"float32">,
  running: NdArray<"bool">,
) => void;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Add one step to the scores of the running rows; rows that ended stop running. Returns how many did. */
function countStep(
  scores: readonly Writable<EpisodeScore>[],
  batch: StepBatch<NdArray<"float32">>,
  running: NdArray<"bool">,
): number {
  let ended = 0;
  for (const [i, score] of scores.entries()) {
    if (!running.data[i]) continue;
    score.return += batch.rewards.data[i];
    score.length++;
    score.terminated = batch.terminations.data[i] === 1;
    score.truncated = batch.truncations.data[i] === 1;
    if (!score.terminated && !score.truncated) continue;
    running.data[i] = 0;
    ended++;
  }
  return ended;
}

/**
 * One episode per row of a primitive env (autoreset "disabled"), started from `seed` (row i: seed + i).
 * Deterministic actions unless `rng` is given.
 */
export async function evaluatePolicy(options: {
  env: VectorEnv<NdArray<"float32">, NdArray<"float32">>;
  policy: Policy<NdArray<"float32">>;
  seed: number;
  rng?: Rng;
  onReset?: (observations: NdArray<"float32">) => void;
  onStep?: StepWatcher;
}): Promise<EpisodeScore[]> {
  const { env, policy, seed, rng } = options;
  const { numEnvs } = env;
  let { observations } = await env.reset({ seed });
  options.onReset?.(observations);
  const running = zeros("bool", [numEnvs]);
  const begins = zeros("bool", [numEnvs]);
  running.data.fill(1);
  begins.data.fill(1);
  const scores = Array.from({ length: numEnvs }, () => ({
    return: 0,
    length: 0,
    terminated: false,
    truncated: false,
  }));
  for (let left = numEnvs; left > 0;) {
    const { actions } = await policy.act(observations, begins, {
      ...(rng ? { rng } : { deterministic: true }),
      running,
    });
    const batch = await env.step(actions, running);
    options.onStep?.(batch, actions, running);
    left -= countStep(scores, batch, running);
    begins.data.fill(0);
    observations = batch.observations;
  }
  return scores;
}

/** Mean ± standard error of the returns and the share of episodes that terminated. */
export function summarize(scores: readonly EpisodeScore[]): ScoreSummary {
  const n = scores.length;
  const mean = scores.reduce((sum, score) => sum + score.return, 0) / n;
  const variance = scores.reduce((sum, score) => sum + (score.return - mean) ** 2, 0) / Math.max(1, n - 1);
  return {
    mean,
    standardError: Math.sqrt(variance / n),
    terminatedRate: scores.filter((score) => score.terminated).length / n,
    meanLength: scores.reduce((sum, score) => sum + score.length, 0) / n,
    episodes: n,
  };
}
