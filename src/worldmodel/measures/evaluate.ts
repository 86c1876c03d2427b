/** @file Measuring a world model on recorded episodes: open-loop accuracy and action following. */

import { takeRows, zeros, type NdArray } from "../../core/ndarray.ts";
import { fail } from "../../core/errors.ts";
import type { Rng } from "../../core/rng.ts";
import type { Segment } from "../../data/window.ts";
import { contextState, type LatentReplay } from "../contexts.ts";
import { imagineActions, presentActions } from "../imagine.ts";
import { structuralSimilarity } from "./similarity.ts";
import { takeTimeRow } from "../windows.ts";
import type { EncodedWorldModel, LatentState, Observation } from "../worldmodel.ts";

/** Open-loop accuracy at one horizon; PSNR in dB over decoded frames. */
export interface HorizonScore {
  readonly horizon: number;
  readonly psnr: number;
  /** Mean structural similarity, at most 1; `copyLastSsim` is that of the last real frame, repeated. */
  readonly ssim: number;
  readonly copyLastSsim: number;
  /** The last real frame, repeated. */
  readonly copyLast: number;
  /** The mean frame of the windows' targets. */
  readonly meanFrame: number;
  /** Encoding and decoding the true frame: the ceiling. */
  readonly reconstruction: number;
  /** The same model under another window's actions. */
  readonly shuffledActions: number;
  /** Mean of true minus shuffled PSNR over windows, with its 95 % bootstrap interval. */
  readonly actionGain: readonly [mean: number, low: number, high: number];
  /** Mean absolute error of the state, SI units, per dimension. */
  readonly stateError: readonly number[];
}

/** Frames of the replay's episodes, in its order: uint8 [T + 1, H, W, 3] each. */
export type EpisodeFrames = readonly NdArray<"uint8">[];

function rowPsnr(a: Uint8Array, b: Uint8Array, row: number, size: number): number {
  let squares = 0;
  for (let i = row * size; i < (row + 1) * size; i++) squares += (a[i] - b[i]) ** 2;
  return 10 * Math.log10((255 * 255 * size) / Math.max(1, squares));
}

function meanPsnr(a: Uint8Array, b: Uint8Array, count: number): number {
  const size = a.length / count;
  let sum = 0;
  for (let row = 0; row < count; row++) sum += rowPsnr(a, b, row, size);
  return sum / count;
}

/** Random windows that stay within an episode for `horizon` steps after the present. @throws INVALID_ARGUMENT when there is none */
export function drawSegments(
  replay: LatentReplay,
  options: { count: number; horizon: number; rng: Rng },
): Segment[] {
  const { count, horizon, rng } = options;
  const long = replay.episodes.filter((episode) => episode.length > horizon);
  if (long.length === 0) {
    fail({
      code: "INVALID_ARGUMENT",
      what: "no recorded episode is long enough to be measured on",
      expected: `an episode of more than ${horizon} steps`,
      got: `${replay.episodes.length} episodes, the longest of ${Math.max(0, ...replay.episodes.map(({ length }) => length))}`,
      fix: "record more validation episodes, or measure shorter horizons",
    });
  }
  return Array.from({ length: count }, () => {
    const episode = long[Math.floor(rng.random() * long.length)];
    return { episode: episode.index, present: Math.floor(rng.random() * (episode.length - horizon)) };
  });
}

/** Real frames `offset` steps after each window's present: uint8 [B, H, W, 3]. */
export function framesAt(
  frames: EpisodeFrames,
  segments: readonly Segment[],
  offset: number,
): NdArray<"uint8"> {
  const shape = frames[0].shape.slice(1);
  const out = zeros("uint8", [segments.length, ...shape]);
  const size = out.data.length / segments.length;
  segments.forEach(({ episode, present }, b) => {
    const at = (present + offset) * size;
    out.data.set(frames[episode].data.subarray(at, at + size), b * size);
  });
  return out;
}

const meanOf = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

function meanFrameOf(frames: NdArray<"uint8">): Uint8Array {
  const count = frames.shape[0];
  const size = frames.data.length / count;
  const sums = new Float64Array(size);
  for (let i = 0; i < frames.data.length; i++) sums[i % size] += frames.data[i];
  const out = new Uint8Array(frames.data.length);
  for (let i = 0; i < out.length; i++) out[i] = Math.round(sums[i % size] / count);
  return out;
}

/** Mean and 95 % percentile-bootstrap interval of the mean. */
export function bootstrapMean(
  values: readonly number[],
  rng: Rng,
  draws = 1000,
): [mean: number, low: number, high: number] {
  const n = values.length;
  const means = Array.from({ length: draws }, () => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += values[Math.floor(rng.random() * n)];
    return sum / n;
  }).sort((a, b) => a - b);
  const mean = values.reduce((a, b) => a + b, 0) / n;
  return [mean, means[Math.floor(0.025 * draws)], means[Math.floor(0.975 * draws)]];
}

function stateErrors(predicted: Observation, truth: NdArray<"float32">): number[] {
  const [batch, size] = truth.shape;
  const errors = new Array<number>(size).fill(0);
  for (let i = 0; i < batch * size; i++)
    errors[i % size] += Math.abs(predicted.state.data[i] - truth.data[i]) / batch;
  return errors;
}

/** What the model imagined at each of `horizons` when `actions` were taken, decoded. */
async function imagineAt(
  model: EncodedWorldModel,
  start: LatentState,
  actions: NdArray<"float32">,
  horizons: readonly number[],
): Promise<Map<number, Observation>> {
  const at = new Map<number, Observation>();
  await imagineActions(model, start, actions, async (h, { state }) => {
    if (horizons.includes(h + 1)) at.set(h + 1, await model.decode(state));
  });
  return at;
}

/** Everything that is compared at one horizon: frames uint8 [B, H, W, 3], states float32 [B, S]. */
interface Comparison {
  readonly horizon: number;
  readonly truth: Observation;
  readonly imagined: Observation;
  readonly shuffled: Observation;
  /** The true frame, encoded and decoded. */
  readonly rebuilt: Observation;
  readonly last: NdArray<"uint8">;
}

function scoreHorizon(compared: Comparison, rng: Rng): HorizonScore {
  const { horizon, truth, imagined, shuffled, rebuilt, last } = compared;
  const frames = truth.frame.data;
  const windows = truth.frame.shape[0];
  const size = frames.length / windows;
  const gains = Array.from(
    { length: windows },
    (_, row) =>
      rowPsnr(imagined.frame.data, frames, row, size) - rowPsnr(shuffled.frame.data, frames, row, size),
  );
  return {
    horizon,
    psnr: meanPsnr(imagined.frame.data, frames, windows),
    ssim: meanOf(structuralSimilarity(imagined.frame, truth.frame)),
    copyLastSsim: meanOf(structuralSimilarity(last, truth.frame)),
    copyLast: meanPsnr(last.data, frames, windows),
    meanFrame: meanPsnr(meanFrameOf(truth.frame), frames, windows),
    reconstruction: meanPsnr(rebuilt.frame.data, frames, windows),
    shuffledActions: meanPsnr(shuffled.frame.data, frames, windows),
    actionGain: bootstrapMean(gains, rng),
    stateError: stateErrors(imagined, truth.state),
  };
}

/** Open-loop accuracy over windows of recorded episodes. @throws INVALID_ARGUMENT when no episode is long enough */
export async function openLoopScores(options: {
  model: EncodedWorldModel;
  replay: LatentReplay;
  frames: EpisodeFrames;
  horizons: readonly number[];
  windows: number;
  rng: Rng;
}): Promise<HorizonScore[]> {
  const { model, replay, frames, horizons, windows, rng } = options;
  const furthest = Math.max(...horizons);
  const segments = drawSegments(replay, { count: windows, horizon: furthest, rng });
  const batch = replay.gather(segments, { context: model.contextLength, horizon: furthest });
  const start = contextState(model, batch);
  const actions = presentActions(batch.transitions.action, model.contextLength);
  const order = Int32Array.from({ length: windows }, (_, i) => (i + 1 + Math.floor(windows / 2)) % windows);
  const imagined = await imagineAt(model, start, actions, horizons);
  const shuffled = await imagineAt(model, start, takeRows(actions, order), horizons);
  const last = framesAt(frames, segments, 0);
  const scores: HorizonScore[] = [];
  for (const horizon of horizons) {
    const frame = framesAt(frames, segments, horizon);
    const state = takeTimeRow(batch.observations.state, model.contextLength + horizon - 1);
    const compared = {
      horizon,
      truth: { frame, state },
      imagined: imagined.get(horizon) as Observation,
      shuffled: shuffled.get(horizon) as Observation,
      rebuilt: await model.decode(await encodeFrames(model, frame, state)),
      last,
    };
    scores.push(scoreHorizon(compared, rng));
  }
  return scores;
}

/** The model's state of single observations, each as if an episode began there. */
export function encodeFrames(
  model: EncodedWorldModel,
  frame: NdArray<"uint8">,
  state: NdArray<"float32">,
): Promise<LatentState> {
  const [batch, ...shape] = frame.shape;
  const window = {
    frame: { ...frame, shape: [batch, 1, ...shape] },
    state: { ...state, shape: [batch, 1, state.shape[1]] },
  };
  return model.encode(window, zeros("float32", [batch, 0, model.actionSpec.names.length]));
}
