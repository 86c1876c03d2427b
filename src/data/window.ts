/** @file Windows: the Segment (which part of which episode) and the Batch (`[B, T, …]`) that is cut from segments. */

import { fail } from "../core/errors.ts";
import { sizeOf, zeros } from "../core/ndarray.ts";
import type { NdArray } from "../core/ndarray.ts";
import { zeroColumns } from "./columns.ts";
import type { Columns, ColumnSpecs } from "./columns.ts";
import type { ReplayEpisode, ReplaySpec } from "./replay-episode.ts";

/** A window of an episode, by place. */
export interface Segment {
  /** Index of the episode in its replay. */
  readonly episode: number;
  /** Index in 0 … T of the last observation of the context. */
  readonly present: number;
}

/** How long a window is. */
export interface WindowShape {
  /** K ≥ 1: observations up to the present. */
  readonly context: number;
  /** H ≥ 0: steps after it. */
  readonly horizon: number;
}

/**
 * B windows of K + H observations (0 … K − 1 are the context) and the K + H − 1 transitions between them.
 *
 * Transition k leads from observation k to observation k + 1; the action of the present is number K − 1.
 * Before an episode's start the first observation is repeated with transitions of zeros, as an environment's reset does;
 * after its end the last observation is repeated with transitions of zeros; `mask` is 0 on both.
 */
export interface Batch<O extends ColumnSpecs, X extends ColumnSpecs> {
  /** Each [B, K + H, …row]. */
  readonly observations: Columns<O>;
  /** Each [B, K + H − 1, …row]. */
  readonly transitions: Columns<X>;
  /** float32 [B, K + H − 1]: 1 at the step that ended the task, else 0. */
  readonly terminated: NdArray<"float32">;
  /** float32 [B, K + H − 1]: 1 where the transition was recorded, 0 in padding. */
  readonly mask: NdArray<"float32">;
  /** Which windows these are. */
  readonly segments: readonly Segment[];
}

interface GatherRequest<O extends ColumnSpecs, X extends ColumnSpecs> {
  readonly spec: ReplaySpec<O, X>;
  readonly episodes: readonly ReplayEpisode<O, X>[];
  readonly segments: readonly Segment[];
  readonly shape: WindowShape;
  readonly out?: Batch<O, X>;
}

/** Rows [start, start + count) of a recorded array, any part of which may lie outside of it. */
interface Cut {
  readonly start: number;
  readonly count: number;
}

/** Rows as numbers of one kind; every dtype but the 64-bit integers, which `set` and `fill` treat alike. */
interface RowData {
  set(source: unknown, offset: number): void;
  subarray(start: number, end: number): unknown;
  copyWithin(target: number, start: number, end: number): unknown;
}

function copyRepeating(source: NdArray, cut: Cut, target: NdArray, window: number): void {
  const stride = sizeOf(source.shape) / source.shape[0];
  const data: RowData = source.data;
  const out: RowData = target.data;
  const base = window * cut.count * stride;
  const from = Math.max(cut.start, 0);
  const to = Math.min(cut.start + cut.count, source.shape[0]);
  const before = from - cut.start;
  out.set(data.subarray(from * stride, to * stride), base + before * stride);
  const first = base + before * stride;
  for (let row = 0; row < before; row++) out.copyWithin(base + row * stride, first, first + stride);
  const last = first + (to - from - 1) * stride;
  for (let row = before + to - from; row < cut.count; row++) {
    out.copyWithin(base + row * stride, last, last + stride);
  }
}

function copyZeroing(source: NdArray, cut: Cut, target: NdArray, window: number): void {
  const stride = sizeOf(source.shape) / source.shape[0];
  const data: RowData = source.data;
  const out: RowData = target.data;
  const base = window * cut.count * stride;
  const from = Math.max(cut.start, 0);
  const to = Math.max(from, Math.min(cut.start + cut.count, source.shape[0]));
  target.data.fill(0 as never, base, base + cut.count * stride);
  out.set(data.subarray(from * stride, to * stride), base + (from - cut.start) * stride);
}

function markWindow(
  batch: { terminated: NdArray; mask: NdArray },
  window: number,
  cut: Cut,
  episode: ReplayEpisode,
): void {
  for (let k = 0; k < cut.count; k++) {
    const step = cut.start + k;
    const at = window * cut.count + k;
    batch.mask.data[at] = step >= 0 && step < episode.length ? 1 : 0;
    batch.terminated.data[at] = episode.terminated && step === episode.length - 1 ? 1 : 0;
  }
}

function checkSegment(segment: Segment, episodes: readonly ReplayEpisode[]): void {
  const episode = episodes[segment.episode];
  if (episode !== undefined && segment.present >= 0 && segment.present <= episode.length) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: `no window at observation ${segment.present} of episode ${segment.episode}`,
    expected:
      episode === undefined
        ? `one of ${episodes.length} episodes`
        : `an observation in 0 … ${episode.length}`,
  });
}

/** @throws INVALID_ARGUMENT unless K ≥ 1, H ≥ 0, both whole */
export function checkWindowShape({ context, horizon }: WindowShape): void {
  if (Number.isInteger(context) && Number.isInteger(horizon) && context >= 1 && horizon >= 0) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: "no such window",
    expected: "context ≥ 1 and horizon ≥ 0, whole numbers",
    got: `context ${context}, horizon ${horizon}`,
  });
}

function emptyBatch<O extends ColumnSpecs, X extends ColumnSpecs>(
  request: GatherRequest<O, X>,
  length: number,
): Batch<O, X> {
  const { spec, segments } = request;
  const size = segments.length;
  return {
    observations: zeroColumns(spec.observationColumns, [size, length]),
    transitions: zeroColumns(spec.transitionColumns, [size, length - 1]),
    terminated: zeros("float32", [size, length - 1]),
    mask: zeros("float32", [size, length - 1]),
    segments,
  };
}

function reuse<O extends ColumnSpecs, X extends ColumnSpecs>(
  request: GatherRequest<O, X>,
  length: number,
): Batch<O, X> {
  const { out, segments } = request;
  if (out === undefined) return emptyBatch(request, length);
  const [size, steps] = out.mask.shape;
  if (size === segments.length && steps === length - 1) return { ...out, segments };
  fail({
    code: "INVALID_SHAPE",
    what: "the batch to be overwritten has another form",
    expected: `[${segments.length}, ${length - 1}]`,
    got: `[${size}, ${steps}]`,
  });
}

/** Cut windows out of episodes. @throws INVALID_ARGUMENT, INVALID_SHAPE (of `out`) */
export function gatherWindows<O extends ColumnSpecs, X extends ColumnSpecs>(
  request: GatherRequest<O, X>,
): Batch<O, X> {
  const { spec, episodes, segments, shape } = request;
  checkWindowShape(shape);
  const length = shape.context + shape.horizon;
  const batch = reuse(request, length);
  const observationNames = Object.keys(spec.observationColumns);
  const transitionNames = Object.keys(spec.transitionColumns);
  segments.forEach((segment, window) => {
    checkSegment(segment, episodes);
    const episode = episodes[segment.episode];
    const arrays = episode.columns as Readonly<Record<string, NdArray>>;
    const start = segment.present - shape.context + 1;
    for (const name of observationNames) {
      copyRepeating(arrays[name], { start, count: length }, batch.observations[name], window);
    }
    for (const name of transitionNames) {
      copyZeroing(arrays[name], { start, count: length - 1 }, batch.transitions[name], window);
    }
    markWindow(batch, window, { start, count: length - 1 }, episode);
  });
  return batch;
}
