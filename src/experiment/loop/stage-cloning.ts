/** @file The stage that clones the behaviour: from all episodes, and from the best ones. */

import type { NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import { learningRateAt } from "../../nn/schedules.ts";
import { makeCloner, type CloningBatch } from "../../policy/cloning.ts";
import { contextState, type LatentReplay } from "../../worldmodel/contexts.ts";
import type { LatentWorldModel } from "../../worldmodel/latent/latent-model.ts";
import { dropPartials, trainLoop } from "../training-loop.ts";
import type { TaskUnion } from "./task.ts";
import type { Workspace } from "./workspace.ts";

/** Indices of the `fraction` of episodes with the highest returns; of each part of a union, whose returns differ in kind. */
export function bestEpisodes(replay: LatentReplay, fraction: number, union?: TaskUnion): Set<number> {
  const returns = replay.episodes.map(({ index, columns }) => {
    const rewards = columns.reward.data;
    const part = union?.partOf(columns.state.data) ?? 0;
    return { index, part, total: rewards.reduce((a, b) => a + b, 0) };
  });
  returns.sort((a, b) => b.total - a.total);
  const best = Array.from({ length: union?.parts.length ?? 1 }, (_, part) => {
    const own = returns.filter((episode) => episode.part === part);
    return own.slice(0, Math.max(1, Math.round(fraction * own.length)));
  });
  return new Set(best.flat().map(({ index }) => index));
}

type Priority = (episode: { readonly index: number }) => number;

/** Features and the actions taken there, drawn from the replay. */
export function cloningBatch(
  model: LatentWorldModel,
  replay: LatentReplay,
  options: { batchSize: number; rng: Rng; priority?: Priority },
): CloningBatch<NdArray> {
  const frames = model.contextLength;
  const batch = replay.sample({ context: frames, horizon: 1, ...options });
  const action = batch.transitions.action;
  const [rowCount, , size] = action.shape;
  const actions = new Float32Array(rowCount * size);
  for (let b = 0; b < rowCount; b++) {
    const at = (b * frames + frames - 1) * size;
    actions.set(action.data.subarray(at, at + size), b * size);
  }
  return {
    observations: model.features(contextState(model, batch)),
    actions: { dtype: "float32", shape: [rowCount, size], data: actions },
  };
}

/** Train "cloning" (all episodes) and "filtered" (the best ones). */
export async function cloneBehaviour(work: Workspace): Promise<void> {
  const { config, context } = work;
  const { steps, batchSize, learningRate, weightDecay, topFraction } = config.cloning;
  const replay = await work.replay("train");
  const model = work.model();
  const best = bestEpisodes(replay, topFraction, work.task.union);
  const variants: [string, Priority | undefined][] = [
    ["cloning", undefined],
    ["filtered", ({ index }) => (best.has(index) ? 1 : 0)],
  ];
  const schedule = { peak: learningRate, warmupSteps: 20, totalSteps: steps, decayFraction: 0.5 };
  for (const [k, [name, priority]] of variants.entries()) {
    const policy = work.newPolicy("clone");
    const cloner = makeCloner(policy, { weightDecay });
    const loop = `${name}-${work.seed}`;
    await trainLoop(context, {
      name: loop,
      steps,
      state: () => cloner.state(),
      load: (state) => cloner.load(state),
      step: (i, rng) =>
        cloner.step(cloningBatch(model, replay, { batchSize, rng, priority }), learningRateAt(schedule, i)),
      logEvery: 50,
      span: [k / 2, (k + 1) / 2],
      note: ({ loss }) => `${name} ${loss.toFixed(4)}`,
    });
    work.savePolicy(name, policy);
    dropPartials(context, [loop]);
  }
}
