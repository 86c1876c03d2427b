/** @file What really came of the states that a policy recorded, as they were or as the model dreams them: for its critic. */

import { copyOf, joinRows, takeRows, zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { ActorCritic } from "../../policy/networks.ts";
import type { RecordedReturns } from "../../policy/ppo.ts";
import { generalizedAdvantages } from "../../policy/returns.ts";
import { contextState, type LatentReplay } from "../../worldmodel/contexts.ts";
import { imagineActions, presentActions } from "../../worldmodel/imagine.ts";
import type { LatentWorldModel } from "../../worldmodel/latent/latent-model.ts";

/** Options of `openRecordedReturns`. */
export interface RecordedOptions {
  readonly model: LatentWorldModel;
  readonly replay: LatentReplay;
  /** Use the newest so many episodes. */
  readonly episodes: number;
  /** States per draw. */
  readonly rows: number;
  /**
   * Share of them that are seen as the model dreams them under the actions that were taken. What a dream loses on its way,
   * a car ahead say, its last state cannot show; what came of such states then tells the critic what to expect at its end.
   */
  readonly dreamedShare: number;
  /** Longest dream of one, in steps. */
  readonly horizon: number;
  readonly discount: number;
  readonly gaeLambda: number;
  /** Added where an episode terminated, as in the dream. */
  readonly terminationReward: number;
}

type Features = NdArray<"float32">;

/** Rows per call of the critic, so that one compiled graph serves all. */
const chunkRows = 1024;

/** A stretch of an episode, from one observation to another. */
interface Stretch {
  readonly episode: number;
  readonly from: number;
  readonly to: number;
  /** Row of the record that observation `from` has. */
  readonly row: number;
}

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

/** The episodes cut at a random place and every `horizon` steps from there. */
function stretchesOf({ replay, episodes, horizon }: RecordedOptions, rng: Rng): Stretch[] {
  const stretches: Stretch[] = [];
  let base = 0;
  for (const { index: episode, length } of replay.episodes.slice(-episodes)) {
    const first = 1 + Math.floor(rng.random() * horizon);
    for (let from = 0, to = first; from < length; from = to, to += horizon)
      stretches.push({ episode, from, to: Math.min(to, length), row: base + from });
    base += length + 1;
  }
  return stretches;
}

/** Dreams stepped together, so that one compiled graph serves all. */
const chunkDreams = 128;

/** The record's features, each as the model dreams it from its stretch's beginning under the actions that were taken. */
async function dreamedFeatures(options: RecordedOptions, real: Features, rng: Rng): Promise<Features> {
  const { model, replay, horizon } = options;
  const width = real.shape[1];
  const dreamed = copyOf(real);
  const stretches = stretchesOf(options, rng);
  for (let at = 0; at < stretches.length; at += chunkDreams) {
    const chunk = Array.from({ length: chunkDreams }, (_, k) => stretches[(at + k) % stretches.length]);
    const segments = chunk.map(({ episode, from }) => ({ episode, present: from }));
    const batch = replay.gather(segments, { context: model.contextLength, horizon });
    const actions = presentActions(batch.transitions.action, model.contextLength);
    await imagineActions(model, contextState(model, batch), actions, (h, { state }) => {
      const features = model.features(state);
      chunk.forEach(({ from, to, row }, b) => {
        if (from + h >= to) return;
        dreamed.data.set(features.data.subarray(b * width, (b + 1) * width), (row + h + 1) * width);
      });
    });
  }
  return dreamed;
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
export async function openRecordedReturns(options: RecordedOptions, rng: Rng) {
  const { discount, gaeLambda, rows, dreamedShare } = options;
  const { features, acted, ...columns } = gatherRecord(options);
  const dreamed = dreamedShare > 0 ? await dreamedFeatures(options, features, rng) : features;
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
      const count = Math.round(rows * dreamedShare);
      return {
        observations: joinRows([
          takeRows(dreamed, rowsOf.subarray(0, count)),
          takeRows(features, rowsOf.subarray(count)),
        ]),
        returns: Float32Array.from(drawn, (k) => returns[k]),
      };
    },
  };
}
