/** @file Dreams of 45 seconds: how far they drift, with and without a look at reality, and the latency of one decoded step. */

import { zeros } from "../../src/core/ndarray.ts";
import { Rng } from "../../src/core/rng.ts";
import { lengthOf } from "../../src/data/episode.ts";
import { driftScores } from "../../src/worldmodel/measures/drift.ts";
import { makeReplayContexts, type LatentReplay } from "../../src/worldmodel/contexts.ts";
import type { EncodedWorldModel } from "../../src/worldmodel/worldmodel.ts";
import { recordTrack } from "./driving-data.ts";
import { encodedReplay, loadTrained, type Kind } from "./models.ts";

/** One model after `horizon` steps. */
export interface LongRow {
  readonly kind: Kind;
  readonly horizon: number;
  /** Shift of the means in real deviations: free, set back to reality every 15 steps, of other real windows. */
  readonly free: number;
  readonly anchored: number;
  readonly floor: number;
  /** 95th percentile of one step with its decoded frame at batch 1. */
  readonly p95Ms: number;
}

const horizons = [14, 59, 119, 239, 299, 449];

async function p95Of(model: EncodedWorldModel, replay: LatentReplay): Promise<number> {
  let state = makeReplayContexts(model, replay).sample(1, Rng.fromSeed(5));
  const actions = zeros("float32", [1, model.actionSpec.names.length]);
  const times: number[] = [];
  for (let i = 0; i < 220; i++) {
    const from = performance.now();
    ({ state } = await model.step(state, actions, Rng.fromSeed(i)));
    await model.decode(state);
    // The first steps compile.
    if (i >= 20) times.push(performance.now() - from);
  }
  return times.toSorted((a, b) => a - b)[Math.floor(0.95 * times.length)];
}

/** Every trained kind of `wanted` on drives of up to a minute on validation tracks. */
export async function measureLong(folder: string, wanted: readonly Kind[]): Promise<LongRow[]> {
  const all = await recordTrack("validation", 14_000, 9, { maxEpisodeSteps: 600 });
  const episodes = all.filter((episode) => lengthOf(episode) > 455);
  const rows: LongRow[] = [];
  for (const kind of wanted) {
    const trained = loadTrained(folder, kind);
    if (trained === undefined) continue;
    const { model } = trained;
    const replay = await encodedReplay(trained.encodeFrames, episodes);
    const p95Ms = await p95Of(model, replay);
    const options = { model, replay, horizons, windows: 48, anchorEvery: 15, rng: Rng.fromSeed(4) };
    for (const { horizon, dreamed, anchored, floor } of await driftScores(options)) {
      rows.push({
        kind,
        horizon,
        free: dreamed.shift,
        anchored: anchored.shift,
        floor: floor.shift,
        p95Ms,
      });
    }
  }
  return rows;
}

/** As Markdown. */
export function longTable(rows: readonly LongRow[]): string {
  return [
    "| model | seconds | shift, free | a look every 1.5 s | other real windows | p95 of a decoded step |",
    "|---|---:|---:|---:|---:|---:|",
    ...rows.map(
      ({ kind, horizon, free, anchored, floor, p95Ms }) =>
        `| ${kind} | ${((horizon + 1) / 10).toFixed(1)} | ${free.toFixed(2)} | ${anchored.toFixed(2)} | ${floor.toFixed(2)} | ${p95Ms.toFixed(1)} ms |`,
    ),
  ].join("\n");
}
