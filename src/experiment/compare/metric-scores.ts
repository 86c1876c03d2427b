/** @file Last values of a logged metric as scores, for runs whose experiment judges nothing, or to compare something else. */

import { fail, nearestName } from "../../core/errors.ts";
import type { ComparedRun } from "./compare-groups.ts";
import type { MetricLine } from "../records/metrics.ts";
import { stageOf } from "../report/report-series.ts";
import type { ScoreSet } from "../scores.ts";

const notMetrics = new Set(["stage", "step", "time"]);

/** `stage/metric` of a line's every metric, the stage without its seed. */
function namesOf(line: MetricLine, seeds: readonly number[]): string[] {
  const { base } = stageOf(line.stage, seeds);
  return Object.keys(line)
    .filter((key) => !notMetrics.has(key))
    .map((key) => `${base}/${key}`);
}

/** Every metric of the runs, as `stage/metric`. */
export function metricNames(runs: readonly ComparedRun[]): string[] {
  return [...new Set(runs.flatMap(({ lines, seeds }) => lines.flatMap((line) => namesOf(line, seeds))))];
}

function lastValue(run: ComparedRun, metric: string, seed: number): number | undefined {
  const slash = metric.indexOf("/");
  const [stage, key] = [metric.slice(0, slash), metric.slice(slash + 1)];
  const own = run.lines.filter((line) => {
    const place = stageOf(line.stage, run.seeds);
    return place.base === stage && (place.number ?? run.seeds[0]) === seed && key in line;
  });
  return own.at(-1)?.[key] as number | undefined;
}

/**
 * The last value of `metric` (`stage/metric`) of every seed of a run.
 * @throws UNKNOWN_NAME with the nearest metric when no run has logged it
 */
export function withMetricScores(runs: readonly ComparedRun[], metric: string): ComparedRun[] {
  const known = metricNames(runs);
  if (!known.includes(metric)) {
    const near = nearestName(metric, known);
    fail({
      code: "UNKNOWN_NAME",
      what: `no run has logged the metric "${metric}"`,
      expected: `stage/metric, one of ${known.join(", ")}`,
      fix: near === undefined ? "name one of these" : `did you mean "${near}"?`,
    });
  }
  return runs.map((run) => {
    const scores = run.seeds.flatMap((seed): ScoreSet[] => {
      const value = lastValue(run, metric, seed);
      if (value === undefined) return [];
      const task = `${metric}, last value`;
      return [{ task, method: metric, label: metric, seed, scores: [value], role: "emphasis" }];
    });
    return { ...run, scores };
  });
}
