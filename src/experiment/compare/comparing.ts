/** @file From run folders to a comparison, in the terminal and on a page: the function behind `reverie compare`. */

import { join } from "node:path";
import { writeAtomicallySync } from "../../core/storage.ts";
import type { CompareOptions, Comparison } from "./compare.ts";
import { compareRuns } from "./compare.ts";
import type { ComparedRun } from "./compare-groups.ts";
import { comparisonHtml } from "./compare-report.ts";
import { comparisonTables } from "./compare-tables.ts";
import { metricNames, withMetricScores } from "./metric-scores.ts";
import { readMetrics } from "../records/metrics.ts";
import type { Output } from "../progress.ts";
import { readSessions, readState } from "../records/run-dir.ts";
import type { RunOptions } from "../runner.ts";
import { openRun } from "../runner.ts";
import { tableText } from "../report/table.ts";
import { fail } from "../../core/errors.ts";

/** Options of `reverie compare`. */
export interface ComparingOptions extends CompareOptions, Pick<RunOptions, "experiments"> {
  /** `stage/metric` whose last value is compared instead of the experiment's scores. */
  readonly metric?: string;
  readonly title?: string;
  /** File of the page; none is written unless given. */
  readonly html?: string;
  /** File for the numbers as JSON; none is written unless given. */
  readonly json?: string;
  readonly output?: Output;
}

async function readRun(folder: string, options: ComparingOptions): Promise<ComparedRun> {
  const { path, experiment, config } = await openRun(folder, options);
  const { seed, seeds = 1 } = config as typeof config & { readonly seeds?: number };
  const stages = readState(path).stages;
  return {
    path,
    config,
    sessions: readSessions(path),
    seeds: Array.from({ length: seeds }, (_, k) => seed + k),
    scores: experiment.scores?.(config, path) ?? [],
    lines: readMetrics(join(path, "metrics.jsonl")),
    finished: experiment.stages(config).every(({ name }) => stages[name]?.status === "done"),
  };
}

function scored(runs: readonly ComparedRun[], metric: string | undefined): readonly ComparedRun[] {
  if (metric !== undefined) return withMetricScores(runs, metric);
  if (runs.some(({ scores }) => scores.length > 0)) return runs;
  return fail({
    code: "INVALID_ARGUMENT",
    what: "these runs have no scores to compare",
    expected: "a finished run of an experiment that judges, or --metric stage/metric",
    got: `metrics: ${metricNames(runs).join(", ") || "none"}`,
    fix: "name a metric with --metric",
  });
}

/** Numbers of a comparison without the runs behind them. */
function comparisonJson({ tasks, entries, versus, aggregates, notes }: Comparison): string {
  const plain = {
    tasks,
    entries: entries.map(({ group, sets, ...entry }) => ({
      ...entry,
      group: group.label,
      seeds: sets.map(({ seed }) => seed),
    })),
    versus: versus.map(({ baseline, others }) => ({
      task: baseline.task,
      baseline: `${baseline.method} · ${baseline.group.label}`,
      others: others.map(({ entry, ...rest }) => ({
        method: entry.method,
        group: entry.group.label,
        ...rest,
      })),
    })),
    aggregates: aggregates.map(({ group, ...rest }) => ({ group: group.label, ...rest })),
    notes,
  };
  return `${JSON.stringify(plain, null, 2)}\n`;
}

/**
 * Compare the runs in `folders`, print the tables and write the page.
 * @throws INVALID_ARGUMENT, UNKNOWN_NAME, INVALID_CONFIG, CORRUPT_FILE, STORAGE_FULL
 */
export async function compareFolders(
  folders: readonly string[],
  options: ComparingOptions = {},
): Promise<Comparison> {
  const output = options.output ?? process.stdout;
  const runs: ComparedRun[] = [];
  for (const folder of folders) runs.push(await readRun(folder, options));
  const comparison = compareRuns(scored(runs, options.metric), options);
  for (const table of comparisonTables(comparison)) output.write(`${tableText(table)}\n\n`);
  if (options.json !== undefined) writeAtomicallySync(options.json, comparisonJson(comparison));
  if (options.html !== undefined) {
    const names = [...new Set(runs.map(({ config }) => config.name))];
    const title =
      options.title ?? `Comparison: ${names.slice(0, 3).join(", ")}${names.length > 3 ? ", …" : ""}`;
    writeAtomicallySync(options.html, comparisonHtml(title, comparison));
    output.write(`page: ${options.html}\n`);
  }
  return comparison;
}
