/** @file Does a dream obey, and does it look real? Actions read off dreamed pairs of moments, and their features' distance from real ones. */

import { takeRows, zeros, type NdArray } from "../../core/ndarray.ts";
import type { Rng } from "../../core/rng.ts";
import type { Segment } from "../../data/window.ts";
import { scoreActions, type ActionPairs, type ActionScore } from "./action-pairs.ts";
import { contextState, type LatentReplay } from "../contexts.ts";
import { drawSegments, encodeFrames, framesAt, type EpisodeFrames } from "./evaluate.ts";
import { takeTimeRow } from "../windows.ts";
import { frechetDistance } from "./frechet.ts";
import { imagineActions, presentActions } from "../imagine.ts";
import type { ActionProbe } from "./inverse-dynamics.ts";
import type { EncodedWorldModel, LatentState, Observation } from "../worldmodel.ts";

type Floats = NdArray<"float32">;

/** Actions that a probe reads off pairs of moments that end `horizon` steps after the present. */
export interface ObedienceScore {
  readonly horizon: number;
  /** Off what really happened: the probe's own accuracy, on worlds that it has not seen. */
  readonly real: ActionScore;
  /** Off the real moments, encoded and decoded: what the tokenizer leaves of it. */
  readonly rebuilt: ActionScore;
  /** Off the dream under the true actions. */
  readonly dreamed: ActionScore;
  /** Off the dream under another window's actions, against those: nothing in the start tells them. */
  readonly shuffled: ActionScore;
}

/** Fréchet distance from real pairs in a probe's features, over their total variance: 0 is alike. */
export interface FeatureDistance {
  readonly horizon: number;
  readonly dreamed: number;
  /** Of the real pairs, encoded and decoded. */
  readonly rebuilt: number;
  /** Of the last real moment, repeated. */
  readonly copyLast: number;
  /** Of as many other real pairs: what the sample's size alone makes of it. */
  readonly floor: number;
}

/** What is measured, on which recordings. */
export interface ObedienceOptions {
  readonly model: EncodedWorldModel;
  readonly replay: LatentReplay;
  readonly frames: EpisodeFrames;
  /** Each from 1. */
  readonly horizons: readonly number[];
  readonly windows: number;
  readonly rng: Rng;
}

/** Moments of the same windows at some offsets from the present. */
type Moments = ReadonlyMap<number, Observation>;

/** Everything that probes look at. */
export interface ObedienceMaterial {
  readonly horizons: readonly number[];
  readonly real: Moments;
  /** Other windows, as many. */
  readonly others: Moments;
  readonly rebuilt: Moments;
  readonly dreamed: Moments;
  readonly shuffled: Moments;
  /** float32 [B, H, A], from the present on. */
  readonly actions: Floats;
  readonly shuffledActions: Floats;
}

const offsetsOf = (horizons: readonly number[]): number[] => [
  ...new Set([0, ...horizons.flatMap((horizon) => [horizon - 1, horizon])]),
];

function realMoments(
  { replay, frames }: ObedienceOptions,
  segments: readonly Segment[],
  offsets: readonly number[],
): Moments {
  const { observations } = replay.gather(segments, { context: 1, horizon: Math.max(...offsets) });
  const at = (offset: number): Observation => ({
    frame: framesAt(frames, segments, offset),
    state: takeTimeRow(observations.state, offset),
  });
  return new Map(offsets.map((offset) => [offset, at(offset)]));
}

async function dreamMoments(
  model: EncodedWorldModel,
  start: LatentState,
  actions: Floats,
  offsets: readonly number[],
): Promise<Moments> {
  const moments = new Map([[0, await model.decode(start)]]);
  await imagineActions(model, start, actions, async (h, { state }) => {
    if (offsets.includes(h + 1)) moments.set(h + 1, await model.decode(state));
  });
  return moments;
}

/** Real, rebuilt and dreamed moments of random windows. @throws INVALID_ARGUMENT when no episode is long enough */
export async function gatherObedience(options: ObedienceOptions): Promise<ObedienceMaterial> {
  const { model, replay, horizons, windows, rng } = options;
  const horizon = Math.max(...horizons);
  const offsets = offsetsOf(horizons);
  const segments = drawSegments(replay, { count: windows, horizon, rng });
  const batch = replay.gather(segments, { context: model.contextLength, horizon });
  const start = contextState(model, batch);
  const actions = presentActions(batch.transitions.action, model.contextLength);
  const order = Int32Array.from({ length: windows }, (_, i) => (i + 1 + Math.floor(windows / 2)) % windows);
  const shuffledActions = takeRows(actions, order);
  const real = realMoments(options, segments, offsets);
  const rebuilt = new Map<number, Observation>();
  for (const [offset, { frame, state }] of real)
    rebuilt.set(offset, await model.decode(await encodeFrames(model, frame, state)));
  return {
    horizons,
    real,
    others: realMoments(options, drawSegments(replay, { count: windows, horizon, rng }), offsets),
    rebuilt,
    dreamed: await dreamMoments(model, start, actions, offsets),
    shuffled: await dreamMoments(model, start, shuffledActions, offsets),
    actions,
    shuffledActions,
  };
}

function pairAt(moments: Moments, horizon: number): Pick<ActionPairs, "before" | "after"> {
  return {
    before: moments.get(horizon - 1) as Observation,
    after: moments.get(horizon) as Observation,
  };
}

/** What a probe reads off real, rebuilt and dreamed pairs at every horizon. */
export async function obedienceScores(
  probe: ActionProbe,
  material: ObedienceMaterial,
): Promise<ObedienceScore[]> {
  const scores: ObedienceScore[] = [];
  for (const horizon of material.horizons) {
    const taken = takeTimeRow(material.actions, horizon - 1);
    const others = takeTimeRow(material.shuffledActions, horizon - 1);
    const score = async (moments: Moments, actions: Floats): Promise<ActionScore> =>
      scoreActions((await probe.read(pairAt(moments, horizon))).actions, actions);
    scores.push({
      horizon,
      real: await score(material.real, taken),
      rebuilt: await score(material.rebuilt, taken),
      dreamed: await score(material.dreamed, taken),
      shuffled: await score(material.shuffled, others),
    });
  }
  return scores;
}

function totalVariance({ data, shape: [count, size] }: Floats): number {
  const mean = zeros("float32", [size]);
  data.forEach((value, i) => (mean.data[i % size] += value / count));
  return data.reduce((sum, value, i) => sum + (value - mean.data[i % size]) ** 2, 0) / (count - 1);
}

/** How far dreamed pairs are from real ones as a whole, by a frame probe's features, at every horizon. */
export async function featureDistances(
  probe: ActionProbe,
  material: ObedienceMaterial,
): Promise<FeatureDistance[]> {
  const distances: FeatureDistance[] = [];
  const last = material.real.get(0) as Observation;
  for (const horizon of material.horizons) {
    const real = (await probe.read(pairAt(material.real, horizon))).features;
    const unit = totalVariance(real) || 1;
    const distance = async (pair: Pick<ActionPairs, "before" | "after">): Promise<number> =>
      frechetDistance((await probe.read(pair)).features, real) / unit;
    distances.push({
      horizon,
      dreamed: await distance(pairAt(material.dreamed, horizon)),
      rebuilt: await distance(pairAt(material.rebuilt, horizon)),
      copyLast: await distance({ before: last, after: last }),
      floor: await distance(pairAt(material.others, horizon)),
    });
  }
  return distances;
}
