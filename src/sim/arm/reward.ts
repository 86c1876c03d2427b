/** @file Rewards of the arm's tasks: pure functions of where a thing is, where it should be, and how far the tip is from it. */

import { fail } from "../../core/errors.ts";
import { isNdArray, zeros } from "../../core/ndarray.ts";
import type { NdArray } from "../../core/ndarray.ts";
import { taskSpecs } from "./scenario.ts";
import type { ArmTask } from "./scenario.ts";

/**
 * `dense`: shaped, 0 … 1.5 per step; `cost`: what `dense` lacks of its best, -1.5 … 0; `sparse`: 0 at the goal, else -1;
 * `distance`: minus the distance in m.
 */
export type RewardKind = "dense" | "cost" | "sparse" | "distance";

const bestDense = 1.5;

/** What a reward needs besides the two places: the tip's distance from the object, one per row; reach needs none. */
export interface RewardInfo {
  readonly reachM?: number | ArrayLike<number> | NdArray;
}

const lengthScaleM = 0.1;

/** How near a distance is, in 0 … 1. */
function nearness(distanceM: number): number {
  return 1 - Math.tanh(Math.max(distanceM, 0) / lengthScaleM);
}

/** Tip and object touch when they are this far apart. */
function contactM(task: ArmTask): number {
  const { object } = taskSpecs[task];
  return object === undefined || task === "pick-place" ? 0 : object.radiusM + 0.014;
}

/** Reward of one row: `distanceM` from the goal, `reachM` from tip to object. */
export function rewardOf(task: ArmTask, kind: RewardKind, distanceM: number, reachM: number): number {
  const success = distanceM < taskSpecs[task].thresholdM;
  if (kind === "sparse") return success ? 0 : -1;
  if (kind === "distance") return -distanceM;
  if (kind === "cost") return rewardOf(task, "dense", distanceM, reachM) - bestDense;
  const bonus = success ? 0.5 : 0;
  if (task === "reach") return nearness(distanceM) + bonus;
  return 0.2 * nearness(reachM - contactM(task)) + 0.8 * nearness(distanceM) + bonus;
}

function reachAt(info: RewardInfo | undefined, row: number): number {
  const { reachM = 0 } = info ?? {};
  if (typeof reachM === "number") return reachM;
  return Number((isNdArray(reachM) ? reachM.data : reachM)[row]);
}

/**
 * Rewards of places: `achieved` and `desired` float32 or float64 [3] or [N, 3], `info.reachM` a number or N of them.
 *
 * Gymnasium-Robotics' `compute_reward`: what a replay buffer calls with other goals than those that were pursued.
 * @returns a number for [3], float64 [N] for [N, 3]
 * @throws INVALID_SHAPE when the places do not fit each other
 */
export function computeReward(
  { task, kind }: { readonly task: ArmTask; readonly kind: RewardKind },
  achieved: NdArray,
  desired: NdArray,
  info?: RewardInfo,
): number | NdArray<"float64"> {
  const { shape } = achieved;
  if (shape.at(-1) !== 3 || shape.length > 2 || desired.shape.join() !== shape.join()) {
    fail({
      code: "INVALID_SHAPE",
      what: "these are no places to compare",
      expected: "achieved and desired both [3] or both [N, 3]",
      got: `[${shape.join(", ")}] and [${desired.shape.join(", ")}]`,
    });
  }
  const rewards = zeros("float64", [achieved.data.length / 3]);
  for (let row = 0; row < rewards.data.length; row++) {
    let squared = 0;
    for (let c = 0; c < 3; c++) {
      squared += (Number(achieved.data[3 * row + c]) - Number(desired.data[3 * row + c])) ** 2;
    }
    rewards.data[row] = rewardOf(task, kind, Math.sqrt(squared), reachAt(info, row));
  }
  return shape.length === 1 ? rewards.data[0] : rewards;
}
