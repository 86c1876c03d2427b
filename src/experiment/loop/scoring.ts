/** @file Judging policies on the splits of a task: the same worlds or goals for every policy. */

import type { NdArray } from "../../core/ndarray.ts";
import { withLatentObservations, type LatentObservationEnv } from "../../env/latent.ts";
import { evaluatePolicy, type EpisodeScore } from "../../policy/evaluate.ts";
import type { Policy } from "../../policy/policy.ts";
import type { Split, TaskEnv } from "./task.ts";
import type { Workspace } from "./workspace.ts";

/** First episode seed of each split: every policy and every seed of a run is judged on the same episodes. */
export const firstSeed: Readonly<Record<Split, number>> = {
  train: 51_000_000,
  validation: 52_000_000,
  test: 53_000_000,
};

/** Simulator and its latent view, made for one judgement. */
export interface JudgedEnv {
  readonly simulator: TaskEnv;
  readonly latent: LatentObservationEnv;
}

/** Score what `make` builds on `episodes` episodes of `split`. */
export async function scoreOn(
  work: Workspace,
  split: Split,
  episodes: number,
  make: (env: JudgedEnv) => Policy<NdArray<"float32">>,
): Promise<EpisodeScore[]> {
  const simulator = await work.task.makeEnv({ numEnvs: episodes, split });
  const latent = withLatentObservations(simulator, work.model());
  const scores = await evaluatePolicy({
    env: latent,
    policy: make({ simulator, latent }),
    seed: firstSeed[split],
  });
  await latent.close();
  return scores;
}

/** Score a policy that needs no pixels: the simulator alone is stepped. */
export async function scoreDriver(
  work: Workspace,
  split: Split,
  episodes: number,
  make: (simulator: TaskEnv) => Policy<unknown>,
): Promise<EpisodeScore[]> {
  const simulator = await work.task.makeEnv({ numEnvs: episodes, split });
  const env = simulator as unknown as Parameters<typeof evaluatePolicy>[0]["env"];
  const scores = await evaluatePolicy({ env, policy: make(simulator), seed: firstSeed[split] });
  await simulator.close();
  return scores;
}
