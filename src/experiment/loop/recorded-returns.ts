/** @file What really came of the states that a policy recorded: λ-returns of whole episodes, for its critic. */

import { takeRows, zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import type { RecordedReturns } from "../../policy/ppo.ts";
import { generalizedAdvantages } from "../../policy/returns.ts";
import { contextState, type LatentReplay } from "../../worldmodel/contexts.ts";
import type { LatentWorldModel } from "../../worldmodel/latent/latent-model.ts";

/** Options of `openRecordedReturns`. */
export interface RecordedOptions {
  readonly model: LatentWorldModel;
  readonly replay: LatentReplay;
  /** Use the newest so many episodes. */
  readonly episodes: number;
  /** States per draw. */
  readonly rows: number;
  readonly discount: number;
  readonly gaeLambda: number;
  /** Added where an episode terminated, as in the dream. */
  readonly terminationReward: number;
}

type Features = NdArray<"float32">;

/** Rows per call of the critic, so that one compiled graph serves all. */
const chunkRows = 1024;

/** Observations of recorded episodes, one after another: T + 1 rows each. */
interface Record {
  readonly features: Features;
  readonly rewards: Float32Array;
  readonly continues: Float32Array;
  /** 1 at an episode's last step. */
  readonly ends: Uint8Array;
  /** Rows of `features` that are acted in, and thus rows of the columns above: all but each episode's last. */
  readonly acted: Int32Array;
}

function gatherRecord({ model, replay, episodes, terminationReward }: RecordedOptions): Record {
  const chosen = replay.episodes.slice(-episodes);
  const segments: { episode: number; present: number }[] = [];
  const acted: number[] = [];
  const [rewards, continues, ends]: number[][] = [[], [], []];
  for (const { index, length, terminated, columns } of chosen) {
    for (let present = 0; present <= length; present++) {
      if (present < length) acted.push(segments.length);
      segments.push({ episode: index, present });
    }
    for (let t = 0; t < length; t++) {
      const failed = terminated && t === length - 1;
      rewards.push(columns.reward.data[t] + (failed ? terminationReward : 0));
      continues.push(failed ? 0 : 1);
      ends.push(t === length - 1 ? 1 : 0);
    }
  }
  const batch = replay.gather(segments, { context: model.contextLength, horizon: 0 });
  return {
    features: model.features(contextState(model, batch)),
    rewards: Float32Array.from(rewards),
    continues: Float32Array.from(continues),
    ends: Uint8Array.from(ends),
    acted: Int32Array.from(acted),
  };
}

/** Values [M] of features [M, F], some rows at a time. */
async function valuesOf(policy: ActorCritic, features: Features): Promise<Float32Array> {
  const [count, width] = features.shape;
  const values = new Float32Array(count);
  for (let from = 0; from < count; from += chunkRows) {
    const to = Math.min(count, from + chunkRows);
    const chunk = zeros("float32", [chunkRows, width]);
    chunk.data.set(features.data.subarray(from * width, to * width));
    values.set((await policy.values(chunk)).data.subarray(0, to - from), from);
  }
  return values;
}

/** Draws recorded states of the newest episodes with their λ-returns under the present critic. */
export function openRecordedReturns(options: RecordedOptions) {
  const { discount, gaeLambda, rows } = options;
  const { features, acted, ...columns } = gatherRecord(options);
  const steps = acted.length;
  return {
    async draw(policy: ActorCritic, rng: Rng): Promise<RecordedReturns> {
      const all = await valuesOf(policy, features);
      const values = Float32Array.from(acted, (row) => all[row]);
      const nextValues = Float32Array.from(acted, (row) => all[row + 1]);
      const path = { ...columns, steps, rows: 1, values, nextValues };
      const { returns } = generalizedAdvantages(path, discount, gaeLambda);
      const drawn = Int32Array.from({ length: rows }, () => Math.floor(rng.random() * steps));
      const rowsOf = drawn.map((k) => acted[k]);
      return {
        observations: takeRows(features, rowsOf),
        returns: Float32Array.from(drawn, (k) => returns[k]),
      };
    },
  };
}
