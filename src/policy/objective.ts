/** @file What a planner's imagined sequences are worth: a policy's return, or closeness to a goal picture's latent. */

import { fail } from "../core/errors.ts";
import type { NdArray } from "../core/ndarray.ts";
import type { LatentState, Prediction, WorldModel } from "../worldmodel/worldmodel.ts";
import type { ActorCritic } from "./networks.ts";

/** Scores a batch of M imagined sequences while they are being imagined. */
export interface Scoring {
  /** One more step of every sequence was imagined. */
  step(prediction: Prediction): void;
  /** float64 [M], higher is better; `state` is where the sequences ended. */
  finish(state: LatentState): Promise<Float64Array>;
}

/** What is planned for. Pure: a planner scores many batches by one objective. */
export interface Objective {
  /** @param rows int32 [M]: the environment's row that each sequence starts from; rows may come in any order, and repeat */
  score(rows: Int32Array): Scoring;
}

/** How imagined rewards are summed. */
export interface ReturnConfig {
  readonly discount: number;
  /** Subtracted from the score per unit of the ensemble's disagreement. */
  readonly uncertaintyPenalty: number;
  readonly terminationReward: number;
}

/** The imagined discounted return, with the policy's value of where a sequence ends. */
export function imaginedReturn(
  model: Pick<WorldModel, "features">,
  policy: Pick<ActorCritic, "values">,
  config: ReturnConfig,
): Objective {
  return {
    score(rows) {
      const scores = new Float64Array(rows.length);
      const weight = new Float64Array(rows.length).fill(1);
      return {
        step({ rewards, terminatedProbabilities, uncertainties }) {
          for (let i = 0; i < scores.length; i++) {
            const p = terminatedProbabilities.data[i];
            const reward = rewards.data[i] + config.terminationReward * p;
            scores[i] += weight[i] * (reward - config.uncertaintyPenalty * uncertainties.data[i]);
            weight[i] *= config.discount * (1 - p);
          }
        },
        async finish(state) {
          const values = (await policy.values(model.features(state))).data;
          return scores.map((score, i) => score + weight[i] * values[i]);
        },
      };
    },
  };
}

/** A goal as a picture's latent. */
export interface GoalParts {
  /** What is compared of an imagined state: float32 [M, D]. */
  readonly latentOf: (state: LatentState) => NdArray<"float32">;
  /** float32 [N, D]: what each of the environment's rows is to come to, as `latentOf` gives it. */
  readonly goals: NdArray<"float32">;
  /** Weight of a step relative to the step before it: 1 wants the goal soon, large numbers want it at the horizon. */
  readonly growth: number;
}

/** Squared distances of `latents` [M, D] to the goals of their rows, meaned over D: float64 [M]. */
function distances(latents: NdArray<"float32">, goals: NdArray<"float32">, rows: Int32Array): Float64Array {
  const width = goals.shape[1];
  const out = new Float64Array(rows.length);
  for (let i = 0; i < rows.length; i++) {
    let sum = 0;
    for (let d = 0; d < width; d++) {
      sum += (latents.data[i * width + d] - goals.data[rows[i] * width + d]) ** 2;
    }
    out[i] = sum / width;
  }
  return out;
}

/**
 * Minus the mean squared distance of the newest imagined latent to the goal's, averaged over the steps: neither rewards
 * nor a policy are asked for.
 *
 * @throws INVALID_SHAPE when imagined latents are not of the goals' width
 * @source Zhou et al. 2024, DINO-WM, §3.3; Assran et al. 2025, V-JEPA 2-AC, §3.2 (there an L1 distance, at the horizon only)
 */
export function goalDistance({ latentOf, goals, growth }: GoalParts): Objective {
  return {
    score(rows) {
      const sums = new Float64Array(rows.length);
      let [weight, total] = [1, 0];
      return {
        step({ state }) {
          const latents = latentOf(state);
          if (latents.shape[1] !== goals.shape[1]) {
            fail({
              code: "INVALID_SHAPE",
              what: "goals and imagined latents do not belong together",
              expected: `latents of width ${goals.shape[1]}`,
              got: `width ${latents.shape[1]}`,
              fix: "encode the goal pictures with the world model that plans",
            });
          }
          const apart = distances(latents, goals, rows);
          for (let i = 0; i < sums.length; i++) sums[i] += weight * apart[i];
          total += weight;
          weight *= growth;
        },
        async finish() {
          return sums.map((sum) => -sum / total);
        },
      };
    },
  };
}
