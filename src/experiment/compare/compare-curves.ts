/** @file Curves of several runs on common axes: one per config, its seeds joined to an interquartile mean with its interval. */

import { Rng } from "../../core/rng.ts";
import type { Comparison } from "./compare.ts";
import type { PlotData, Series } from "../report/report-series.ts";
import { plotsOf, smooth, stageOf } from "../report/report-series.ts";
import { iqmOf, quantileOf } from "../report/statistics.ts";

/** A curve of one seed. */
type Curve = Pick<Series, "x" | "y">;

const gridPoints = 120;
const resamples = 200;

/** Value of a curve at `x`, by linear interpolation; `x` lies within the curve. */
function valueAt({ x: steps, y }: Curve, x: number): number {
  let [low, high] = [0, steps.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (steps[middle] <= x) low = middle;
    else high = middle;
  }
  const width = steps[high] - steps[low];
  const share = width === 0 ? 0 : (x - steps[low]) / width;
  return y[low] + share * (y[high] - y[low]);
}

/** Steps that all curves reach: those of the shortest, thinned to a number that can be drawn. */
function gridOf(curves: readonly Curve[]): number[] {
  const from = Math.max(...curves.map(({ x }) => x[0]));
  const to = Math.min(...curves.map(({ x }) => x[x.length - 1]));
  const shortest = curves.reduce((a, b) => (b.x[b.x.length - 1] < a.x[a.x.length - 1] ? b : a));
  const steps = shortest.x.filter((step) => step >= from && step <= to);
  const stride = Math.max(1, Math.ceil(steps.length / gridPoints));
  return steps.filter((_, i) => i % stride === 0 || i === steps.length - 1);
}

/**
 * Several seeds of one curve as one: the interquartile mean of the smoothed curves at each step, and its pointwise 95 %
 * bootstrap interval over seeds. A single seed is left as it is.
 */
export function joinSeeds(label: string, curves: readonly Curve[]): Series {
  if (curves.length === 1) return { label, ...curves[0] };
  const grid = gridOf(curves);
  const calm = curves.map(({ x, y }) => ({ x, y: smooth(y, Math.max(1, y.length / 50)) }));
  const columns = grid.map((step) => calm.map((curve) => valueAt(curve, step)));
  const rng = Rng.fromSeed(0);
  const draws = Array.from({ length: resamples }, () => curves.map(() => rng.integers(curves.length)));
  const bounds = columns.map((values) => {
    const drawn = draws.map((indices) => iqmOf(indices.map((i) => values[i])));
    return [quantileOf(drawn, 0.025), quantileOf(drawn, 0.975)];
  });
  return {
    label,
    x: grid,
    y: columns.map(iqmOf),
    band: { low: bounds.map(([low]) => low), high: bounds.map(([, high]) => high) },
  };
}

interface Gathered {
  readonly stage: string;
  readonly title: string;
  readonly unit: string;
  /** By group and label: one curve per seed. */
  readonly curves: Map<string, { label: string; group: number; seeds: Curve[] }>;
}

function gather(sources: Comparison["sources"]): Gathered[] {
  const plots = new Map<string, Gathered>();
  sources.forEach(({ taken }, index) => {
    for (const { run, seed } of taken) {
      const own = run.lines.filter(({ stage }) => {
        const named = stageOf(stage, run.seeds);
        return named.number === undefined ? run.seeds[0] === seed : named.number === seed;
      });
      for (const plot of plotsOf(own, [seed])) addPlot(plots, plot, index);
    }
  });
  return [...plots.values()];
}

function addPlot(
  plots: Map<string, Gathered>,
  { stage, title, unit, series }: PlotData,
  group: number,
): void {
  const key = `${stage}\n${title}`;
  const plot = plots.get(key) ?? { stage, title, unit, curves: new Map() };
  plots.set(key, plot);
  for (const { label, x, y } of series) {
    const name = `${group}\n${label}`;
    const curve = plot.curves.get(name) ?? { label, group, seeds: [] };
    plot.curves.set(name, curve);
    curve.seeds.push({ x, y });
  }
}

/** One plot per metric, in the order in which the runs logged them, of the seeds that the comparison counts. */
export function comparisonPlots(sources: Comparison["sources"]): PlotData[] {
  const groups = sources.map(({ group }) => group);
  return gather(sources).map(({ stage, title, unit, curves }) => {
    const labels = new Set([...curves.values()].map(({ label }) => label));
    const series = [...curves.values()].map(({ label, group, seeds }) => {
      const own = labels.size > 1 || groups.length === 1 ? label : "";
      const name = groups.length === 1 ? own : `${groups[group].label} ${own}`.trim();
      return joinSeeds(name, seeds);
    });
    return { stage, title, unit, series };
  });
}
