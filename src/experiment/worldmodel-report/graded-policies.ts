/** @file Policies of graded skill from a finished run, and what they earn in its world model and in reality from the same starts. */

import { join } from "node:path";
import { readdirSync } from "node:fs";
import { zeros, type NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import type { Policy } from "../../policy/policy.ts";
import type { WorldModel } from "../../worldmodel/worldmodel.ts";
import { imagineFrom } from "../loop/gap.ts";
import type { LoopConfig } from "../loop/config.ts";
import { imaginedPolicy } from "../loop/stage-imagination.ts";
import { randomPolicy, type LoopTask } from "../loop/task.ts";
import { Workspace } from "../loop/workspace.ts";
import type { PolicyReturns, ReturnsOptions } from "../policy-returns.ts";
import { meanOf, standardErrorOf } from "../report/statistics.ts";
import type { Estimate } from "../report/table.ts";
import { openStarts, realReturns, type RealReturns, type Starts } from "./start-contexts.ts";

type FeaturePolicy = Policy<NdArray<"float32">>;

/** A policy that acts on the run's features. */
export interface GradedPolicy {
  readonly name: string;
  readonly policy: FeaturePolicy;
}

/** The policy's mean action with independent noise of this deviation, kept in [-1, 1]; 0 is the policy itself. */
export function withNoise(policy: FeaturePolicy, deviation: number): FeaturePolicy {
  return {
    async act(observations, begins, { rng } = {}) {
      const { actions } = await policy.act(observations, begins, { deterministic: true });
      if (deviation === 0 || rng === undefined) return { actions };
      const data = actions.data.map((value) => Math.max(-1, Math.min(1, value + deviation * rng.normal())));
      return { actions: { ...actions, data } };
    },
  };
}

/** Does nothing: every action 0. */
const idle = (size: number): FeaturePolicy => ({
  act: async (observations) => ({ actions: zeros("float32", [observations.shape[0], size]) }),
});

const noises = [0.25, 0.5, 1];

/**
 * Random actions, none at all, every policy that the run has saved, and the imagined one under more and more noise. All of
 * them act without exploration of their own.
 */
export function gradedPolicies(work: Workspace): GradedPolicy[] {
  const size = work.task.actionSpec.names.length;
  const names = readdirSync(work.file("policies"))
    .filter((file) => file.endsWith(".safetensors"))
    .map((file) => file.replace(/\.safetensors$/, ""))
    .toSorted();
  const saved = names.map((name) => ({ name, policy: withNoise(work.loadPolicy(name).policy, 0) }));
  const own = names.includes(imaginedPolicy) ? work.loadPolicy(imaginedPolicy).policy : undefined;
  const noisy = own === undefined ? [] : noises;
  return [
    { name: "random", policy: randomPolicy(work.seed, size) },
    { name: "idle", policy: idle(size) },
    ...saved,
    ...noisy.map((deviation) => ({
      name: `${imaginedPolicy}, noise ${deviation}`,
      policy: withNoise(own as FeaturePolicy, deviation),
    })),
  ];
}

const estimate = (values: Float64Array): Estimate => {
  const list = Array.from(values);
  return { mean: meanOf(list), se: standardErrorOf(list), n: list.length };
};

function atHorizons(
  returnsByStep: readonly Float64Array[],
  horizons: readonly number[],
): Record<number, Estimate> {
  return Object.fromEntries(horizons.map((horizon) => [horizon, estimate(returnsByStep[horizon - 1])]));
}

/** What one policy really earned: the costly half, which models on one tokenizer may share. */
export interface RealHalf extends GradedPolicy {
  readonly starts: Starts;
  readonly real: RealReturns;
}

/** Drive every policy in the simulator from the same starts. */
export async function driveReally(
  work: Workspace,
  policies: readonly GradedPolicy[],
  options: ReturnsOptions,
): Promise<RealHalf[]> {
  const halves: RealHalf[] = [];
  const furthest = Math.max(...options.horizons);
  const steps = options.wholeEpisodes ? work.task.episodeSteps : furthest;
  for (const split of options.splits) {
    const starts = await openStarts(work, split, options.starts);
    for (const [k, { name, policy }] of policies.entries()) {
      const rng = Rng.fromSeed([81, k]);
      const real = await realReturns(work, starts, policy, { steps, rng });
      halves.push({ name, policy, starts, real });
      options.log?.(
        `${split}: ${name} really earned ${meanOf(Array.from(real.returnsByStep[furthest - 1])).toFixed(1)}`,
      );
    }
  }
  return halves;
}

/** Dream the same policies from the same starts in `model`, whose states must be those of the run's own model. */
export async function dreamAlso(
  model: WorldModel,
  halves: readonly RealHalf[],
  { horizons, wholeEpisodes }: ReturnsOptions,
): Promise<PolicyReturns[]> {
  const results: PolicyReturns[] = [];
  const horizon = Math.max(...horizons);
  for (const [k, { name, policy, starts, real }] of halves.entries()) {
    const count = starts.rows.length;
    const rng = Rng.fromSeed([82, k]);
    const dream = await imagineFrom(starts.state, count, { model, policy, horizon, rng });
    const last = real.returnsByStep[real.returnsByStep.length - 1];
    results.push({
      policy: name,
      split: starts.split as PolicyReturns["split"],
      imagined: atHorizons(dream.returnsByStep, horizons),
      real: atHorizons(real.returnsByStep, horizons),
      ...(wholeEpisodes ? { wholeEpisode: estimate(last) } : {}),
      imaginedEnds: meanOf(Array.from(dream.ended)),
      realEnds: meanOf(Array.from(real.ended)),
    });
  }
  return results;
}

/** The study of one seed of a finished run. @throws IO_FAILED where it has no policies */
export async function gradedReturns(
  task: LoopTask,
  config: LoopConfig,
  runPath: string,
  options: ReturnsOptions,
): Promise<PolicyReturns[]> {
  const { log = () => {}, seed = config.seed } = options;
  const files = { path: runPath, file: (...parts: string[]) => join(runPath, ...parts), log };
  const work = new Workspace(task, config, files, seed);
  return dreamAlso(work.model(), await driveReally(work, gradedPolicies(work), options), options);
}
