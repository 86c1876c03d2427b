/** @file From a config file, or from a run's folder, to a finished run: the functions behind `reverie run`, `resume` and `evaluate`. */

import { join, resolve } from "node:path";
import { ReverieError, fail, nearestName } from "../core/errors.ts";
import type { ConfigSource } from "./config/config-source.ts";
import { requireRead, watchReads } from "./config/config-reads.ts";
import type { RunFields } from "./config/config-schema.ts";
import { parseConfig, withName } from "./config/config.ts";
import { kindOf, readConfig } from "./config/config-source.ts";
import { digestOf, resultParts } from "./records/digest.ts";
import type { EvaluateOptions, Experiment, Experiments } from "./experiment.ts";
import { isStorageFull } from "../core/storage.ts";
import type { Workers } from "./machines/open-hub.ts";
import type { MetricLine } from "./records/metrics.ts";
import { openMetrics } from "./records/metrics.ts";
import { mlflowSettings, openMlflow } from "./records/mlflow.ts";
import type { PlayWorld } from "./play/play.ts";
import type { Output } from "./progress.ts";
import { openProgress } from "./progress.ts";
import type { RunDir } from "./records/run-dir.ts";
import { createRunDir, openRunDir, readState, readTables, requireRun } from "./records/run-dir.ts";
import { writeReport } from "./report/report.ts";
import type { Stage } from "./stages.ts";
import type { SweepSpec } from "./sweep/sweep-plan.ts";
import { takeSweep } from "./sweep/sweep-plan.ts";
import { runStages } from "./stages.ts";
import type { ResultTable } from "./report/table.ts";
import { tableText } from "./report/table.ts";
import type { WatchWorld } from "./play/watch.ts";

/** Options of every run. */
export interface RunOptions {
  /** Folder of a new run; `runs/<name>-<seed>-<timestamp>` unless given. */
  readonly runDir?: string;
  /** Same as the override `seed=N`. */
  readonly seed?: number;
  readonly output?: Output;
  /** Called with the absolute folder once a run has it, before its first stage. */
  readonly onStart?: (path: string) => void;
  readonly signal?: AbortSignal;
  /** False leaves SIGINT and SIGTERM to the caller. */
  readonly handleSignals?: boolean;
  /** Fail at the end when no stage has read some field of the config; a new run only. */
  readonly checkReads?: boolean;
  /** What is run instead of the registry's experiments. */
  readonly experiments?: Experiments;
  /** Where machines share the work: a sweep's runs, a run's actors. Nobody shares it unless given. */
  readonly workers?: Workers;
}

/** A finished run. */
export interface RunResult {
  /** Absolute path of the folder. */
  readonly path: string;
  readonly tables: readonly ResultTable[];
}

/** The experiments that the options name, or the registry's. */
export async function allExperiments(options: Pick<RunOptions, "experiments">): Promise<Experiments> {
  return options.experiments ?? (await import("./registry.ts")).experiments;
}

/** The experiment that a config names. @throws INVALID_CONFIG, UNKNOWN_NAME */
async function experimentOf(
  source: ConfigSource,
  options: Pick<RunOptions, "experiments">,
): Promise<Experiment> {
  const experiments = await allExperiments(options);
  const name = source.values.experiment;
  if (typeof name !== "string") {
    fail({
      code: "INVALID_CONFIG",
      what: `${source.locate(["experiment"])}: "experiment" names what to run`,
      expected: `one of ${Object.keys(experiments).join(", ")}`,
      got: kindOf(name),
      fix: "set experiment",
    });
  }
  if (!Object.hasOwn(experiments, name)) {
    const known = Object.keys(experiments);
    const near = nearestName(name, known);
    fail({
      code: "UNKNOWN_NAME",
      what: `${source.locate(["experiment"])}: unknown experiment "${name}"`,
      expected: `one of ${known.join(", ")}`,
      fix: near === undefined ? "use one of these" : `did you mean "${near}"?`,
    });
  }
  return experiments[name];
}

/** A config file, checked. */
export interface CheckedConfig {
  readonly experiment: Experiment;
  /** Complete, defaults filled in. */
  readonly config: RunFields;
  /** Its `sweep:`, which is no part of the config of a run. */
  readonly sweep: SweepSpec | undefined;
  /** The values as written, without `sweep`, and where they were. */
  readonly source: ConfigSource;
}

/** Read and check a config file without running anything. @throws INVALID_CONFIG, UNKNOWN_NAME, IO_FAILED */
export async function checkConfig(
  path: string,
  overrides: readonly string[] = [],
  options: Pick<RunOptions, "experiments"> = {},
): Promise<CheckedConfig> {
  const { source, sweep } = takeSweep(withName(readConfig(path, overrides), path));
  const experiment = await experimentOf(source, options);
  return { experiment, config: parseConfig(experiment.schema, source), sweep, source };
}

async function loadRun(
  path: string,
  overrides: readonly string[],
  options: RunOptions,
): Promise<{ experiment: Experiment; config: RunFields }> {
  const { experiment, config, sweep, source } = await checkConfig(path, overrides, options);
  if (sweep === undefined) return { experiment, config };
  return fail({
    code: "INVALID_ARGUMENT",
    what: `${source.locate(["sweep"])}: this file describes a sweep, not one run`,
    expected: "a config without sweep",
    fix: "start it with `reverie run` or runConfig",
  });
}

/** A run's folder read back: its experiment and its config as the schema sees it now. @throws INVALID_ARGUMENT, INVALID_CONFIG */
export async function openRun(
  path: string,
  options: RunOptions = {},
): Promise<{ readonly path: string; readonly experiment: Experiment; readonly config: RunFields }> {
  requireRun(path);
  return { path: resolve(path), ...(await loadRun(join(path, "config.yaml"), [], options)) };
}

/** @throws NOT_SUPPORTED when there is nothing in a single run that workers could do */
function requireSharable(experiment: Experiment, config: RunFields, { workers }: RunOptions): void {
  if (workers === undefined || experiment.act !== undefined) return;
  fail({
    code: "NOT_SUPPORTED",
    what: `a run of experiment "${config.experiment}" is not shared among machines`,
    expected: "a sweep, whose runs go to workers, or an experiment with actors",
    fix: "leave --workers out, or add seeds to vary: sweep: { seeds: [0, 1, 2] }",
  });
}

/**
 * Start a new run.
 * @param configPath YAML file; a run's own `config.yaml` repeats that run
 * @throws INVALID_CONFIG, UNKNOWN_NAME, INTERRUPTED, STORAGE_FULL, and what the stages throw
 */
export async function runExperiment(
  configPath: string,
  overrides: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const seeded = options.seed === undefined ? overrides : [...overrides, `seed=${options.seed}`];
  const { experiment, config } = await loadRun(configPath, seeded, options);
  requireSharable(experiment, config, options);
  return work(createRunDir(config, options.runDir), options, async (runDir) => {
    if (options.checkReads !== true) return goThrough(experiment, config, runDir, options);
    const watched = watchReads(config, experiment.schema);
    await goThrough(experiment, watched.config, runDir, options);
    requireRead(watched);
  });
}

/** Go on with a run from its folder alone; stages already done are skipped. @throws like `runExperiment` */
export async function resumeExperiment(path: string, options: RunOptions = {}): Promise<RunResult> {
  requireRun(path);
  const { experiment, config } = await loadRun(join(path, "config.yaml"), [], options);
  requireSharable(experiment, config, options);
  return work(openRunDir(path), options, (runDir) => goThrough(experiment, config, runDir, options));
}

/** Do `body`, its metrics going to MLflow too where the environment names a server. */
async function tracked(
  config: RunFields,
  runDir: RunDir,
  output: Output = process.stdout,
  body: (onMetrics?: (line: MetricLine) => void) => Promise<void>,
): Promise<void> {
  const settings = mlflowSettings(process.env);
  if (settings === undefined) return body();
  const tracker = openMlflow(settings, runDir.path, config);
  let outcome: Parameters<typeof tracker.close>[0] = "FAILED";
  try {
    await body((line) => tracker.log(line));
    outcome = "FINISHED";
  } catch (error) {
    if (error instanceof ReverieError && error.code === "INTERRUPTED") outcome = "KILLED";
    throw error;
  } finally {
    const trouble = await tracker.close(outcome);
    if (trouble !== undefined)
      output.write(`MLflow has not got everything (metrics.jsonl has): ${trouble}\n`);
  }
}

/** All stages, then the hashes of what they found. */
async function goThrough(
  experiment: Experiment,
  config: RunFields,
  runDir: RunDir,
  o: RunOptions,
): Promise<void> {
  const { output, signal, handleSignals, workers } = o;
  const stages = experiment.stages(config);
  await tracked(config, runDir, output, (onMetrics) =>
    runStages(stages, config, runDir, {
      seed: config.seed,
      output,
      onMetrics,
      signal,
      handleSignals,
      workers,
    }),
  );
  const parts = resultParts(runDir.path, experiment.scores?.(config, runDir.path) ?? []);
  runDir.write("results.json", `${JSON.stringify(digestOf(parts), null, 2)}\n`);
}

/** Judge a run again from its folder and rewrite its tables and report. @throws NOT_SUPPORTED, and as `runExperiment` */
export async function evaluateRun(
  path: string,
  evaluation: EvaluateOptions = {},
  options: RunOptions = {},
): Promise<RunResult> {
  requireRun(path);
  const { experiment, config } = await loadRun(join(path, "config.yaml"), [], options);
  if (experiment.evaluate === undefined) {
    fail({ code: "NOT_SUPPORTED", what: `experiment "${config.experiment}" has no evaluation of its own` });
  }
  requireFinished(path, experiment.stages(config));
  const stage: Stage<RunFields> = {
    name: "evaluate",
    run: async (c, context) => experiment.evaluate?.(c, context, evaluation),
  };
  return work(openRunDir(path), options, (runDir) => evaluateOnce(stage, config, runDir, options));
}

/** @throws INVALID_ARGUMENT naming the first stage that is still to do */
export function requireFinished(path: string, stages: readonly Stage<RunFields>[]): void {
  const records = readState(path).stages;
  const open = stages.find(({ name }) => records[name]?.status !== "done");
  if (open === undefined) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: `${path} is not finished`,
    expected: "every stage done",
    got: `stage "${open.name}" is still to do`,
    fix: `finish it with \`reverie resume ${path}\``,
  });
}

/** Evaluation may be repeated, so it is not recorded as a stage of the run. */
async function evaluateOnce(
  stage: Stage<RunFields>,
  config: RunFields,
  runDir: RunDir,
  o: RunOptions,
): Promise<void> {
  const view = openProgress(o.output ?? process.stdout);
  const metrics = openMetrics(runDir.path);
  const begun = performance.now();
  try {
    await stage.run(config, {
      runDir,
      metrics,
      progress(fraction, note = "") {
        const elapsedSeconds = (performance.now() - begun) / 1000;
        const etaSeconds = fraction > 0 ? (elapsedSeconds / fraction) * (1 - fraction) : undefined;
        const memoryBytes = process.memoryUsage.rss();
        const times = { elapsedSeconds, etaSeconds, totalEtaSeconds: etaSeconds, memoryBytes };
        view.show({ index: 0, count: 1, name: stage.name, fraction, note, ...times });
      },
      signal: o.signal ?? new AbortController().signal,
      seed: config.seed,
      log: (line) => view.line(line),
    });
  } finally {
    view.end();
    metrics.close();
  }
}

/**
 * Worlds of a run to drive by hand; the caller closes them.
 * @throws NOT_SUPPORTED when the run's experiment has none, and as `runExperiment`
 */
export async function playRun(path: string, options: RunOptions = {}): Promise<PlayWorld[]> {
  requireRun(path);
  const { experiment, config } = await loadRun(join(path, "config.yaml"), [], options);
  if (experiment.play === undefined) {
    fail({ code: "NOT_SUPPORTED", what: `experiment "${config.experiment}" has nothing to play` });
  }
  return experiment.play(config, resolve(path));
}

/**
 * The policy of a run at work, in the simulator and in dreams; the caller closes it.
 * @throws NOT_SUPPORTED when the run's experiment has nothing to watch, and as `runExperiment`
 */
export async function watchRun(path: string, options: RunOptions = {}): Promise<WatchWorld> {
  const { experiment, config, path: folder } = await openRun(path, options);
  if (experiment.watch === undefined) {
    fail({ code: "NOT_SUPPORTED", what: `experiment "${config.experiment}" has nothing to watch` });
  }
  return experiment.watch(config, folder);
}

/** Do `body` in an open run folder, print its tables, and give the folder back whatever happens. */
async function work(
  runDir: RunDir,
  options: RunOptions,
  body: (runDir: RunDir) => Promise<void>,
): Promise<RunResult> {
  const output = options.output ?? process.stdout;
  try {
    output.write(`run folder: ${runDir.path}\n`);
    options.onStart?.(runDir.path);
    await body(runDir);
    const tables = readTables(runDir.path);
    for (const table of tables) output.write(`\n${tableText(table)}\n`);
    output.write(`\nreport: ${writeReport(runDir.path)}\n`);
    runDir.close("done");
    return { path: runDir.path, tables };
  } catch (error) {
    closeAfter(error, runDir);
    throw error;
  }
}

/** Give the folder back after a failure; a full disk fails here once more, and the first error is the one to tell. */
function closeAfter(error: unknown, runDir: RunDir): void {
  const code = error instanceof ReverieError ? error.code : "failed";
  try {
    if (code === "INTERRUPTED") writeReport(runDir.path);
    runDir.close(code);
  } catch (closing) {
    if (!isStorageFull(closing)) throw closing;
  }
}
