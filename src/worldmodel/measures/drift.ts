/** @file Drift: how the statistics of a dream part from reality's the longer it goes on, with and without looking up. */

import type { NdArray } from "../../core/ndarray.ts";
import { Rng } from "../../core/rng.ts";
import type { Segment } from "../../data/window.ts";
import { contextState, type LatentReplay } from "../contexts.ts";
import { drawSegments } from "./evaluate.ts";
import { takeTimeRow } from "../windows.ts";
import { presentActions } from "../imagine.ts";
import type { EncodedWorldModel, LatentState } from "../worldmodel.ts";

type Floats = NdArray<"float32">;

/** Two sets of feature vectors compared, in units of the real ones' deviation per dimension. */
export interface Departure {
  /** Root mean square over dimensions of the difference of means. */
  readonly shift: number;
  /** Mean over dimensions of dreamed over real deviation: below 1 the dreams grow alike, above 1 they scatter. */
  readonly spread: number;
}

/** A dream after `horizon` steps, under the actions that were really taken. */
export interface DriftScore {
  readonly horizon: number;
  readonly dreamed: Departure;
  /** Set back to reality every `anchorEvery` steps; at those steps it is reality. */
  readonly anchored: Departure;
  /** Other real windows: what the sample's size alone makes of it. */
  readonly floor: Departure;
  /** Root mean square distance of each dream's features from what really was there, in the same units. */
  readonly distance: number;
  readonly anchoredDistance: number;
}

/** What is measured, on which recordings. */
export interface DriftOptions {
  readonly model: EncodedWorldModel;
  readonly replay: LatentReplay;
  readonly horizons: readonly number[];
  readonly windows: number;
  /** Steps from one look at reality to the next. */
  readonly anchorEvery: number;
  readonly rng: Rng;
}

interface Moments {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

function momentsOf({ data, shape: [count, size] }: Floats): Moments {
  const mean = new Float64Array(size);
  const squares = new Float64Array(size);
  data.forEach((value, i) => (mean[i % size] += value / count));
  data.forEach((value, i) => (squares[i % size] += (value - mean[i % size]) ** 2 / count));
  return { mean, deviation: squares.map(Math.sqrt) };
}

/** Dimensions that vary at all in reality: the others have no unit. */
const varying = ({ deviation }: Moments): number[] =>
  Array.from(deviation.keys()).filter((i) => deviation[i] > 1e-6);

function departure(dreamed: Floats, real: Floats): Departure {
  const [a, b] = [momentsOf(dreamed), momentsOf(real)];
  const used = varying(b);
  let [shift, spread] = [0, 0];
  for (const i of used) {
    shift += ((a.mean[i] - b.mean[i]) / b.deviation[i]) ** 2 / used.length;
    spread += a.deviation[i] / b.deviation[i] / used.length;
  }
  return { shift: Math.sqrt(shift), spread };
}

function distance(dreamed: Floats, real: Floats): number {
  const moments = momentsOf(real);
  const used = varying(moments);
  const [count, size] = real.shape;
  let sum = 0;
  for (let b = 0; b < count; b++) {
    for (const i of used) {
      const difference = dreamed.data[b * size + i] - real.data[b * size + i];
      sum += (difference / moments.deviation[i]) ** 2 / used.length / count;
    }
  }
  return Math.sqrt(sum);
}

/** The model's state of what really was `offset` steps after each window's present. */
function realState(
  { model, replay }: DriftOptions,
  segments: readonly Segment[],
  offset: number,
): LatentState {
  const later = segments.map(({ episode, present }) => ({ episode, present: present + offset }));
  return contextState(model, replay.gather(later, { context: model.contextLength, horizon: 0 }));
}

/** Features after each of `horizons` steps; with `anchorEvery` the dream is set back to reality that often. */
async function dream(
  options: DriftOptions,
  segments: readonly Segment[],
  anchorEvery: number,
): Promise<Map<number, Floats>> {
  const { model, replay, horizons } = options;
  const furthest = Math.max(...horizons);
  const batch = replay.gather(segments, { context: model.contextLength, horizon: furthest });
  const actions = presentActions(batch.transitions.action, model.contextLength);
  const rng = Rng.fromSeed(0);
  const features = new Map<number, Floats>();
  let state = contextState(model, batch);
  for (let h = 1; h <= furthest; h++) {
    state = (await model.step(state, takeTimeRow(actions, h - 1), rng)).state;
    if (h % anchorEvery === 0) state = realState(options, segments, h);
    if (horizons.includes(h)) features.set(h, model.features(state));
  }
  return features;
}

/**
 * Drift over `horizons` of random windows, by the features that policies see.
 * @throws INVALID_ARGUMENT when no episode is longer than the furthest horizon
 */
export async function driftScores(options: DriftOptions): Promise<DriftScore[]> {
  const { model, replay, horizons, windows, rng, anchorEvery } = options;
  const horizon = Math.max(...horizons);
  const drawn = drawSegments(replay, { count: 2 * windows, horizon, rng });
  const [segments, others] = [drawn.slice(0, windows), drawn.slice(windows)];
  const free = await dream(options, segments, Infinity);
  const anchored = await dream(options, segments, anchorEvery);
  return horizons.map((h) => {
    const real = model.features(realState(options, segments, h));
    const [dreamed, held] = [free.get(h) as Floats, anchored.get(h) as Floats];
    return {
      horizon: h,
      dreamed: departure(dreamed, real),
      anchored: departure(held, real),
      floor: departure(model.features(realState(options, others, h)), real),
      distance: distance(dreamed, real),
      anchoredDistance: distance(held, real),
    };
  });
}
