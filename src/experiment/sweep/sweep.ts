/** @file Runs a sweep: one ordinary run per combination, one after another, resumable, compared at the end. */

import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { stringify } from "yaml";
import { ReverieError, fail } from "../../core/errors.ts";
import { writeAtomicallySync } from "../../core/storage.ts";
import type { Comparison } from "../compare/compare.ts";
import { entryName } from "../compare/compare-tables.ts";
import { compareFolders } from "../compare/comparing.ts";
import type { SpreadOptions } from "../machines/launch.ts";
import { defaultRunPath, readJson, readState } from "../records/run-dir.ts";
import type { RunOptions, RunResult } from "../runner.ts";
import { checkConfig, openRun, resumeExperiment, runExperiment } from "../runner.ts";
import type { SweepChild, SweepSpec } from "./sweep-plan.ts";
import { planSweep } from "./sweep-plan.ts";

/** `sweep.json`: what the sweep's folder holds, decided before the first run begins. The config is `base.yaml`. */
export interface SweepRecord {
  readonly version: 1;
  readonly sweep: SweepSpec;
  readonly children: readonly SweepChild[];
  /** Runs that ended in an error, by name; the others are done or still to do. */
  readonly failed: Readonly<Record<string, string>>;
}

/** A finished sweep. */
export interface SweepResult {
  /** Absolute folder of the sweep. */
  readonly path: string;
  /** Absolute folders of the runs that were finished. */
  readonly runs: readonly string[];
  readonly failed: Readonly<Record<string, string>>;
}

function recordPath(folder: string): string {
  return join(folder, "sweep.json");
}

/** The record of the sweep in `folder`; undefined when it is the folder of none. @throws CORRUPT_FILE */
export function readSweep(folder: string): SweepRecord | undefined {
  return readJson(recordPath(folder), "start the sweep again in another folder") as SweepRecord | undefined;
}

function writeSweep(folder: string, record: SweepRecord): void {
  writeAtomicallySync(recordPath(folder), `${JSON.stringify(record, null, 2)}\n`);
}

/** Folders of runs: a sweep's folder stands for its runs that were begun. */
export function expandSweeps(folders: readonly string[]): string[] {
  return folders.flatMap((folder) => {
    const children = readSweep(folder)?.children.map(({ name }) => join(folder, name));
    return children?.filter((path) => existsSync(join(path, "config.yaml"))) ?? [folder];
  });
}

/** Every combination is checked before the first one runs. */
async function checkChildren(
  config: string,
  overrides: readonly string[],
  children: readonly SweepChild[],
  options: RunOptions,
): Promise<void> {
  for (const child of children) {
    try {
      await checkConfig(config, [...overrides, ...child.overrides], options);
    } catch (error) {
      if (!(error instanceof ReverieError)) throw error;
      fail({ code: error.code, what: `run ${child.name} of the sweep: ${error.message}`, cause: error });
    }
  }
}

/** The runs of a file's sweep, each checked; none when it describes a single run. @throws INVALID_CONFIG naming the run */
export async function checkSweep(
  path: string,
  overrides: readonly string[] = [],
  options: RunOptions = {},
): Promise<SweepChild[]> {
  const { sweep, config } = await checkConfig(path, overrides, options);
  const children = sweep === undefined ? [] : planSweep(sweep, config.seed);
  await checkChildren(path, overrides, children, options);
  return children;
}

/** Is there a run or a sweep in the folder already? */
function requireFree(folder: string): void {
  if (!existsSync(recordPath(folder)) && !existsSync(join(folder, "config.yaml"))) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: `${folder} is taken`,
    expected: "a folder that is new or empty",
    fix: `continue it with \`reverie resume ${folder}\`, or choose another folder`,
  });
}

/**
 * Start what a config file describes: a run, or a sweep of runs in one folder.
 * @throws INVALID_CONFIG naming the run of a sweep whose config is wrong, before anything runs; and as `runExperiment`
 */
export async function runConfig(
  path: string,
  overrides: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult | SweepResult> {
  const all = options.seed === undefined ? overrides : [...overrides, `seed=${options.seed}`];
  const { sweep, config, source } = await checkConfig(path, all, options);
  if (sweep === undefined) return runExperiment(path, overrides, options);
  const children = await checkSweep(path, all, options);
  const named = { experiment: config.experiment, name: `${config.name}-sweep`, seed: config.seed };
  const folder = resolve(options.runDir ?? defaultRunPath(named));
  requireFree(folder);
  writeAtomicallySync(join(folder, "base.yaml"), stringify(source.values));
  writeSweep(folder, { version: 1, sweep, children, failed: {} });
  return goThrough(folder, options);
}

/** Go on with a run, or with a sweep: its finished runs are skipped, failed ones stay failed. @throws as `runConfig` */
export async function resumeConfig(
  folder: string,
  options: RunOptions = {},
): Promise<RunResult | SweepResult> {
  if (readSweep(folder) === undefined) return resumeExperiment(folder, options);
  return goThrough(resolve(folder), options);
}

async function isFinished(path: string, options: RunOptions): Promise<boolean> {
  const { experiment, config } = await openRun(path, options);
  const { stages } = readState(path);
  return experiment.stages(config).every(({ name }) => stages[name]?.status === "done");
}

async function runChild(folder: string, child: SweepChild, options: RunOptions): Promise<void> {
  const path = join(folder, child.name);
  if (!existsSync(join(path, "config.yaml"))) {
    await runExperiment(join(folder, "base.yaml"), child.overrides, { ...options, runDir: path });
  } else if (!(await isFinished(path, options))) {
    await resumeExperiment(path, options);
  }
}

/** Errors that end the sweep: they are not the combination's own. */
const stopping = new Set(["INTERRUPTED", "STORAGE_FULL", "RUN_BUSY"]);

async function goThrough(folder: string, options: RunOptions): Promise<SweepResult> {
  const output = options.output ?? process.stdout;
  const record = readSweep(folder) as SweepRecord;
  output.write(`sweep folder: ${folder} (${record.children.length} runs)\n`);
  // The seed is in base.yaml already, or the sweep's own.
  const { seed: _seed, ...own } = options;
  const { workers } = options;
  const after =
    workers === undefined
      ? await oneByOne(folder, record, own)
      : await spread(folder, record, { ...own, workers });
  return finish(folder, after, options);
}

function withFailed(folder: string, record: SweepRecord, name: string, message: string): SweepRecord {
  const changed = { ...record, failed: { ...record.failed, [name]: message } };
  writeSweep(folder, changed);
  return changed;
}

/** All runs that are still to do, on other machines. */
async function spread(folder: string, record: SweepRecord, options: SpreadOptions): Promise<SweepRecord> {
  const { spreadRuns } = await import("../machines/launch.ts");
  let present = record;
  const todo: string[] = [];
  for (const { name } of record.children) {
    const path = join(folder, name);
    const begun = existsSync(join(path, "config.yaml"));
    if (!(name in record.failed) && !(begun && (await isFinished(path, options)))) todo.push(name);
  }
  const onFailed = (name: string, message: string): void => {
    present = withFailed(folder, present, name, message);
  };
  await spreadRuns({ folder, children: record.children, todo, onFailed }, options);
  return present;
}

async function oneByOne(folder: string, begun: SweepRecord, own: RunOptions): Promise<SweepRecord> {
  const output = own.output ?? process.stdout;
  let record = begun;
  for (const [i, child] of record.children.entries()) {
    if (child.name in record.failed) continue;
    output.write(`\n=== run ${i + 1} of ${record.children.length}: ${child.name}\n`);
    try {
      await runChild(folder, child, own);
    } catch (error) {
      const known = error instanceof ReverieError && !stopping.has(error.code);
      if (!known) throw sweepError(error, folder);
      record = withFailed(folder, record, child.name, error.message);
      output.write(`failed: ${error.message}\n`);
    }
  }
  return record;
}

/** What stops one run stops the sweep; it goes on from its own folder. */
function sweepError(error: unknown, folder: string): unknown {
  if (!(error instanceof ReverieError) || error.code !== "INTERRUPTED") return error;
  return new ReverieError({
    code: "INTERRUPTED",
    what: "the sweep was stopped",
    fix: `continue with \`reverie resume ${folder}\``,
    cause: error,
  });
}

async function finish(folder: string, record: SweepRecord, options: RunOptions): Promise<SweepResult> {
  const { output, experiments } = options;
  const done = record.children.filter(({ name }) => !(name in record.failed));
  const runs = done.map(({ name }) => join(folder, name));
  if (runs.length === 0) {
    const [[name, message]] = Object.entries(record.failed);
    fail({ code: "INVALID_CONFIG", what: `every run of the sweep failed; ${name}: ${message}` });
  }
  const { metric, goal } = record.sweep;
  const html = join(folder, "comparison.html");
  (output ?? process.stdout).write("\n");
  const comparison = await compareFolders(runs, {
    experiments,
    output,
    metric,
    goal,
    html,
    title: `Sweep: ${basename(folder)}`,
  });
  for (const line of bestLines(comparison)) (output ?? process.stdout).write(`${line}\n`);
  return { path: folder, runs, failed: record.failed };
}

/** The combination that did best on each task, by the mean over its seeds. */
function bestLines({ tasks, entries, goal, groups }: Comparison): string[] {
  const sign = goal === "max" ? 1 : -1;
  return tasks.flatMap((task) => {
    const own = entries.filter((entry) => entry.task === task && entry.role === "emphasis");
    const best = own.toSorted((a, b) => sign * (b.mean.value - a.mean.value)).at(0);
    return best === undefined ? [] : [`best: ${entryName(best, groups.length)} (${task})`];
  });
}
