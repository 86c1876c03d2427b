/** @file Runs an experiment's stages one after another, skips those already done, and stops so that the run can be resumed. */

import { ReverieError, fail } from "../core/errors.ts";
import { isStorageFull } from "../core/storage.ts";
import type { Workers } from "./machines/open-hub.ts";
import type { MetricLine, Metrics } from "./records/metrics.ts";
import { openMetrics } from "./records/metrics.ts";
import type { Output, ProgressView } from "./progress.ts";
import { clock, memory, openProgress } from "./progress.ts";
import type { RunDir, StageProgress, StageRecord } from "./records/run-dir.ts";

/** What a stage is given to work with. */
export interface StageContext {
  readonly runDir: RunDir;
  readonly metrics: Metrics;
  /** Report the share done, in [0, 1], and a word on how it goes; as often as you like. */
  readonly progress: (stageFraction: number, note?: string) => void;
  /**
   * Aborted when the run is to stop. Look at it where stopping is safe: save a checkpoint, then
   * `signal.throwIfAborted()`. Signals only arrive while the stage awaits: see `safePoint`.
   */
  readonly signal: AbortSignal;
  readonly seed: number;
  /** A line for the person watching; it stays on the screen. */
  readonly log: (line: string) => void;
  /** Where other machines share the work, if they do. */
  readonly workers?: Workers;
}

/** One step of the way. Its results are files in the run's folder, from which a later stage or session reads them. */
export interface Stage<C> {
  readonly name: string;
  /** Expected share of the run's time, in any unit; 1 unless given. For the total ETA only. */
  readonly weight?: number;
  /**
   * Returns when the stage is complete. Called again from the start after a kill: continue from your own checkpoint
   * (then call `metrics.rewind`) or start over.
   */
  run(config: C, context: StageContext): Promise<void>;
}

/** How to run stages. */
export interface StageOptions {
  readonly seed: number;
  readonly output?: Output;
  /** Told of every line of metrics. */
  readonly onMetrics?: (line: MetricLine) => void;
  /** Stops the run at the next safe point; SIGINT and SIGTERM do too unless `handleSignals` is false. */
  readonly signal?: AbortSignal;
  readonly handleSignals?: boolean;
  readonly workers?: Workers;
}

/**
 * Let pending events in (a signal among them), then stop if the run is to stop. For loops that would otherwise never
 * give way. @throws the signal's reason
 */
export async function safePoint(signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
  signal.throwIfAborted();
}

const recordEveryMs = 5000;

/**
 * Run the stages that `runDir` does not hold as done.
 * @throws INTERRUPTED when stopped, STORAGE_FULL when the disk is full (both resumable), or what a stage threw
 */
export async function runStages<C>(
  stages: readonly Stage<C>[],
  config: C,
  runDir: RunDir,
  options: StageOptions,
): Promise<void> {
  checkNames(stages);
  const view = openProgress(options.output ?? process.stdout);
  const stop = watchSignals(options, view);
  const metrics = openMetrics(runDir.path, { onLine: options.onMetrics });
  try {
    runDir.writePlan(stages.map(({ name }) => name));
    for (const [index, stage] of stages.entries()) {
      if (runDir.state.stages[stage.name]?.status === "done") {
        view.line(`[${index + 1}/${stages.length}] ${stage.name}: done before`);
        continue;
      }
      stop.signal.throwIfAborted();
      const timing = makeTiming(stages, index, runDir);
      await runStage(stage, config, {
        runDir,
        metrics,
        view,
        timing,
        signal: stop.signal,
        seed: options.seed,
        workers: options.workers,
      });
    }
  } catch (error) {
    throw explain(error, runDir, stop.signal);
  } finally {
    view.end();
    metrics.close();
    stop.release();
  }
}

function checkNames(stages: readonly Stage<never>[]): void {
  const names = stages.map((stage) => stage.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  fail({
    code: "INVALID_ARGUMENT",
    what: `two stages are called "${twice}"`,
    expected: "a name of its own for each",
  });
}

interface StageRun {
  readonly runDir: RunDir;
  readonly metrics: Metrics;
  readonly view: ProgressView;
  readonly timing: Timing;
  readonly signal: AbortSignal;
  readonly seed: number;
  readonly workers: Workers | undefined;
}

async function runStage<C>(stage: Stage<C>, config: C, run: StageRun): Promise<void> {
  const { runDir, metrics, view, timing, signal, seed, workers } = run;
  let recorded = Date.now();
  let latest: StageProgress | undefined;
  const record = (status: StageRecord["status"]): void => {
    recorded = Date.now();
    runDir.writeStage(stage.name, {
      status,
      seconds: timing.elapsed(),
      peakMemoryBytes: timing.peakMemory(),
      progress: status === "done" ? undefined : latest,
    });
  };
  const progress = (share: number, note = ""): void => {
    const fraction = Math.min(1, Math.max(0, share));
    const now = timing.status(fraction);
    view.show({ ...now, note });
    const { etaSeconds, totalEtaSeconds } = now;
    latest = { fraction, etaSeconds, totalEtaSeconds, note };
    if (Date.now() - recorded >= recordEveryMs) record("running");
  };
  record("running");
  progress(0);
  const log = (line: string): void => view.line(line);
  await stage.run(config, { runDir, metrics, progress, signal, seed, log, workers });
  record("done");
  const { index, count } = timing.status(1);
  const took = `${clock(timing.elapsed())}, peak ${memory(timing.peakMemory())}`;
  view.line(`[${index + 1}/${count}] ${stage.name}: done in ${took}`);
}

interface Timing {
  elapsed(): number;
  peakMemory(): number;
  status(fraction: number): {
    index: number;
    count: number;
    name: string;
    fraction: number;
    elapsedSeconds: number;
    etaSeconds: number | undefined;
    totalEtaSeconds: number | undefined;
    memoryBytes: number;
  };
}

function makeTiming(stages: readonly Stage<never>[], index: number, runDir: RunDir): Timing {
  const { name } = stages[index];
  const weightOf = (stage: Stage<never>): number => stage.weight ?? 1;
  const before = runDir.state.stages[name];
  const begun = performance.now();
  const session = (): number => (performance.now() - begun) / 1000;
  const past = stages.slice(0, index);
  const pastSeconds = past.reduce((sum, stage) => sum + (runDir.state.stages[stage.name]?.seconds ?? 0), 0);
  const pastWeight = past.reduce((sum, stage) => sum + weightOf(stage), 0);
  const restWeight = stages.slice(index + 1).reduce((sum, stage) => sum + weightOf(stage), 0);
  let first: { fraction: number; seconds: number } | undefined;
  const eta = (fraction: number): number | undefined => {
    // A resumed stage begins at its checkpoint's share: only what this session did tells its speed.
    if (first === undefined || fraction < first.fraction) first = { fraction, seconds: session() };
    const gained = fraction - first.fraction;
    if (fraction >= 1) return 0;
    return gained <= 0 ? undefined : ((session() - first.seconds) / gained) * (1 - fraction);
  };
  const total = (own: number | undefined): number | undefined => {
    if (own === undefined) return undefined;
    const perWeight = (pastSeconds + session() + own) / (pastWeight + weightOf(stages[index]));
    return own + perWeight * restWeight;
  };
  return {
    elapsed: () => (before?.seconds ?? 0) + session(),
    peakMemory: () => Math.max(before?.peakMemoryBytes ?? 0, process.resourceUsage().maxRSS * 1024),
    status(fraction) {
      const etaSeconds = eta(fraction);
      const place = { index, count: stages.length, name, fraction, elapsedSeconds: this.elapsed() };
      return {
        ...place,
        etaSeconds,
        totalEtaSeconds: total(etaSeconds),
        memoryBytes: process.memoryUsage.rss(),
      };
    },
  };
}

/** npm and tsx pass on the Ctrl-C that the terminal has sent already; within this time it is the same one. */
const sameSignalMs = 1000;

/** First SIGINT or SIGTERM asks for a stop, the second ends the process as if it were not handled. */
function watchSignals(options: StageOptions, view: ProgressView): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const abort = (): void => controller.abort(options.signal?.reason);
  if (options.signal?.aborted) abort();
  options.signal?.addEventListener("abort", abort, { once: true });
  let askedMs = Infinity;
  const onSignal = (name: NodeJS.Signals): void => {
    if (performance.now() - askedMs > sameSignalMs) process.exit(name === "SIGINT" ? 130 : 143);
    if (askedMs !== Infinity) return;
    askedMs = performance.now();
    view.line(
      `${name}: stopping at the next safe point (again: at once; the last checkpoint is kept either way)`,
    );
    controller.abort();
  };
  const names: NodeJS.Signals[] = options.handleSignals === false ? [] : ["SIGINT", "SIGTERM"];
  for (const name of names) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release() {
      options.signal?.removeEventListener("abort", abort);
      for (const name of names) process.off(name, onSignal);
    },
  };
}

/** Interruption and a full disk as coded errors that say how to go on; everything else as it is. */
function explain(error: unknown, runDir: RunDir, signal: AbortSignal): unknown {
  const done = Object.entries(runDir.state.stages).filter(([, record]) => record.status === "done");
  const kept = `stages done: ${done.map(([name]) => name).join(", ") || "none yet"}`;
  const resume = `reverie resume ${runDir.path}`;
  if (isStorageFull(error)) {
    return new ReverieError({
      code: "STORAGE_FULL",
      what: "the disk is full; the run has stopped",
      got: (error as Error).message,
      fix: `free space, then \`${resume}\`; nothing already written is lost (${kept}; checkpoints are kept)`,
      cause: error,
    });
  }
  const stopped = signal.aborted && (error === signal.reason || (error as Error).name === "AbortError");
  if (!stopped) return error;
  return new ReverieError({
    code: "INTERRUPTED",
    what: `the run was stopped (${kept})`,
    fix: `continue with \`${resume}\``,
  });
}
