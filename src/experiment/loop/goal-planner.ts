/** @file Planning to pictures of goals: what `goalPlanner` in a config asks for. */

import { fail } from "../../core/errors.ts";
import { ndarray, zeros, type NdArray } from "../../core/ndarray.ts";
import type { EpisodeScore } from "../../policy/evaluate.ts";
import { goalDistance } from "../../policy/objective.ts";
import { makePlanner } from "../../policy/planner.ts";
import { newest } from "../../worldmodel/windows.ts";
import type { LatentState } from "../../worldmodel/worldmodel.ts";
import { firstSeed, scoreOn } from "./scoring.ts";
import type { Split } from "./task.ts";
import type { Workspace } from "./workspace.ts";

const newestLatent = (state: LatentState): NdArray<"float32"> => newest(state.latents);

/** Latents float32 [N, D] of the goal pictures of the first `episodes` episodes that `split` is judged on. */
async function goalLatents(work: Workspace, split: Split, episodes: number): Promise<NdArray<"float32">> {
  const { goalFrames, actionSpec, id } = work.task;
  if (goalFrames === undefined) {
    fail({
      code: "INVALID_ARGUMENT",
      what: `there is no picture of the goal of ${id} to plan to`,
      fix: "choose a task whose goal can be shown, such as ArmReach-v0",
    });
  }
  const { frame, state } = await goalFrames(split, firstSeed[split], episodes);
  const first = {
    frame: ndarray("uint8", [episodes, 1, ...frame.shape.slice(1)], frame.data),
    state: ndarray("float32", [episodes, 1, state.shape[1]], state.data),
  };
  const noActions = zeros("float32", [episodes, 0, actionSpec.names.length]);
  return newestLatent(await work.model().encode(first, noActions));
}

/**
 * Scores of a planner that is given a picture of each episode's goal, and neither rewards nor a policy.
 *
 * @throws INVALID_ARGUMENT for a task whose goals have no picture
 */
export async function scoreGoalPlanner(
  work: Workspace,
  split: Split,
  episodes: number,
): Promise<EpisodeScore[]> {
  const config =
    work.config.goalPlanner ??
    fail({ code: "INVALID_ARGUMENT", what: `an experiment in ${work.task.id} has no goalPlanner` });
  const [model, goals] = [work.model(), await goalLatents(work, split, episodes)];
  return scoreOn(work, split, episodes, ({ latent }) =>
    makePlanner({
      model,
      objective: goalDistance({ latentOf: newestLatent, goals, growth: config.growth }),
      state: () => latent.latentState,
      config: { ...config, policySamples: 0 },
      seed: work.seed,
    }),
  );
}
