/** @file Statistics of features, per episode and joined over episodes, as LeRobot defines them. */

import type { NdArray } from "../../core/ndarray.ts";
import { sizeOf } from "../../core/ndarray.ts";

/** Share of the values below each stored quantile. */
const quantiles = { q01: 0.01, q10: 0.1, q50: 0.5, q90: 0.9, q99: 0.99 } as const;

/** Names of the stored statistics, in their order. */
export const statNames = ["min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"] as const;
type StatName = (typeof statNames)[number];

/** Statistics of one feature: one number per value of a frame or per channel; `count` has one number, the frames. */
export type FeatureStats = Readonly<Record<StatName, readonly number[]>>;

/** Statistics by feature. */
export type DatasetStats = Readonly<Record<string, FeatureStats>>;

type Moments = Readonly<Record<Exclude<StatName, "count">, number>>;

/** Of values in rising order. A quantile is the smallest value that so many are not above. */
function momentsOf(sorted: Float64Array): Moments {
  const { length } = sorted;
  const mean = sorted.reduce((sum, value) => sum + value, 0) / length;
  const variance = sorted.reduce((sum, value) => sum + (value - mean) ** 2, 0) / length;
  const entries = Object.entries(quantiles).map(([name, share]) => [
    name,
    sorted[Math.max(0, Math.ceil(share * length) - 1)],
  ]);
  return {
    min: sorted[0],
    max: sorted[length - 1],
    mean,
    std: Math.sqrt(variance),
    ...(Object.fromEntries(entries) as Record<keyof typeof quantiles, number>),
  };
}

function joined(parts: readonly Moments[], count: number): FeatureStats {
  const entries = statNames.map((name) => [
    name,
    name === "count" ? [count] : parts.map((part) => part[name]),
  ]);
  return Object.fromEntries(entries) as FeatureStats;
}

/**
 * Statistics of the first `rows` rows of an array [≥ rows, …], per number of a row.
 *
 * Values that are not finite are left out; undefined when a number has no finite value at all.
 * @source huggingface/lerobot 7427f31, compute_stats.py get_feature_stats; quantiles are exact here, from 5000 bins there
 */
export function numericStats({ data, shape }: NdArray, rows: number): FeatureStats | undefined {
  const width = sizeOf(shape.slice(1));
  const parts: Moments[] = [];
  for (let i = 0; i < width; i++) {
    const column = Float64Array.from({ length: rows }, (_, row) => Number(data[row * width + i]));
    const finite = column.filter(Number.isFinite).sort();
    if (finite.length === 0) return undefined;
    parts.push(momentsOf(finite));
  }
  return joined(parts, rows);
}

/**
 * Which of `length` frames are looked at for statistics of pictures.
 *
 * @source huggingface/lerobot 7427f31, compute_stats.py sample_indices
 */
export function sampledFrames(length: number): number[] {
  const count = Math.max(Math.min(100, length), Math.min(Math.trunc(length ** 0.75), 10_000));
  if (count === 1) return [0];
  return Array.from({ length: count }, (_, k) => roundHalfEven((k * (length - 1)) / (count - 1)));
}

// As NumPy rounds.
function roundHalfEven(value: number): number {
  const rounded = Math.round(value);
  return value % 1 === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

/** Every how many pixels large pictures are looked at. @source compute_stats.py auto_downsample_height_width */
function pixelStride(height: number, width: number): number {
  return Math.max(width, height) < 300 ? 1 : Math.trunc((width > height ? width : height) / 150);
}

function momentsOfCounts(counts: Float64Array): Moments {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const mean = counts.reduce((sum, count, value) => sum + count * value, 0) / total;
  const variance = counts.reduce((sum, count, value) => sum + count * (value - mean) ** 2, 0) / total;
  const sums = new Float64Array(counts.length);
  counts.forEach((count, value) => {
    sums[value] = (value === 0 ? 0 : sums[value - 1]) + count;
  });
  const reached = (share: number): number => sums.findIndex((sum) => sum >= Math.max(1, share * total)) / 255;
  return {
    min: reached(0),
    max: counts.findLastIndex((count) => count > 0) / 255,
    mean: mean / 255,
    std: Math.sqrt(variance) / 255,
    q01: reached(quantiles.q01),
    q10: reached(quantiles.q10),
    q50: reached(quantiles.q50),
    q90: reached(quantiles.q90),
    q99: reached(quantiles.q99),
  };
}

/** Statistics of the first `rows` of frames uint8 [≥ rows, H, W, 3] per channel, in 0 … 1. */
export function pictureStats({ data, shape }: NdArray, rows: number): FeatureStats {
  const [, height, width, channels] = shape;
  const frames = sampledFrames(rows);
  const stride = pixelStride(height, width);
  const counts = Array.from({ length: channels }, () => new Float64Array(256));
  for (const frame of frames) {
    for (let y = 0; y < height; y += stride) {
      for (let x = 0; x < width; x += stride) {
        const at = ((frame * height + y) * width + x) * channels;
        for (let c = 0; c < channels; c++) counts[c][Number(data[at + c])]++;
      }
    }
  }
  return joined(counts.map(momentsOfCounts), frames.length);
}

function joinTwo(a: FeatureStats, b: FeatureStats): FeatureStats {
  const [n, m] = [a.count[0], b.count[0]];
  const zip = (name: StatName, f: (x: number, y: number, i: number) => number): number[] =>
    a[name].map((x, i) => f(x, b[name][i], i));
  const mean = zip("mean", (x, y) => (x * n + y * m) / (n + m));
  const spread = (std: number, shift: number): number => std ** 2 + shift ** 2;
  const std = zip("std", (x, y, i) =>
    Math.sqrt((spread(x, a.mean[i] - mean[i]) * n + spread(y, b.mean[i] - mean[i]) * m) / (n + m)),
  );
  const low = (name: StatName): number[] => zip(name, (x, y) => Math.min(x, y));
  const high = (name: StatName): number[] => zip(name, (x, y) => Math.max(x, y));
  return {
    min: low("min"),
    max: high("max"),
    mean,
    std,
    count: [n + m],
    q01: low("q01"),
    q10: low("q10"),
    q50: low("q50"),
    q90: high("q90"),
    q99: high("q99"),
  };
}

/**
 * Statistics over both; a feature that only one knows keeps its own.
 *
 * Joined quantiles are the outermost of both (the lower of those up to the median, the higher of the others): bounds,
 * not quantiles of the whole, which cannot be had from quantiles of the parts.
 * @source huggingface/lerobot 7427f31, compute_stats.py aggregate_feature_stats
 */
export function joinStats(a: DatasetStats, b: DatasetStats): DatasetStats {
  const out: Record<string, FeatureStats> = { ...a };
  for (const [key, stats] of Object.entries(b)) out[key] = key in a ? joinTwo(a[key], stats) : stats;
  return out;
}
