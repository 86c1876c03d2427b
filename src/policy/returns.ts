/** @file Advantages and λ-returns over rollouts. */

import type { Rollout } from "./rollout.ts";

/** What returns are made of; see `Rollout`. */
export type RewardPath = Pick<
  Rollout,
  "steps" | "rows" | "rewards" | "values" | "nextValues" | "continues" | "ends"
>;

/** Advantages [T · N] and the critic's targets [T · N] (undiscounted by survival). */
export interface Advantages {
  readonly advantages: Float32Array;
  readonly returns: Float32Array;
}

/**
 * Generalized advantage estimation. A step's future counts by `continues`; an ended episode bootstraps from its own last
 * observation when it was truncated and from nothing when it terminated.
 * @source Schulman et al. 2016, eq. 16; per-step discounts as in Hafner et al. 2023
 */
export function generalizedAdvantages(rollout: RewardPath, discount: number, gaeLambda: number): Advantages {
  const { steps, rows, rewards, values, nextValues, continues, ends } = rollout;
  const advantages = new Float32Array(steps * rows);
  const returns = new Float32Array(steps * rows);
  for (let i = 0; i < rows; i++) {
    let following = 0;
    for (let t = steps - 1; t >= 0; t--) {
      const at = t * rows + i;
      if (ends[at]) following = 0;
      const next = discount * continues[at];
      following = rewards[at] + next * nextValues[at] - values[at] + next * gaeLambda * following;
      advantages[at] = following;
      returns[at] = following + values[at];
    }
  }
  return { advantages, returns };
}

/** Centre and scale to unit deviation, weighted; in place. */
export function normalizeAdvantages(advantages: Float32Array, weights: Float32Array): void {
  let total = 0;
  let sum = 0;
  let squares = 0;
  for (let i = 0; i < advantages.length; i++) {
    total += weights[i];
    sum += weights[i] * advantages[i];
    squares += weights[i] * advantages[i] ** 2;
  }
  const mean = sum / total;
  const deviation = Math.sqrt(Math.max(0, squares / total - mean * mean)) + 1e-6;
  for (let i = 0; i < advantages.length; i++) advantages[i] = (advantages[i] - mean) / deviation;
}
