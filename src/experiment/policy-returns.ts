/** @file What policies of different skill earn in a dream and in reality, and how far the one tells the other: the record and its statistics. */

import { Rng } from "../core/rng.ts";
import { meanOf, quantileOf, type Interval } from "./report/statistics.ts";
import type { Estimate } from "./report/table.ts";

/** One policy over the same starts on both sides. */
export interface PolicyReturns {
  readonly policy: string;
  /** Worlds that the starts lie in. */
  readonly split: "validation" | "test";
  /** Return after so many steps, by their number. */
  readonly imagined: Readonly<Record<number, Estimate>>;
  readonly real: Readonly<Record<number, Estimate>>;
  /** Return from the start to the end of the real episode; absent unless asked for. */
  readonly wholeEpisode?: Estimate;
  /** Share that had ended by the furthest horizon. */
  readonly imaginedEnds: number;
  readonly realEnds: number;
}

/** Settings of such a study. */
export interface ReturnsOptions {
  /** Seed of the run whose model and policies are looked at; its first one unless given. */
  readonly seed?: number;
  readonly starts: number;
  /** Steps at which returns are compared, the furthest of them the length of a dream. */
  readonly horizons: readonly number[];
  readonly splits: readonly PolicyReturns["split"][];
  /** Drive the real episodes to their end too. */
  readonly wholeEpisodes?: boolean;
  readonly log?: (line: string) => void;
}

/** How far imagined returns tell real ones, over policies. */
export interface Correlation {
  readonly policies: number;
  readonly pearson: Interval;
  readonly spearman: Interval;
  /** Mean over policies of imagined minus real. */
  readonly bias: number;
  /** Mean over policies of |imagined − real|. */
  readonly error: number;
  /** Share of all pairs of policies that the dream puts in the other order than reality, ties out. */
  readonly wrongPairs: number;
}

/** Pearson's product-moment correlation; NaN where one side does not vary. */
export function pearsonOf(x: readonly number[], y: readonly number[]): number {
  const [meanX, meanY] = [meanOf(x), meanOf(y)];
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    xy += (x[i] - meanX) * (y[i] - meanY);
    xx += (x[i] - meanX) ** 2;
    yy += (y[i] - meanY) ** 2;
  }
  return xx === 0 || yy === 0 ? NaN : xy / Math.sqrt(xx * yy);
}

/** Places in rising order from 1; equal values share the mean of theirs. */
function ranksOf(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const ranks = new Array<number>(values.length);
  for (let from = 0; from < order.length;) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let k = from; k < to; k++) ranks[order[k]] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}

/** Spearman's correlation of ranks. */
export function spearmanOf(x: readonly number[], y: readonly number[]): number {
  return pearsonOf(ranksOf(x), ranksOf(y));
}

/**
 * Correlations over policies, with 95 % percentile intervals from drawing policies with replacement (draws in which one
 * side does not vary are left out).
 */
export function correlationOf(
  imagined: readonly number[],
  real: readonly number[],
  { resamples = 2000, seed = 0 }: { resamples?: number; seed?: number } = {},
): Correlation {
  const rng = Rng.fromSeed(seed);
  const drawn: { pearson: number[]; spearman: number[] } = { pearson: [], spearman: [] };
  for (let k = 0; k < resamples; k++) {
    const chosen = imagined.map(() => rng.integers(imagined.length));
    const [x, y] = [chosen.map((i) => imagined[i]), chosen.map((i) => real[i])];
    const pearson = pearsonOf(x, y);
    if (Number.isNaN(pearson)) continue;
    drawn.pearson.push(pearson);
    drawn.spearman.push(spearmanOf(x, y));
  }
  const interval = (value: number, values: readonly number[]): Interval =>
    values.length === 0
      ? { value, low: NaN, high: NaN }
      : { value, low: quantileOf(values, 0.025), high: quantileOf(values, 0.975) };
  const differences = imagined.map((value, i) => value - real[i]);
  return {
    policies: imagined.length,
    pearson: interval(pearsonOf(imagined, real), drawn.pearson),
    spearman: interval(spearmanOf(imagined, real), drawn.spearman),
    bias: meanOf(differences),
    error: meanOf(differences.map(Math.abs)),
    wrongPairs: wrongPairsOf(imagined, real),
  };
}

function wrongPairsOf(imagined: readonly number[], real: readonly number[]): number {
  let [wrong, all] = [0, 0];
  for (let i = 0; i < real.length; i++) {
    for (let j = 0; j < i; j++) {
      const order = (imagined[i] - imagined[j]) * (real[i] - real[j]);
      if (order === 0) continue;
      all++;
      if (order < 0) wrong++;
    }
  }
  return all === 0 ? NaN : wrong / all;
}
