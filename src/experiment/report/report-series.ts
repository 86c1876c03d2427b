/** @file Turns metric lines into the curves of a report: which metrics share a plot, how they are smoothed, thinned and named. */

import type { MetricLine } from "../records/metrics.ts";

/** One curve; `x` are steps. */
export interface Series {
  readonly label: string;
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** Interval around `y`, as long as it; such a curve is drawn as it is, without smoothing. */
  readonly band?: { readonly low: readonly number[]; readonly high: readonly number[] };
}

/** Curves that share axes. */
export interface PlotData {
  /** Name of the horizontal axis; `step` unless given. */
  readonly across?: string;
  readonly stage: string;
  readonly title: string;
  /** As in `m/s`; empty when the name tells none. */
  readonly unit: string;
  readonly series: readonly Series[];
}

const units: readonly (readonly [RegExp, string])[] = [
  [/Mps2$/, "m/s²"],
  [/Mps$/, "m/s"],
  [/Rad$/, "rad"],
  [/Hz$/, "Hz"],
  [/Ms$/, "ms"],
  [/(?:Seconds|_s)$/, "s"],
  [/Minutes$/, "min"],
  [/(?:Db|DB)$/, "dB"],
  [/Meters$/, "m"],
  [/(?:Fraction|Share|Rate|Probability|_rate)$/, ""],
];

/** Unit that a metric's name ends in, by the house's naming: `speedMps` is in m/s. */
export function unitOf(name: string): string {
  return units.find(([suffix]) => suffix.test(name))?.[1] ?? "";
}

interface Place {
  /** Metrics of one stage with the same subject share a plot. */
  readonly subject: string;
  readonly label: string;
}

/**
 * `real/return` and `imagined/return` share the plot "return"; so do `psnrDb@1` and `psnrDb@15`. Metrics without a
 * group stand alone unless a group shares their name.
 */
function placeOf(metric: string): Place {
  const slash = metric.lastIndexOf("/");
  const name = metric.slice(slash + 1);
  const at = name.indexOf("@");
  const group = slash < 0 ? "" : metric.slice(0, slash);
  if (at < 0) return { subject: name, label: group };
  return { subject: name.slice(0, at), label: `${group === "" ? "" : `${group} `}${name.slice(at)}` };
}

/**
 * `policy-3` and `policy-3-round1` of the seeds 3 and 4 are the stages `policy` and `policy-round1`, whose curves of
 * several seeds share a plot. Other numbers in a stage's name are left alone.
 */
export function stageOf(
  stage: string,
  seeds: readonly number[],
): { readonly base: string; readonly seed: string; readonly number?: number } {
  const match = /^(.+?)-(\d+)(-.+)?$/.exec(stage);
  const number = Number(match?.[2]);
  if (match === null || !seeds.includes(number)) return { base: stage, seed: "" };
  return { base: match[1] + (match[3] ?? ""), seed: seeds.length > 1 ? `seed ${number}` : "", number };
}

interface Gathered {
  readonly stage: string;
  readonly subject: string;
  readonly series: Map<string, { x: number[]; y: number[] }>;
}

/**
 * All curves of a run, in the order in which stages and metrics first appeared.
 * @param seeds seeds of the run's repetitions; stages named after them are drawn together
 */
export function plotsOf(lines: readonly MetricLine[], seeds: readonly number[] = []): PlotData[] {
  const plots = new Map<string, Gathered>();
  for (const { stage, step, time: _time, ...values } of lines) {
    const { base, seed } = stageOf(stage, seeds);
    for (const [metric, value] of Object.entries(values)) {
      if (typeof value !== "number") continue;
      const { subject, label } = placeOf(metric);
      const key = `${base}\n${subject}`;
      const plot = plots.get(key) ?? { stage: base, subject, series: new Map() };
      plots.set(key, plot);
      const name = `${seed} ${label}`.trim();
      const series = plot.series.get(name) ?? { x: [], y: [] };
      plot.series.set(name, series);
      series.x.push(step);
      series.y.push(value);
    }
  }
  return [...plots.values()].map(({ stage, subject, series }) => ({
    stage,
    title: titleOf(subject, [...series.keys()]),
    unit: unitOf(subject),
    series: [...series].map(([label, { x, y }]) => ({ label: label === "" ? stage : label, x, y })),
  }));
}

function titleOf(subject: string, labels: readonly string[]): string {
  const [only] = labels;
  return labels.length === 1 && only !== "" && !/@|^seed /.test(only) ? `${only}/${subject}` : subject;
}

/**
 * Exponential moving average taken from both sides, so that the curve neither lags nor starts with a bias.
 * @param span number of samples over which each side averages; 1 leaves the curve as it is
 */
export function smooth(values: readonly number[], span: number): number[] {
  const keep = 1 - 1 / Math.max(1, span);
  const oneSided = (list: readonly number[]): { sum: number; weight: number }[] => {
    let [sum, weight] = [0, 0];
    return list.map((value) => {
      sum = keep * sum + value;
      weight = keep * weight + 1;
      return { sum, weight };
    });
  };
  const past = oneSided(values);
  const future = oneSided([...values].reverse()).reverse();
  return values.map(
    (value, i) => (past[i].sum + future[i].sum - value) / (past[i].weight + future[i].weight - 1),
  );
}

/** Thin a curve to about `limit` points, keeping the lowest and highest of every bucket. */
export function thin({ label, x, y }: Series, limit: number): Series {
  if (x.length <= limit) return { label, x, y };
  const keep: number[] = [0];
  const buckets = Math.floor(limit / 2);
  for (let bucket = 0; bucket < buckets; bucket++) {
    const start = Math.floor((bucket * x.length) / buckets);
    const end = Math.floor(((bucket + 1) * x.length) / buckets);
    let [low, high] = [start, start];
    for (let i = start; i < end; i++) {
      if (y[i] < y[low]) low = i;
      if (y[i] > y[high]) high = i;
    }
    keep.push(Math.min(low, high), Math.max(low, high));
  }
  const indices = [...new Set([...keep, x.length - 1])];
  return { label, x: indices.map((i) => x[i]), y: indices.map((i) => y[i]) };
}
