/** @file Statistics of few runs as the field reports them: interquartile mean, stratified bootstrap, probability of improvement. */

import { Rng } from "../../core/rng.ts";

/** A number with its 95 % interval. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Scores by task (stratum), then by run. */
export type Strata = readonly (readonly number[])[];

/** Arithmetic mean; NaN of nothing. */
export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The middle value, or the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  return quantileOf(values, 0.5);
}

/** Linear interpolation between order statistics, as NumPy's `quantile` does by default. */
export function quantileOf(values: ArrayLike<number>, q: number): number {
  const sorted = Float64Array.from(values).sort();
  const at = q * (sorted.length - 1);
  const [below, above] = [Math.floor(at), Math.ceil(at)];
  return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
}

/** Standard error of the mean; 0 of a single value. */
export function standardErrorOf(values: readonly number[]): number {
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return Math.sqrt(squares / Math.max(1, values.length - 1) / values.length);
}

/**
 * Mean of the middle half: a quarter of the values, rounded down, is left out at either end. Of fewer than four values
 * it is the plain mean.
 * @source rliable `metrics.aggregate_iqm`, which is SciPy's `trim_mean(scores, 0.25)`
 */
export function iqmOf(values: readonly number[]): number {
  const cut = Math.floor(values.length / 4);
  const sorted = [...values].sort((a, b) => a - b);
  return meanOf(sorted.slice(cut, sorted.length - cut));
}

/** Mean shortfall below `target`; what exceeds it does not make up for it. @source rliable `metrics.aggregate_optimality_gap` */
export function optimalityGapOf(values: readonly number[], target = 1): number {
  return target - meanOf(values.map((value) => Math.min(value, target)));
}

/** Chance that a value of `x` exceeds one of `y`; ties count half. */
function chanceAbove(x: readonly number[], y: readonly number[]): number {
  let wins = 0;
  for (const a of x) for (const b of y) wins += a > b ? 1 : a === b ? 0.5 : 0;
  return wins / (x.length * y.length);
}

/**
 * Probability that a run of X is better than a run of Y on a task, averaged over tasks.
 * @source rliable `metrics.probability_of_improvement` (the Mann-Whitney U statistic over the number of pairs)
 */
export function probabilityOfImprovement(x: Strata, y: Strata): number {
  return meanOf(x.map((task, i) => chanceAbove(task, y[i])));
}

/** How an interval is made. */
export interface BootstrapOptions {
  /** Resamples; 10 000 unless given. */
  readonly resamples?: number;
  readonly seed?: number;
  /** Share of the resampled statistics within the interval; 0.95 unless given. */
  readonly confidence?: number;
}

function resample(values: readonly number[], rng: Rng): number[] {
  return values.map(() => values[rng.integers(values.length)]);
}

function percentileInterval(value: number, statistics: Float64Array, confidence: number): Interval {
  const tail = (1 - confidence) / 2;
  return { value, low: quantileOf(statistics, tail), high: quantileOf(statistics, 1 - tail) };
}

/**
 * Percentile intervals of several statistics of one set of scores: runs are drawn with replacement within each task, and
 * all statistics are taken of the same draws.
 * @source rliable `library.get_interval_estimates` (Agarwal et al. 2021)
 */
export function stratifiedBootstrap<K extends string>(
  strata: Strata,
  statistics: Readonly<Record<K, (strata: Strata) => number>>,
  options: BootstrapOptions = {},
): Record<K, Interval> {
  const { resamples = 10_000, seed = 0, confidence = 0.95 } = options;
  const rng = Rng.fromSeed(seed);
  const names = Object.keys(statistics) as K[];
  const drawn = names.map(() => new Float64Array(resamples));
  for (let i = 0; i < resamples; i++) {
    const sample = strata.map((task) => resample(task, rng));
    names.forEach((name, k) => (drawn[k][i] = statistics[name](sample)));
  }
  const intervals = names.map((name, k) => [
    name,
    percentileInterval(statistics[name](strata), drawn[k], confidence),
  ]);
  return Object.fromEntries(intervals) as Record<K, Interval>;
}

/** Interval of a statistic of two sets whose runs are drawn independently. */
export function pairBootstrap(
  x: Strata,
  y: Strata,
  statistic: (x: Strata, y: Strata) => number,
  options: BootstrapOptions = {},
): Interval {
  const { resamples = 10_000, seed = 0, confidence = 0.95 } = options;
  const rng = Rng.fromSeed(seed);
  const drawn = new Float64Array(resamples);
  for (let i = 0; i < resamples; i++) {
    const left = x.map((task) => resample(task, rng));
    drawn[i] = statistic(
      left,
      y.map((task) => resample(task, rng)),
    );
  }
  return percentileInterval(statistic(x, y), drawn, confidence);
}

/** Share of scores above each threshold. @source rliable `library.create_performance_profile` (score distributions) */
export function performanceProfile(scores: readonly number[], thresholds: readonly number[]): number[] {
  return thresholds.map(
    (threshold) => scores.filter((score) => score > threshold).length / Math.max(1, scores.length),
  );
}
